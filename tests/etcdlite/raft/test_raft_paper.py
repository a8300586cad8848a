"""Section 5 of the Raft paper, one test a sentence. The sentence is the test's docstring, in short."""

from __future__ import annotations

import pytest

from etcdlite.raft.messages import ConfState, Entry, HardState, Message, MessageType, Role
from etcdlite.raft.raw_node import Config, RawNode, Ready
from etcdlite.raft.storage import MemoryStorage
from tests.etcdlite.raft.network import ELECTION_TICKS, ById, Network

THREE = ConfState((1, 2, 3))
BASE = 1  # the founding entry: real entries start after it


def member(
    terms: tuple[int, ...] = (), *, term: int = 0, vote: int = 0, voters: ConfState = THREE
) -> tuple[RawNode, MemoryStorage]:
    """Member 1, without pre-vote as in the paper, with a log of entries of these terms."""
    storage = MemoryStorage(voters)
    storage.append([Entry(t, BASE + 1 + i) for i, t in enumerate(terms)])
    storage.set_hard_state(HardState(max(term, *terms, 0) if terms else term, vote, 0))
    config = Config(
        id=1,
        election_ticks=ELECTION_TICKS,
        heartbeat_ticks=1,
        storage=storage,
        random=ById(1),
        pre_vote=False,
        check_quorum=False,
    )
    return RawNode(config), storage


def settle(node: RawNode, storage: MemoryStorage) -> list[Message]:
    """Carry out every Ready; the messages they sent."""
    sent: list[Message] = []
    while node.has_ready():
        ready = node.ready()
        save(ready, storage)
        sent += ready.messages
        node.advance(ready)
    return sent


def save(ready: Ready, storage: MemoryStorage) -> None:
    storage.append(ready.entries)
    if ready.hard_state:
        storage.set_hard_state(ready.hard_state)


def elected(terms: tuple[int, ...] = ()) -> tuple[RawNode, MemoryStorage]:
    node, storage = member(terms)
    node.campaign()
    node.step(Message(MessageType.VOTE_RESP, to=1, from_=2, term=node.status().term))
    assert node.status().role is Role.LEADER
    return node, storage


def as_role(role: Role) -> tuple[RawNode, MemoryStorage]:
    node, storage = elected() if role is Role.LEADER else member()
    if role is Role.CANDIDATE:
        node.campaign()
    settle(node, storage)
    assert node.status().role is role
    return node, storage


ROLES = pytest.mark.parametrize("role", [Role.FOLLOWER, Role.CANDIDATE, Role.LEADER])


def network(count: int = 3) -> Network:
    net = Network()
    net.add(count)
    return net


# 5.1 Raft basics


@ROLES
def test_5_1_a_larger_term_is_taken_over(role: Role) -> None:
    """If one server's current term is smaller than the other's, then it updates its current term."""
    node, _ = as_role(role)
    node.step(Message(MessageType.APP, to=1, from_=2, term=7, index=BASE))
    assert node.status().term == 7


@ROLES
def test_5_1_an_out_of_date_candidate_or_leader_becomes_a_follower(role: Role) -> None:
    """If a candidate or leader discovers that its term is out of date, it reverts to follower state."""
    node, _ = as_role(role)
    node.step(Message(MessageType.APP_RESP, to=1, from_=2, term=7))
    assert node.status().role is Role.FOLLOWER


@ROLES
@pytest.mark.parametrize("type_", [MessageType.APP, MessageType.VOTE])
def test_5_1_a_stale_term_is_rejected(role: Role, type_: MessageType) -> None:
    """If a server receives a request with a stale term number, it rejects the request."""
    node, storage = as_role(role)
    node.step(Message(MessageType.HEARTBEAT, to=1, from_=3, term=7))
    settle(node, storage)
    before = node.status()
    entries = (Entry(3, BASE + 1),) if type_ is MessageType.APP else ()
    node.step(Message(type_, to=1, from_=2, term=3, index=BASE, entries=entries))
    settle(node, storage)
    assert node.status() == before
    assert all(entry.term != 3 for entry in storage.entries(BASE + 1, storage.last_index() + 1, 1000))


# 5.2 Leader election


def test_5_2_servers_start_as_followers() -> None:
    """When servers start up, they begin as followers."""
    assert member()[0].status().role is Role.FOLLOWER


