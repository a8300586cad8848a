"""In which order backends are tried, and who comes back to whom."""

from __future__ import annotations

from proxy.balancer import AVOIDED_SECONDS, CLIENTS_MAX
from proxy.balancer import Balancer as AnyBalancer
from proxy.endpoints import Backend
from proxy.rules import Rule

A, B, C = (Backend(f"127.224.1.{n}", 80) for n in (2, 3, 4))


class Balancer(AnyBalancer):
    """One whose clients are named for their nodes."""

    def __init__(self, rule: Rule, first: int = 0) -> None:
        super().__init__(rule, lambda client: client.partition(" on ")[2], first)


def rule(*backends: Backend, affinity: int | None = None) -> Rule:
    return Rule("default/web:80", backends, affinity)


def test_connections_go_round_and_each_sees_every_backend_once() -> None:
    balancer = Balancer(rule(A, B, C), first=1)
    assert [tuple(balancer.candidates("x", 0)) for _ in range(4)] == [
        (B, C, A),
        (C, A, B),
        (A, B, C),
        (B, C, A),
    ]


def test_nobody_behind_it() -> None:
    assert tuple(Balancer(rule()).candidates("x", 0)) == ()


def test_new_backends_take_part_at_once() -> None:
    balancer = Balancer(rule(A))
    balancer.candidates("x", 0)
    balancer.replace(rule(B, C))
    assert {balancer.candidates("x", 0)[0] for _ in range(2)} == {B, C}


def test_a_client_sticks_to_the_backend_that_took_it() -> None:
    balancer = Balancer(rule(A, B, C, affinity=60))
    balancer.took("x", C, 0)
    assert [balancer.candidates("x", at)[0] for at in (1, 2, 59)] == [C, C, C]
    assert sorted(balancer.candidates("x", 59)) == [A, B, C]
    assert balancer.candidates("x", 60)[0] == A, "its time was up"


def test_each_connection_prolongs_the_affinity() -> None:
    balancer = Balancer(rule(A, B, affinity=60))
    balancer.took("x", B, 0)
    balancer.took("x", B, 50)
    assert balancer.candidates("x", 100)[0] == B


def test_without_affinity_nothing_is_remembered() -> None:
    balancer = Balancer(rule(A, B))
    balancer.took("x", B, 0)
    assert balancer.candidates("x", 1)[0] == A


def test_a_backend_that_left_is_forgotten() -> None:
    balancer = Balancer(rule(A, B, affinity=60))
    balancer.took("x", B, 0)
    balancer.replace(rule(A, C, affinity=60))
    balancer.took("y", B, 0)
    assert [balancer.candidates(client, 1)[0] for client in ("x", "y")] == [A, C]


def test_the_client_not_heard_of_for_longest_gives_way() -> None:
    balancer = Balancer(rule(A, B, affinity=60))
    for number in range(CLIENTS_MAX):
        balancer.took(f"client {number}", B, 0)
    balancer.took("client 0", B, 1)
    balancer.took("one more", B, 2)
    assert balancer.candidates("client 0", 3)[0] == B
    assert [balancer.candidates("client 1", 3)[0] for _ in range(2)] == [A, B]


def test_who_did_not_answer_comes_last_for_a_while() -> None:
    balancer = Balancer(rule(A, B, C))
    balancer.missed(A, 0)
    assert [tuple(balancer.candidates("x", 1)) for _ in range(3)] == [(B, C, A), (B, C, A), (C, B, A)]
    assert balancer.candidates("x", AVOIDED_SECONDS)[0] == A


def test_who_answers_again_is_as_good_as_others() -> None:
    balancer = Balancer(rule(A, B, affinity=60))
    balancer.took("x", A, 0)
    balancer.missed(A, 1)
    assert balancer.candidates("x", 2)[0] == B, "also for a client that sticks to it"
    balancer.took("y", A, 3)
    assert balancer.candidates("x", 4)[0] == A


def test_a_client_is_kept_to_its_nodes_backends() -> None:
    near = Rule("default/web:80", (A, B), 60, by_node={"node1": (A,), "node2": (C,), "node3": ()})
    balancer = Balancer(near)
    clients = ("x on node1", "x on node2", "x on node3", "x on node4", "x")
    assert [sorted(balancer.candidates(each, 0)) for each in clients] == [[A], [C], [], [A, B], [A, B]]
    balancer.took("x on node2", C, 0)
    balancer.replace(near)
    assert balancer.candidates("x on node2", 1)[0] == C
