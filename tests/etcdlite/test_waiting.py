"""Who waits for what: proposals that are made again or not, reads that share rounds."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from etcdlite.errors import Refusal
from etcdlite.proposals import Proposals
from etcdlite.raft.messages import ConfChange, ConfChangeType, ConfState, Message, MessageType, ReadState
from etcdlite.raft.raw_node import Config, RawNode, Ready
from etcdlite.raft.storage import MemoryStorage
from etcdlite.waits import Waits

ME, OTHER, THIRD = 1, 2, 3


class Member:
    """A real RawNode whose Readys are carried out in memory, as far as it can go alone."""

    def __init__(self, *voters: int) -> None:
        self.storage = MemoryStorage(ConfState(voters))
        config = Config(id=ME, election_ticks=10, heartbeat_ticks=1, storage=self.storage, random=Random(1))
        self.raft = RawNode(config)
        self.wake = asyncio.Event()
        self.sent: list[Message] = []
        self.applied: list[bytes] = []
        self.read_states: list[ReadState] = []

    def settle(self) -> None:
        while self.raft.has_ready():
            self._carry_out(self.raft.ready())

    def _carry_out(self, ready: Ready) -> None:
        self.storage.append(ready.entries)
        if ready.hard_state is not None:
            self.storage.set_hard_state(ready.hard_state)
        self.sent += ready.messages
        self.read_states += ready.read_states
        self.applied += [entry.data for entry in ready.committed_entries if entry.data]
        self.raft.advance(ready)

    def hears(self, leader: int, term: int) -> None:
        self.raft.step(Message(MessageType.HEARTBEAT, to=ME, from_=leader, term=term))
        self.settle()

    def proposed(self) -> list[tuple[int, list[bytes]]]:
        """The proposals passed on since last asked: to whom, and what."""
        sent, self.sent = self.sent, []
        return [(m.to, [e.data for e in m.entries]) for m in sent if m.type is MessageType.PROP]


@pytest.fixture
def alone():
    member = Member(ME)
    member.raft.campaign()
    member.settle()
    return member


@pytest.fixture
def follower():
    return Member(ME, OTHER, THIRD)


async def submitted(proposals: Proposals, data: bytes) -> tuple[int, asyncio.Task]:
    request_id = proposals.next_id()
    task = asyncio.create_task(proposals.submit(request_id, data))
    await asyncio.sleep(0)
    return request_id, task


class TestProposals:
    async def test_what_came_together_goes_together(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        follower.hears(OTHER, 5)
        for data in (b"a", b"b"):
            await submitted(proposals, data)
        assert follower.wake.is_set()
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(OTHER, [b"a", b"b"])]

    async def test_the_caller_gets_the_result_of_his_entry(self, alone):
        proposals = Proposals(alone.raft, alone.wake, 1)
        request_id, task = await submitted(proposals, b"a")
        proposals.give()
        alone.settle()
        assert alone.applied == [b"a"]
        proposals.answer(request_id + 1, "another's")
        proposals.answer(request_id, "result")
        proposals.answer(request_id, "the same entry cannot answer twice")
        assert await task == "result"
        assert len(proposals) == 0

    async def test_without_a_leader_it_waits_until_there_is_one(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        await submitted(proposals, b"a")
        proposals.give()
        assert follower.proposed() == []
        follower.hears(OTHER, 5)
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(OTHER, [b"a"])]

    async def test_an_entry_of_a_later_term_shows_that_it_was_lost(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        await submitted(proposals, b"a")
        follower.hears(OTHER, 5)
        proposals.give()
        follower.settle()
        follower.hears(THIRD, 6)
        proposals.give()
        proposals.applied_term(5)
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(OTHER, [b"a"])], "it may still come"
        proposals.applied_term(6)
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(THIRD, [b"a"])]

    async def test_what_is_bound_to_a_term_is_not_proposed_in_another(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        follower.hears(OTHER, 5)
        lost = asyncio.create_task(proposals.submit(proposals.next_id(), b"lost", only_in_term=5))
        await asyncio.sleep(0)
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(OTHER, [b"lost"])]
        late = asyncio.create_task(proposals.submit(proposals.next_id(), b"late", only_in_term=5))
        await asyncio.sleep(0)
        follower.hears(THIRD, 6)
        proposals.give()
        assert await late is Refusal.LEADER_CHANGED
        assert not lost.done(), "it may still come"
        proposals.applied_term(6)
        proposals.give()
        assert await lost is Refusal.LEADER_CHANGED
        follower.settle()
        assert follower.proposed() == []

    async def test_who_gave_up_is_not_proposed_for(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        _, task = await submitted(proposals, b"a")
        task.cancel()
        await asyncio.wait((task,))
        follower.hears(OTHER, 5)
        proposals.give()
        follower.settle()
        assert follower.proposed() == []

    async def test_a_snapshot_leaves_only_what_was_never_proposed(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        _, under_way = await submitted(proposals, b"a")
        follower.hears(OTHER, 5)
        proposals.give()
        _, due = await submitted(proposals, b"b")
        proposals.lose_track()
        assert await under_way is Refusal.TIMEOUT
        assert not due.done()
        proposals.refuse_all(Refusal.STOPPED)
        assert await due is Refusal.STOPPED

    async def test_a_change_of_the_membership_goes_alone(self, follower):
        proposals = Proposals(follower.raft, follower.wake, 1)
        change = ConfChange(ConfChangeType.ADD_MEMBER, 4)
        task = asyncio.create_task(proposals.submit(proposals.next_id(), b"", change))
        await submitted(proposals, b"a")
        follower.hears(OTHER, 5)
        proposals.give()
        follower.settle()
        assert follower.proposed() == [(OTHER, [b"a"]), (OTHER, [change.encode()])]
        task.cancel()


class TestWaits:
    async def test_an_index_is_waited_for(self, follower):
        waits = Waits(follower.raft, follower.wake, iter(range(100)).__next__)
        waits.applied_is(3)
        await waits.index(3)
        task = asyncio.create_task(waits.index(5))
        await asyncio.sleep(0)
        waits.applied_is(4)
        assert not task.done()
        waits.applied_is(6)
        await task

    async def test_a_leader_is_waited_for(self, follower):
        waits = Waits(follower.raft, follower.wake, iter(range(100)).__next__)
        assert not await waits.leader(0)
        task = asyncio.create_task(waits.leader(60))
        await asyncio.sleep(0)
        waits.leader_is(OTHER)
        assert await task

    async def test_who_comes_during_a_round_waits_for_the_next(self, alone):
        waits = Waits(alone.raft, alone.wake, iter(range(100)).__next__)
        waits.leader_is(ME)
        alone.settle()
        waits.applied_is(alone.storage.last_index())
        rounds = asyncio.create_task(waits.run())
        first = [asyncio.create_task(waits.read()) for _ in range(3)]
        await alone.wake.wait()
        late = asyncio.create_task(waits.read())
        alone.settle()
        (state,) = alone.read_states
        waits.read_is(ReadState(state.index, b"somebody else's"))
        waits.read_is(state)
        await asyncio.gather(*first)
        assert not late.done(), "it began after the question was asked"
        alone.settle()
        waits.read_is(alone.read_states[-1])
        await late
        assert len(alone.read_states) == 2
        rounds.cancel()

    async def test_a_read_waits_until_its_index_is_applied(self, alone):
        waits = Waits(alone.raft, alone.wake, iter(range(100)).__next__)
        waits.leader_is(ME)
        rounds = asyncio.create_task(waits.run())
        read = asyncio.create_task(waits.read())
        await alone.wake.wait()
        alone.settle()
        waits.read_is(alone.read_states[0])
        await asyncio.sleep(0)
        assert not read.done()
        waits.applied_is(alone.read_states[0].index)
        await read
        rounds.cancel()

    async def test_a_leader_that_raft_has_lost_before_the_node_heard_of_it_freezes_nobody(self, follower):
        waits = Waits(follower.raft, follower.wake, iter(range(100)).__next__)
        waits.leader_is(OTHER)
        rounds = asyncio.create_task(waits.run())
        read = asyncio.create_task(waits.read())
        await asyncio.sleep(0)  # the loop comes back to us
        follower.hears(THIRD, 5)
        await follower.wake.wait()
        follower.settle()
        (question,) = [m for m in follower.sent if m.type is MessageType.READ_INDEX]
        waits.read_is(ReadState(3, question.context))
        waits.applied_is(3)
        await read
        rounds.cancel()