@pytest.mark.parametrize("type_", [MessageType.APP, MessageType.HEARTBEAT])
def test_5_2_a_follower_stays_while_it_receives_valid_rpcs(type_: MessageType) -> None:
    """A server remains in follower state as long as it receives valid RPCs from a leader."""
    node, storage = member(term=1)
    for _ in range(10):
        for _ in range(ELECTION_TICKS - 1):
            node.tick()
        node.step(Message(type_, to=1, from_=2, term=1, index=BASE))
        settle(node, storage)
        assert node.status().role is Role.FOLLOWER


def test_5_2_a_leader_sends_periodic_heartbeats() -> None:
    """Leaders send periodic heartbeats to all followers in order to maintain their authority."""
    node, storage = elected()
    settle(node, storage)
    for _ in range(5):
        node.tick()
        beats = [m for m in settle(node, storage) if m.type is MessageType.HEARTBEAT]
        assert [m.to for m in beats] == [2, 3]


def test_5_2_a_silent_leader_causes_an_election() -> None:
    """If a follower receives no communication over the election timeout, then it begins an election."""
    node, _ = member()
    for _ in range(ELECTION_TICKS):
        assert node.status().role is Role.FOLLOWER
        node.tick()
    assert node.status().role is Role.CANDIDATE


def test_5_2_an_election_begins_with_a_new_term_a_vote_for_itself_and_requests() -> None:
    """It increments its term, transitions to candidate, votes for itself and issues RequestVote RPCs."""
    node, storage = member(term=4)
    node.campaign()
    status = node.status()
    assert (status.term, status.vote, status.role) == (5, 1, Role.CANDIDATE)
    sent = settle(node, storage)
    assert [(m.type, m.to, m.term) for m in sent] == [(MessageType.VOTE, 2, 5), (MessageType.VOTE, 3, 5)]
    assert storage.initial_state()[0] == HardState(5, 1, BASE)


@pytest.mark.parametrize(
    ("size", "grants", "is_won"),
    [(1, 0, True), (3, 0, False), (3, 1, True), (5, 1, False), (5, 2, True), (5, 4, True)],
)
def test_5_2_a_majority_of_votes_wins(size: int, grants: int, is_won: bool) -> None:
    """A candidate wins an election if it receives votes from a majority for the same term."""
    node, _ = member(voters=ConfState(tuple(range(1, size + 1))))
    node.campaign()
    for voter in range(2, 2 + grants):
        node.step(Message(MessageType.VOTE_RESP, to=1, from_=voter, term=1))
    assert (node.status().role is Role.LEADER) == is_won


def test_5_2_votes_of_another_term_do_not_count() -> None:
    """... in the full cluster for the same term."""
    node, _ = member()
    node.campaign()
    node.campaign()
    assert node.status().term == 2
    node.step(Message(MessageType.VOTE_RESP, to=1, from_=2, term=1))
    assert node.status().role is Role.CANDIDATE


def test_5_2_one_vote_a_term_first_come_first_served() -> None:
    """Each server will vote for at most one candidate in a given term, on a first-come-first-served basis."""
    node, storage = member()
    for candidate in (2, 3, 2):
        node.step(Message(MessageType.VOTE, to=1, from_=candidate, term=1, index=BASE))
    answers = [(m.to, m.reject) for m in settle(node, storage)]
    assert answers == [(2, False), (3, True), (2, False)]


def test_5_2_a_vote_survives_a_restart() -> None:
    """Figure 2: votedFor is persistent, updated on stable storage before responding to RPCs."""
    node, storage = member()
    node.step(Message(MessageType.VOTE, to=1, from_=2, term=1, index=BASE))
    ready = node.ready()
    assert ready.must_sync
    assert ready.hard_state == HardState(1, 2, BASE)
    save(ready, storage)
    restarted = RawNode(
        Config(id=1, election_ticks=ELECTION_TICKS, heartbeat_ticks=1, storage=storage, random=ById(1))
    )
    restarted.step(Message(MessageType.VOTE, to=1, from_=3, term=1, index=BASE))
    assert [m.reject for m in settle(restarted, storage)] == [True]


def test_5_2_a_winner_tells_the_others() -> None:
    """Once a candidate wins, it sends messages to all of the other servers to establish its authority."""
    node, storage = elected()
    sent = [m for m in settle(node, storage) if m.type is MessageType.APP]
    assert [m.to for m in sent] == [2, 3]


