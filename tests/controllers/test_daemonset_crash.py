"""A rollout stopped after every single write and begun anew ends the same, and keeps its bounds meanwhile."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from itertools import count

import pytest

from controllers import pods
from controllers.daemonset.history import name_of_new
from controllers.daemonset.placement import HASH, target_node
from controllers.daemonset.plan import Seen, plan
from kube.api import meta
from kube.api.actions import Action, Create, Delete, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import PODS
from tests.controllers.test_daemonset_plan import daemon_set, node
from tests.controllers.test_plans import START

NODES = ["n1", "n2", "n3", "n4"]
ROUNDS_MAX = 60


class World:
    """What a server would hold, changed at once; kubelets make one pod ready after each look."""

    def __init__(self, of: Object) -> None:
        self.daemon_set = of
        self.pods: dict[str, Object] = {}
        self.revisions: dict[str, Object] = {}
        self.numbers = count(1)

    def seen(self) -> Seen:
        namesake = self.revisions.get(name_of_new(self.daemon_set))
        nodes = [node(each) for each in NODES]
        return Seen(self.daemon_set, nodes, [*self.pods.values()], [*self.revisions.values()], namesake)

    def do(self, action: Action) -> None:
        match action:
            case Create() | Update():
                found = self.pods if action.resource == PODS else self.revisions
                made = meta.format_time(START)
                name = meta.name(action.object) or f"ds-{next(self.numbers)}"
                assert isinstance(action, Update) or name not in found
                identity = {"name": name, "uid": f"uid-{name}", "creationTimestamp": made}
                metadata = {**action.object["metadata"], **identity}
                found[name] = {**action.object, "metadata": metadata}
            case Delete():
                del (self.pods if action.resource == PODS else self.revisions)[action.name]
            case UpdateStatus():
                self.daemon_set = action.object
            case _:
                raise AssertionError(action)

    def run_one(self) -> None:
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": meta.format_time(START)}
        for pod in self.pods.values():
            if not pods.is_ready(pod):
                pod["spec"]["nodeName"] = target_node(pod)
                pod["status"] = {"phase": "Running", "conditions": [ready]}
                return

    def served(self) -> set[str | None]:
        return {target_node(each) for each in self.pods.values() if pods.is_ready(each)}


def roll_out(world: World, stop_after: int, nodes_min: int, a_node_max: int) -> int:
    """Look and act until nothing is left to do, once stopped in the middle; how many writes it took."""
    writes = 0
    for _ in range(ROUNDS_MAX):
        actions = plan(world.seen(), START + timedelta(hours=1))
        if not actions and all(pods.is_ready(each) for each in world.pods.values()):
            return writes
        for action in actions:
            world.do(action)
            writes += 1
            assert len(world.served()) >= nodes_min
            assert max(Counter(map(target_node, world.pods.values())).values(), default=0) <= a_node_max
            if writes == stop_after:
                break
        world.run_one()
    raise AssertionError(f"not done after {ROUNDS_MAX} looks")


@pytest.mark.parametrize(("unavailable", "surge", "a_node_max"), [(1, 0, 1), (2, 0, 1), (0, 1, 2), (0, 3, 2)])
def test_a_rollout_survives_a_stop_after_every_write(unavailable: int, surge: int, a_node_max: int) -> None:
    old = {"image": "old", "unavailable": unavailable, "surge": surge}
    writes, stop_after = 1, 0
    while stop_after < writes:
        stop_after += 1
        world = World(daemon_set(old))
        roll_out(world, stop_after, 0, 1)
        status = world.daemon_set["status"]
        world.daemon_set = daemon_set({**old, "image": "new", "generation": 2, "status": status})
        writes = roll_out(world, stop_after, len(NODES) - unavailable, a_node_max)
        assert sorted(map(target_node, world.pods.values()), key=str) == NODES
        newest = max(world.revisions.values(), key=lambda each: int(each["revision"]))
        assert len(world.revisions) == 2
        assert {meta.labels(each)[HASH] for each in world.pods.values()} == {meta.labels(newest)[HASH]}
