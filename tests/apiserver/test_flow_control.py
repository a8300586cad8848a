"""Text tests of flow control: whose request is whose, how seats are shared out, lent and queued for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from sortedcontainers import SortedDict

from apiserver import flow_policy
from apiserver.authentication.user import User
from apiserver.filters.request_info import request_info
from apiserver.flow_control.configuration import Configuration, with_condition
from apiserver.flow_control.dispatcher import QUEUE_FULL, TIME_OUT, Dispatcher, Level
from apiserver.flow_control.dump import dump_levels, dump_queues
from apiserver.flow_control.priority_level import PriorityLevel, allot
from apiserver.flow_control.queue_set import Ticket
from apiserver.flow_control.shuffle_sharding import deal, hash_of
from apiserver.flow_control.width import seats_of_list
from kube.api import meta
from kube.api.meta import Object
from tests import datadriven
from tests.datadriven import Case

FOLDER = Path(__file__).parent / "testdata" / "flow_control"
KINDS = ("FlowSchema", "PriorityLevelConfiguration")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_flow_control(path: Path, request: pytest.FixtureRequest) -> None:
    world = World()
    datadriven.run(path, request, lambda case: handle(case, world))


@dataclass
class World:
    """The objects, and a dispatcher with the requests that came to it, by name."""

    objects: list[Object] = field(default_factory=list)
    dispatcher: Dispatcher = field(default_factory=lambda: Dispatcher(0))
    tickets: dict[str, tuple[Level, Ticket]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Object]:
        return [o for o in self.objects if o["kind"] == kind]


def handle(case: Case, world: World) -> str:
    match case.command:
        case "objects":
            given = [o for o in yaml.safe_load_all(case.input) if o]
            world.objects = [*(flow_policy.objects("now") if "default" in case.args else []), *given]
            return "ok"
        case "match":
            return "\n".join(f"{line}: {matched(world, line)}" for line in case.input.splitlines())
        case "conditions":
            return conditions(world)
        case "allot":
            return allotted(case, world)
        case "deal":
            return "\n".join(f"{line}: {dealt(line)}" for line in case.input.splitlines())
        case "levels":
            return configured(case, world)
        case "come":
            return "\n".join(came(case, world, line) for line in case.input.splitlines())
        case "finish" | "leave":
            return ended(case, world)
        case "dump":
            levels, dispatched = world.dispatcher.levels.values(), Counter({"a": 2, "exempt": 1})
            rejected = Counter({("a", TIME_OUT): 3, ("a", QUEUE_FULL): 4})
            return dump_levels(levels, dispatched, rejected) + dump_queues(levels).rstrip("\n")
    raise AssertionError(case.command)


def matched(world: World, line: str) -> str:
    """`user groups method path`, the groups with commas between."""
    name, groups, method, url = line.split()
    path, _, query = url.partition("?")
    info = request_info(method, path, {"watch": "1"} if query == "watch" else {})
    user = User(name, tuple(groups.split(",")))
    schema = Configuration.build(*map(world.of_kind, KINDS)).schema_of(user, info)
    return f"{schema.name} at {schema.level}, flow {schema.flow_of(user, info) or '-'}"


def conditions(world: World) -> str:
    levels = {meta.name(o) for o in world.of_kind(KINDS[1])}
    lines = []
    for o in world.of_kind(KINDS[0]):
        found = with_condition(o, levels, "now")
        [said] = found["status"]["conditions"]
        changed = "as it was" if found is o else "written"
        lines.append(f"{meta.name(o)}: {said['status']} {said['reason']}, {changed}: {said['message']}")
    return "\n".join(lines)


def allotted(case: Case, world: World) -> str:
    levels = Configuration.build((), world.of_kind(KINDS[1])).levels.values()
    limits = allot(levels, int(case.option("seats", "600")))
    return "\n".join(
        f"{name}: {each.nominal}, {each.minimum} to {each.maximum}, widest {each.widest}"
        for name, each in limits.items()
    )


def dealt(line: str) -> str:
    schema, flow, deck, hand = line.split()
    return " ".join(map(str, deal(hash_of(schema, flow), int(deck), int(hand))))


def configured(case: Case, world: World) -> str:
    """`name key=value ...`, or `name exempt`."""
    if seats := case.option("seats", ""):
        world.dispatcher = Dispatcher(int(seats))
        world.tickets.clear()
    specs = [level(line) for line in case.input.splitlines()]
    return started(world, world.dispatcher.configure(specs, float(case.option("t", "0")))) or "ok"


def level(line: str) -> PriorityLevel:
    name, *words = line.split()
    values: dict[str, Any] = {
        key: int(value) for key, value in (word.split("=") for word in words if "=" in word)
    }
    if "queues" in values:
        values = {"hand_size": 1, "queue_length": 50} | values
    return PriorityLevel(name, "", "exempt" in words, **{"shares": 0} | values)


def came(case: Case, world: World, line: str) -> str:
    """`name level [queue=0,1] [seats=1]`; the queues are the hand."""
    name, at, *words = line.split()
    options = dict(word.split("=") for word in words)
    found = world.dispatcher.levels[at]
    hand = tuple(map(int, options.get("queue", "0").split(","))) if found.spec.queues else ()
    ticket = world.dispatcher.admit(found, hand, int(options.get("seats", "1")), float(case.option("t", "0")))
    if isinstance(ticket, str):
        return f"{name}: refused, {ticket}"
    world.tickets[name] = found, ticket
    if ticket.is_executing:
        return f"{name}: executing"
    assert ticket.queue is not None
    return f"{name}: waiting in {ticket.queue.index}"


def ended(case: Case, world: World) -> str:
    end = world.dispatcher.finish if case.command == "finish" else world.dispatcher.leave
    now = float(case.option("t", "0"))
    return "\n".join(
        f"{name}: {started(world, end(*world.tickets.pop(name), now)) or 'nothing starts'}"
        for name in case.args
    )


def started(world: World, tickets: list[Ticket]) -> str:
    names = {id(ticket): name for name, (_, ticket) in world.tickets.items()}
    return " ".join(f"{names[id(ticket)]} starts" for ticket in tickets)


@pytest.mark.parametrize(
    ("namespace", "name", "seats"),
    [("", "", 9), ("a", "", 3), ("b", "", 1), ("c", "", 6), ("none", "", 1), ("", "one", 1), ("a", "one", 1)],
)
def test_a_list_takes_a_seat_for_each_hundred_objects(namespace: str, name: str, seats: int) -> None:
    counts = {"a": 201, "b": 100, "c": 599}
    keys = (f"{space}/{number}" for space, count in counts.items() for number in range(count))
    assert seats_of_list(SortedDict.fromkeys(keys), namespace, name) == seats


def test_no_list_takes_more_than_ten_seats() -> None:
    assert seats_of_list(SortedDict.fromkeys(map(str, range(5000))), "", "") == 10
    assert seats_of_list(SortedDict.fromkeys(map(str, range(100))), "", "") == 1