@pytest.mark.parametrize("term", [1, 2])
@pytest.mark.parametrize("type_", [MessageType.APP, MessageType.HEARTBEAT])
def test_5_2_a_candidate_recognizes_a_leader(term: int, type_: MessageType) -> None:
    """If the leader's term is at least the candidate's, the candidate follows it."""
    node, _ = as_role(Role.CANDIDATE)
    node.step(Message(type_, to=1, from_=3, term=term, index=BASE))
    status = node.status()
    assert (status.role, status.leader, status.term) == (Role.FOLLOWER, 3, term)


def test_5_2_a_candidate_rejects_a_smaller_term() -> None:
    """If the term in the RPC is smaller, the candidate rejects the RPC and continues in candidate state."""
    node, storage = member(term=5)
    node.campaign()
    settle(node, storage)
    node.step(Message(MessageType.APP, to=1, from_=3, term=5, index=BASE))
    assert node.status().role is Role.CANDIDATE
    assert [(m.type, m.term) for m in settle(node, storage)] == [(MessageType.APP_RESP, 6)]


def test_5_2_a_split_vote_times_out_into_a_new_term() -> None:
    """Each candidate will time out and start a new election by incrementing its term."""
    node, _ = as_role(Role.CANDIDATE)
    for _ in range(ELECTION_TICKS):
        node.tick()
    status = node.status()
    assert (status.role, status.term, status.vote) == (Role.CANDIDATE, 2, 1)


def test_5_2_election_timeouts_are_random_in_a_fixed_interval() -> None:
    """Election timeouts are chosen randomly from a fixed interval."""
    timeouts = set()
    for member_id in range(1, 40):
        config = Config(
            id=member_id,
            election_ticks=10,
            heartbeat_ticks=1,
            storage=MemoryStorage(ConfState((member_id,))),
            random=ById(member_id),
        )
        node, ticks = RawNode(config), 0
        while node.status().role is Role.FOLLOWER:
            node.tick()
            ticks += 1
        timeouts.add(ticks)
    assert timeouts == set(range(10, 20))


# 5.3 Log replication


def test_5_3_a_command_is_appended_and_sent_in_parallel() -> None:
    """The leader appends the command as a new entry, then issues AppendEntries RPCs in parallel."""
    node, _ = replicating_leader()
    node.propose(b"x")
    ready = node.ready()
    assert ready.entries == [Entry(1, BASE + 2, data=b"x")]
    assert [(m.to, m.entries) for m in ready.messages] == [
        (2, tuple(ready.entries)),
        (3, tuple(ready.entries)),
    ]


def replicating_leader() -> tuple[RawNode, MemoryStorage]:
    """A leader whose first entry everyone has."""
    node, storage = elected()
    settle(node, storage)
    for peer in (2, 3):
        node.step(Message(MessageType.APP_RESP, to=1, from_=peer, term=1, index=BASE + 1))
    settle(node, storage)
    assert node.status().commit == BASE + 1
    return node, storage


def test_5_3_an_entry_is_committed_once_a_majority_stores_it() -> None:
    """A log entry is committed once the leader that created it has replicated it on a majority."""
    node, storage = replicating_leader()
    node.propose(b"x")
    settle(node, storage)
    assert node.status().commit == BASE + 1
    node.step(Message(MessageType.APP_RESP, to=1, from_=3, term=1, index=BASE + 2))
    assert node.status().commit == BASE + 2


def test_5_3_committing_commits_all_preceding_entries() -> None:
    """This also commits all preceding entries in the leader's log, including those of previous leaders."""
    node, storage = elected((1, 2))
    settle(node, storage)
    assert node.status().commit == BASE
    node.step(Message(MessageType.APP_RESP, to=1, from_=2, term=3, index=BASE + 3))
    assert [e.term for e in node.ready().committed_entries] == [1, 2, 3]


def test_5_3_the_commit_index_travels_with_later_rpcs() -> None:
    """The leader includes the highest index it knows to be committed in future AppendEntries RPCs."""
    node, storage = replicating_leader()
    node.propose(b"x")
    sent = settle(node, storage)
    assert {m.commit for m in sent} == {BASE + 1}


def test_5_3_a_follower_applies_what_it_learns_is_committed_in_log_order() -> None:
    """Once a follower learns that a log entry is committed, it applies the entry (in log order)."""
    node, _ = member(term=1)
    entries = (Entry(1, BASE + 1, data=b"a"), Entry(1, BASE + 2, data=b"b"), Entry(1, BASE + 3, data=b"c"))
    node.step(Message(MessageType.APP, to=1, from_=2, term=1, index=BASE, entries=entries, commit=BASE + 2))
    assert [e.data for e in node.ready().committed_entries] == [b"a", b"b"]


