"""Shell: gives each request its seats, or lets it wait for them: the way from a request to the cores.

    classify   who asks for what -> schema, level, hand of queues; remembered while nothing changes
    enter      -> a pass: executing, waiting, or refused
    wait       until it executes, its time is over, or its client is gone
    leave      its seats go to whoever waits

What waits is a future, set by whoever frees the seats. The configuration is that of the watch cache: each
request that comes sees what was changed before.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_filter.go, apf_controller.go
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram

from apiserver.authentication.user import User
from apiserver.flow_control.configuration import Configuration
from apiserver.flow_control.counts import Counts, FlowCollector, wait_histogram
from apiserver.flow_control.dispatcher import CANCELLED, TIME_OUT, Dispatcher, Level
from apiserver.flow_control.dump import dump_levels, dump_queues
from apiserver.flow_control.queue_set import Ticket
from apiserver.flow_control.shuffle_sharding import deal, hash_of
from apiserver.request import RequestInfo
from apiserver.storage.watch_cache import WatchCache
from kube.api.meta import Object
from kube.api.resources import FLOW_SCHEMAS, PRIORITY_LEVEL_CONFIGURATIONS, Resource

# Flows that are remembered; when there are more, all are looked up anew.
FLOWS_MAX = 10_000
LEVEL_HEADER, SCHEMA_HEADER = b"x-kubernetes-pf-prioritylevel-uid", b"x-kubernetes-pf-flowschema-uid"
Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True, eq=False)
class Flow:
    """Where requests of one kind and caller belong.

    hand: empty where nothing is queued.
    waited: None where nobody is made to wait.
    """

    level: Level
    hand: tuple[int, ...]
    headers: Headers
    counts: Counts
    waited: Histogram | None
    refused_after: Histogram


@dataclass(slots=True, eq=False)
class Pass:
    """A request that was let in: it executes once `seated` is done, until it `is_over`."""

    flow: Flow
    ticket: Ticket
    seated: asyncio.Future[None] | None = None
    is_over: bool = False


class FlowControl:
    """Of one server; `seats` are shared out among the levels."""

    def __init__(self, cache: WatchCache, seats: int, registry: CollectorRegistry) -> None:
        self._cache = cache
        self._dispatcher = Dispatcher(seats)
        self._configuration = Configuration.build((), ())
        self._seen: tuple[object, ...] = ()
        self._flows: dict[tuple[object, ...], Flow] = {}
        self._waiting: dict[Ticket, asyncio.Future[None]] = {}
        self._counts: dict[tuple[str, str], Counts] = {}
        self._wait_seconds = wait_histogram(registry)
        registry.register(FlowCollector(self._counts, lambda: self._dispatcher.levels.values()))

    def classify(self, user: User, info: RequestInfo) -> Flow:
        """The flow of a request."""
        self.keep_up()
        path = "" if info.plural else info.path
        key = (
            user.name,
            user.groups,
            info.verb,
            info.group,
            info.plural,
            info.subresource,
            info.namespace,
            path,
        )
        flow = self._flows.get(key)
        if flow is None:
            if len(self._flows) >= FLOWS_MAX:
                self._flows.clear()
            flow = self._flows[key] = self._look_up(user, info)
        return flow

    def enter(self, flow: Flow, seats: int, now: float) -> Pass | str:
        """A pass for one request, or why it is refused."""
        ticket = self._dispatcher.admit(flow.level, flow.hand, seats, now)
        if isinstance(ticket, str):
            self._refuse(flow, ticket, 0.0)
            return ticket
        if ticket.is_executing:
            self._seat(flow, ticket, 0.0)
            return Pass(flow, ticket)
        flow.counts.waiting += 1
        future = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        return Pass(flow, ticket, future)

    async def wait(self, let_in: Pass, seconds: float, gone: asyncio.Event | None) -> bool:
        """Until it executes; False when its time was over, or its client left, before that."""
        assert let_in.seated is not None, "it has seats already"
        leaving = asyncio.ensure_future(gone.wait()) if gone is not None else None
        reason = CANCELLED
        try:
            waited_for = [each for each in (let_in.seated, leaving) if each is not None]
            await asyncio.wait(waited_for, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if leaving is None or not leaving.done():
                reason = TIME_OUT
        except asyncio.CancelledError:
            if self._end_wait(let_in, CANCELLED):
                self.leave(let_in)
            raise
        finally:
            if leaving is not None:
                leaving.cancel()
        return self._end_wait(let_in, reason)

    def leave(self, let_in: Pass) -> None:
        """It is done; saying so twice does no harm."""
        if let_in.is_over:
            return
        let_in.is_over = True
        flow, ticket = let_in.flow, let_in.ticket
        flow.counts.executing -= 1
        flow.counts.seats -= ticket.seats
        self._wake(self._dispatcher.finish(flow.level, ticket, asyncio.get_running_loop().time()))

    def refusal_delay(self, flow: Flow) -> float:
        """Seconds after which a request of this flow is told that it is refused."""
        return flow.level.refusals.delay(asyncio.get_running_loop().time())

    def dump_levels(self) -> str:
        """The levels as they are now."""
        dispatched, rejected = Counter[str](), Counter[tuple[str, str]]()
        for (level, _), counts in self._counts.items():
            dispatched[level] += counts.dispatched
            for reason, count in counts.rejected.items():
                rejected[level, reason] += count
        return dump_levels(self._dispatcher.levels.values(), dispatched, rejected)

    def dump_queues(self) -> str:
        """Their queues."""
        return dump_queues(self._dispatcher.levels.values())

    def _end_wait(self, let_in: Pass, reason: str) -> bool:
        flow, ticket = let_in.flow, let_in.ticket
        now = asyncio.get_running_loop().time()
        flow.counts.waiting -= 1
        if ticket.is_executing:
            self._seat(flow, ticket, ticket.started_at - ticket.arrived_at)
            return True
        del self._waiting[ticket]
        self._refuse(flow, reason, now - ticket.arrived_at)
        self._wake(self._dispatcher.leave(flow.level, ticket, now))
        return False

    def _wake(self, started: Iterable[Ticket]) -> None:
        for ticket in started:
            self._waiting.pop(ticket).set_result(None)

    def _seat(self, flow: Flow, ticket: Ticket, waited: float) -> None:
        flow.counts.dispatched += 1
        flow.counts.executing += 1
        flow.counts.seats += ticket.seats
        if flow.waited is not None:
            flow.waited.observe(waited)

    def _refuse(self, flow: Flow, reason: str, waited: float) -> None:
        flow.counts.rejected[reason] += 1
        flow.refused_after.observe(waited)

    def keep_up(self) -> None:
        """Take over what was changed in the objects, if anything was."""
        schemas, levels = (self._cache.log(kind) for kind in (FLOW_SCHEMAS, PRIORITY_LEVEL_CONFIGURATIONS))
        seen = (schemas, schemas.end_position, levels, levels.end_position)
        if seen == self._seen:
            return
        self._configuration = Configuration.build(
            self._objects(FLOW_SCHEMAS), self._objects(PRIORITY_LEVEL_CONFIGURATIONS)
        )
        self._seen = seen
        self._flows.clear()
        now = asyncio.get_running_loop().time()
        self._wake(self._dispatcher.configure(self._configuration.levels.values(), now))

    def _objects(self, kind: Resource) -> list[Object]:
        return [entry.decode() for entry in self._cache.log(kind).objects.values()]

    def _look_up(self, user: User, info: RequestInfo) -> Flow:
        schema = self._configuration.schema_of(user, info)
        level = self._dispatcher.levels[schema.level]
        spec = level.spec
        hand: tuple[int, ...] = ()
        if spec.queues:
            hand = deal(hash_of(schema.name, schema.flow_of(user, info)), spec.queues, spec.hand_size)
        where = (spec.name, schema.name)
        return Flow(
            level,
            hand,
            ((LEVEL_HEADER, spec.uid.encode()), (SCHEMA_HEADER, schema.uid.encode())),
            self._counts.setdefault(where, Counts()),
            None if spec.is_exempt else self._wait_seconds.labels(*where, "true"),
            self._wait_seconds.labels(*where, "false"),
        )
