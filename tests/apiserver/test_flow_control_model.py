"""What flow control promises, whatever comes and goes: seats are neither lost nor made up, a level has what
it keeps at once and never too much, no seat stays empty that somebody may have, and a flow that floods gets
no more than its part.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from apiserver.flow_control.dispatcher import Dispatcher, Level
from apiserver.flow_control.priority_level import PriorityLevel
from apiserver.flow_control.queue_set import Ticket
from apiserver.flow_control.refusals import A_SECOND, AT_ONCE, DELAY_SECONDS_MAX, Refusals
from apiserver.flow_control.shuffle_sharding import deal

NAMES = ("a", "b", "c", "exempt")
SEATS = st.integers(1, 60)


@st.composite
def specs(draw: st.DrawFn) -> list[PriorityLevel]:
    """Some levels; the exempt one is always there."""
    names = draw(st.lists(st.sampled_from(NAMES[:3]), unique=True))
    return [
        PriorityLevel("exempt", "", is_exempt=True, shares=draw(st.integers(0, 1))),
        *(draw(limited(name)) for name in names),
    ]


@st.composite
def limited(draw: st.DrawFn, name: str) -> PriorityLevel:
    percent = st.integers(0, 100)
    queues = draw(st.integers(0, 4))
    return PriorityLevel(
        name,
        "",
        is_exempt=False,
        shares=draw(st.integers(0, 5)),
        lendable_percent=draw(percent),
        borrowing_percent=draw(st.none() | percent),
        queues=queues,
        hand_size=draw(st.integers(1, queues)) if queues else 0,
        queue_length=draw(st.integers(1, 3)) if queues else 0,
    )


# What may happen: a request of a level, by its flow and width; some request ends or leaves; other levels.
COMES = st.tuples(st.sampled_from(NAMES), st.integers(0, 100), st.integers(1, 4))
STEPS = st.lists(st.one_of(COMES, st.integers(0, 100), specs()), max_size=60)


@dataclass
class World:
    """A dispatcher, and all tickets that are out, in order of arrival."""

    dispatcher: Dispatcher
    out: list[tuple[Level, Ticket]] = field(default_factory=list)
    now: float = 0.0

    def come(self, name: str, flow: int, seats: int) -> None:
        level = self.dispatcher.levels.get(name)
        if level is None or level.is_leaving:
            return
        spec, before = level.spec, level.seats_in_use
        is_first, seats = not level.queues.waiting, min(seats, level.limits.widest)
        hand = deal(flow, spec.queues, spec.hand_size) if spec.queues else ()
        ticket = self.dispatcher.admit(level, hand, seats, self.now)
        has_it = isinstance(ticket, Ticket) and ticket.is_executing
        if spec.is_exempt or (is_first and before + seats <= level.limits.minimum):
            assert has_it, "what a level keeps is there at once"
        if isinstance(ticket, Ticket):
            self.out.append((level, ticket))

    def end(self, number: int) -> None:
        if self.out:
            level, ticket = self.out.pop(number % len(self.out))
            end = self.dispatcher.finish if ticket.is_executing else self.dispatcher.leave
            for each in end(level, ticket, self.now):
                assert each.is_executing

    def check(self) -> None:
        levels = self.dispatcher.levels.values()
        used: Counter[str] = Counter()
        for level, ticket in self.out:
            used[level.spec.name] += ticket.seats if ticket.is_executing else 0
        for level in levels:
            mine = [ticket for each, ticket in self.out if each is level]
            assert level.seats_in_use == used[level.spec.name]
            assert level.executing == sum(ticket.is_executing for ticket in mine)
            assert level.queues.waiting == sum(not ticket.is_executing for ticket in mine)
            busy = {ticket.queue for ticket in mine if ticket.queue is not None}
            assert set(level.queues.queues.values()) == busy, "idle queues are forgotten"
        assert all(level.seats_in_use == 0 or level in levels for level, _ in self.out)
        for level in levels:
            if level.queues.waiting:
                self.check_waits_rightly(level)

    def check_waits_rightly(self, level: Level) -> None:
        """Something waits here: then its seats are taken, or kept for others, or it is at its maximum."""
        levels, head = self.dispatcher.levels.values(), level.queues.head()
        used = level.seats_in_use + head.seats
        free = sum(each.limits.nominal - each.counted for each in levels)
        others = [each for each in levels if each is not level]
        kept = sum(max(0, each.limits.minimum - each.seats_in_use) for each in others)
        is_lent = used > level.limits.nominal and any(each.wants_its_own for each in others)
        assert used > level.limits.maximum or free - kept < head.seats or is_lent
        assert used > level.limits.minimum


@given(SEATS, specs(), STEPS)
def test_seats_are_used_and_kept_as_promised(
    seats: int, first: list[PriorityLevel], steps: list[tuple[str, int, int] | int | list[PriorityLevel]]
) -> None:
    world = World(Dispatcher(seats))
    world.dispatcher.configure(first, 0.0)
    is_changed = False
    for step in steps:
        world.now += 0.001
        match step:
            case int():
                world.end(step)
            case list():
                world.dispatcher.configure(step, world.now)
                is_changed = True
            case (name, flow, width):
                world.come(name, flow, width)
        world.check()
        if not is_changed:
            assert all(
                level.spec.is_exempt or level.seats_in_use <= level.limits.maximum
                for level in world.dispatcher.levels.values()
            )
            assert sum(level.counted for level in world.dispatcher.levels.values()) <= sum(
                level.limits.nominal for level in world.dispatcher.levels.values()
            )
    for _ in range(2 * len(world.out)):
        # The oldest first that executes: all others get their turn, unless nobody lets them.
        executing = [index for index, (_, ticket) in enumerate(world.out) if ticket.is_executing]
        if executing:
            world.end(executing[0])
    assert all(level.limits.nominal == 0 for level, _ in world.out), "all who have seats get their turn"


@given(
    st.integers(1, 8),
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 20)), min_size=2, max_size=5),
)
def test_flows_that_all_flood_get_the_same(seats: int, flows: list[tuple[int, int]]) -> None:
    """Each flow sends so many requests at once, again and again, of so many milliseconds: what they get, in
    seat-seconds, differs by little more than what is under way, however many a flow sends."""
    dispatcher = Dispatcher(seats)
    dispatcher.configure(
        [PriorityLevel("l", "", is_exempt=False, shares=1, queues=9, hand_size=1, queue_length=99)], 0
    )
    level = dispatcher.levels["l"]
    ends: list[tuple[float, int, int, Ticket]] = []
    running: dict[Ticket, int] = {}
    given_ms: Counter[int] = Counter()
    number = 0

    def begin(tickets: list[Ticket], now: float) -> None:
        nonlocal number
        for ticket in tickets:
            number += 1
            flow = running[ticket]
            heapq.heappush(ends, (now + flows[flow][1] / 1000, number, flow, ticket))

    def send(flow: int, now: float) -> None:
        ticket = dispatcher.admit(level, (flow,), 1, now)
        assert isinstance(ticket, Ticket)
        running[ticket] = flow
        if ticket.is_executing:
            begin([ticket], now)

    for flow, (at_once, _) in enumerate(flows):
        # Enough to use all seats alone.
        for _ in range(seats + at_once):
            send(flow, 0.0)
    now = 0.0
    while now < 1.5:
        now, _, flow, ticket = heapq.heappop(ends)
        given_ms[flow] += flows[flow][1]
        begin(dispatcher.finish(level, ticket, now), now)
        send(flow, now)
    longest = max(milliseconds for _, milliseconds in flows)
    assert max(given_ms.values()) - min(given_ms.values()) <= 3 * seats * longest


def test_a_flow_that_asks_for_little_is_served_between_two_of_one_that_floods() -> None:
    """Both take as long for each request. A flood of 40 fills 2 seats; the small flow has one request at a
    time, and waits for no more than what is being served."""
    dispatcher = Dispatcher(2)
    dispatcher.configure(
        [PriorityLevel("l", "", is_exempt=False, shares=1, queues=9, hand_size=1, queue_length=99)], 0
    )
    level = dispatcher.levels["l"]
    flood = [dispatcher.admit(level, (1,), 1, 0.0) for _ in range(40)]
    assert all(isinstance(ticket, Ticket) for ticket in flood)
    executing = [ticket for ticket in flood if isinstance(ticket, Ticket) and ticket.is_executing]
    now, before = 0.0, []
    for _ in range(10):
        small = dispatcher.admit(level, (2,), 1, now)
        assert isinstance(small, Ticket)
        waited = 0
        while not small.is_executing:
            now += 0.005
            executing += dispatcher.finish(level, executing.pop(0), now)
            waited += 1
        before.append(waited)
        executing = [ticket for ticket in executing if ticket is not small]
        now += 0.005
        executing += dispatcher.finish(level, small, now)
    assert before == [1] * 10


def test_only_so_many_refusals_are_told_in_a_second() -> None:
    """A thousand connections that ask again at once are told no more than the pace in ten seconds; one that
    comes when nobody was refused for a while is told at once."""
    refusals = Refusals()
    again_at = [(0.0, number) for number in range(400)]
    told = 0
    while again_at[0][0] < 10.0:
        now, number = heapq.heappop(again_at)
        told += 1
        delay = refusals.delay(now)
        assert 0.0 <= delay <= DELAY_SECONDS_MAX
        heapq.heappush(again_at, (now + delay, number))
    assert told <= 400 + AT_ONCE + 10 * A_SECOND
    assert refusals.delay(100.0) == 0.0


def test_however_many_are_refused_nobody_waits_for_longer_than_the_most() -> None:
    refusals = Refusals()
    delays = [refusals.delay(0.0) for _ in range(10_000)]
    assert delays[: AT_ONCE - 1] == [0.0] * (AT_ONCE - 1)
    assert max(delays) == delays[-1] == DELAY_SECONDS_MAX