@pytest.mark.parametrize(
    ("index", "term", "is_accepted"), [(1, 0, True), (2, 1, True), (3, 2, True), (3, 1, False), (4, 2, False)]
)
def test_5_3_the_consistency_check(index: int, term: int, is_accepted: bool) -> None:
    """If the follower does not find an entry with the same index and term, it refuses the new entries."""
    node, storage = member((1, 2))
    node.step(Message(MessageType.APP, to=1, from_=2, term=2, index=index, log_term=term))
    [answer] = settle(node, storage)
    assert answer.reject is not is_accepted


@pytest.mark.parametrize(
    ("index", "log_term", "new", "expected"),
    [
        (3, 2, (3,), (1, 2, 3)),
        (2, 1, (3, 4), (1, 3, 4)),
        (1, 0, (1,), (1, 2)),
        (1, 0, (3,), (3,)),
    ],
)
def test_5_3_conflicting_entries_are_overwritten(
    index: int, log_term: int, new: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Conflicting entries in follower logs will be overwritten with entries from the leader's log."""
    node, storage = member((1, 2))
    entries = tuple(Entry(t, index + 1 + i) for i, t in enumerate(new))
    node.step(
        Message(MessageType.APP, to=1, from_=2, term=4, index=index, log_term=log_term, entries=entries)
    )
    settle(node, storage)
    log = storage.entries(BASE + 1, storage.last_index() + 1, 10_000)
    assert tuple(e.term for e in log) == expected


def test_5_3_next_index_starts_just_after_the_leaders_last_entry() -> None:
    """When a leader first comes to power, nextIndex starts just after its last entry."""
    node, storage = elected((1, 1, 2))
    sent = [m for m in settle(node, storage) if m.type is MessageType.APP]
    assert [(m.index, m.log_term) for m in sent] == [(BASE + 3, 2), (BASE + 3, 2)]


def test_5_3_after_a_rejection_the_leader_goes_back_and_retries() -> None:
    """After a rejection, the leader decrements nextIndex and retries the AppendEntries RPC."""
    node, storage = elected((1, 1, 2))
    settle(node, storage)
    node.step(
        Message(
            MessageType.APP_RESP,
            to=1,
            from_=2,
            term=3,
            index=BASE + 3,
            reject=True,
            reject_hint=BASE + 1,
            log_term=1,
        )
    )
    [retry] = settle(node, storage)
    assert (retry.index, [e.term for e in retry.entries]) == (BASE + 1, [1, 2, 3])


FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("follower", sorted(FIGURE_7))
def test_5_3_figure_7_the_followers_log_becomes_the_leaders(follower: str) -> None:
    """The leader brings a follower's log into consistency with its own: every follower of Figure 7."""
    net = network()
    leader_log = (1, 1, 1, 4, 4, 5, 5, 6, 6, 6)
    for member_id, terms in ((1, leader_log), (2, FIGURE_7[follower]), (3, ())):
        storage = net.members[member_id].storage
        storage.append([Entry(t, BASE + 1 + i) for i, t in enumerate(terms)])
        storage.set_hard_state(HardState(7, 0, 0))
        net.members[member_id].start()
    net.elect(1)
    net.run(2)
    logs = [m.storage.entries(BASE + 1, m.storage.last_index() + 1, 10_000) for m in net.members.values()]
    assert [e.term for e in logs[0]] == [*leader_log, 8]
    assert logs[0] == logs[1] == logs[2]


def test_5_3_a_leader_never_changes_its_own_log() -> None:
    """A leader never overwrites or deletes entries in its own log (Leader Append-Only)."""
    node, storage = elected((1, 2))
    before = storage.entries(BASE + 1, BASE + 3, 10_000)
    settle(node, storage)
    node.propose(b"x")
    node.step(
        Message(MessageType.APP_RESP, to=1, from_=2, term=3, index=BASE + 2, reject=True, reject_hint=1)
    )
    settle(node, storage)
    assert storage.entries(BASE + 1, BASE + 3, 10_000) == before


def test_5_3_a_slow_minority_does_not_hold_back_commitment() -> None:
    """A new entry can normally be replicated with one round; a single slow follower does not impact it."""
    net = network()
    net.elect(1)
    net.crash(3)
    net.propose(1, "x")
    net.deliver()
    net.deliver()
    assert net.members[1].values == ["x"]


# 5.4 Safety


@pytest.mark.parametrize(
    ("log", "candidate_last", "is_granted"),
    [
        ((1,), (2, 1), True),
        ((1,), (2, 2), True),
        ((1, 1), (2, 1), False),
        ((1,), (3, 1), True),
        ((2,), (3, 1), False),
        ((1, 1), (2, 2), True),
    ],
)
def test_5_4_1_the_vote_is_denied_to_a_less_up_to_date_log(
    log: tuple[int, ...], candidate_last: tuple[int, int], is_granted: bool
) -> None:
    """The voter denies its vote if its own log is more up-to-date than that of the candidate."""
    node, storage = member(log)
    index, log_term = candidate_last
    node.step(Message(MessageType.VOTE, to=1, from_=2, term=9, index=index, log_term=log_term))
    [answer] = settle(node, storage)
    assert answer.reject is not is_granted


def test_5_4_1_the_request_tells_about_the_candidates_log() -> None:
    """The RequestVote RPC includes information about the candidate's log."""
    node, storage = member((1, 2))
    node.campaign()
    assert {(m.index, m.log_term) for m in settle(node, storage)} == {(BASE + 2, 2)}


def test_5_4_2_only_entries_of_the_current_term_are_committed_by_counting() -> None:
    """Only log entries from the leader's current term are committed by counting replicas (Figure 8)."""
    node, storage = elected((1, 2))
    settle(node, storage)
    node.step(Message(MessageType.APP_RESP, to=1, from_=2, term=3, index=BASE + 2))
    assert node.status().commit == BASE
    node.step(Message(MessageType.APP_RESP, to=1, from_=2, term=3, index=BASE + 3))
    assert node.status().commit == BASE + 3


def test_5_4_3_a_leader_holds_every_committed_entry() -> None:
    """If an entry is committed in a given term, it is present in the logs of all later leaders."""
    net = network()
    net.elect(1)
    net.crash(3)
    net.propose(1, "committed")
    net.stabilize()
    net.crash(1)
    net.members[3].start()
    net[3].campaign()
    net.stabilize()
    assert net.leader() == 0
    net.elect(2)
    net.run(2)
    assert net.members[3].values == ["committed"]


# 5.5 Follower and candidate crashes


def test_5_5_rpcs_are_idempotent() -> None:
    """A follower that receives entries already present in its log ignores them."""
    node, storage = member(term=1)
    entries = (Entry(1, BASE + 1, data=b"a"), Entry(1, BASE + 2, data=b"b"))
    append = Message(MessageType.APP, to=1, from_=2, term=1, index=BASE, entries=entries, commit=BASE + 2)
    node.step(append)
    settle(node, storage)
    node.step(append)
    ready = node.ready()
    assert ready.entries == []
    assert ready.committed_entries == []
    assert [m.reject for m in ready.messages] == [False]


def test_5_5_an_older_duplicate_does_not_shorten_the_log() -> None:
    """... a delayed request must not remove entries that followed it."""
    node, storage = member(term=1)
    first = Message(MessageType.APP, to=1, from_=2, term=1, index=BASE, entries=(Entry(1, BASE + 1),))
    second = Message(
        MessageType.APP, to=1, from_=2, term=1, index=BASE + 1, log_term=1, entries=(Entry(1, BASE + 2),)
    )
    for message in (first, second, first):
        node.step(message)
    settle(node, storage)
    assert storage.last_index() == BASE + 2


def test_5_5_a_crashed_follower_is_retried_until_it_answers() -> None:
    """If a follower crashes, Raft retries indefinitely; if it restarts, the RPC completes successfully."""
    net = network()
    net.elect(1)
    net.crash(3)
    net.propose(1, "x")
    net.run(30)
    assert net.members[3].values == []
    net.members[3].start()
    net.run(3)
    assert net.members[3].values == ["x"]


# 5.6 Timing and availability


def test_5_6_a_minority_of_failures_leaves_the_cluster_available() -> None:
    """As long as a majority communicates within the election timeout, a steady leader is elected."""
    net = network(5)
    net.elect(1)
    net.crash(1)
    net.crash(2)
    net.run(4 * ELECTION_TICKS)
    leader = net.leader()
    assert leader in (3, 4, 5)
    net.propose(leader, "available")
    net.stabilize()
    assert all(net.members[i].values == ["available"] for i in (3, 4, 5))
