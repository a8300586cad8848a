"""Shell: the loop that all controllers share.

    informers -> keys -> queue -> observe -> plan -> act
                           ^                          |
                           '-- failed: with back-off -'   RequeueAfter: later

Workers take keys from one queue, each key one at a time. Whatever goes wrong, a refusal, a lost connection or
a bug, the key comes back, at first after milliseconds, later after half a minute, for ever: the world is
looked at anew each time, so a retry never repeats an outdated decision.

After: k8s sample-controller controller.go; pkg/controller/replicaset/replica_set.go for expectations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Generic, TypeVar

from kube.api import errors, meta
from kube.api.actions import Create, Delete, RequeueAfter
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import Informer
from kube.client.rest import Client, ConnectionFailed
from kube.client.workqueue import ShutDown, WorkQueue
from kube.controller.act import Actor
from kube.controller.expectations import Expectations
from kube.controller.reconciler import Reconciler

log = logger(__name__)

Seen = TypeVar("Seen")
Keys = Callable[[Object], Iterable[str]]


class Controller(Generic[Seen]):
    """One controller at work.

    `expectations` are kept for objects of `children`: the controller says what it will create and delete
    before it does, and `watch_children` ticks off what the informer shows.
    """

    def __init__(
        self,
        name: str,
        queue: WorkQueue,
        reconciler: Reconciler[Seen],
        client: Client,
        recorder: EventRecorder,
        clock: Clock,
        random: Random,
        children: Resource | None = None,
        expectations: Expectations | None = None,
    ) -> None:
        self.name = name
        self.queue = queue
        self.expectations = expectations or Expectations()
        self._reconciler, self._clock, self._children = reconciler, clock, children
        self._actor = Actor(client, recorder, random)

    def watch(self, informer: Informer, keys: Keys = lambda o: (meta.key(o),)) -> None:
        """Look at `keys(object)` (by default the object's own) whenever it is added, changed or deleted."""

        def on_update(old: Object, new: Object) -> None:
            for key in dict.fromkeys((*keys(old), *keys(new))):
                self.queue.add(key)

        def on_change(o: Object) -> None:
            for key in keys(o):
                self.queue.add(key)

        informer.add_handler(on_change, on_update, on_change)

    def watch_children(
        self, informer: Informer, keys: Keys, owner_key: Callable[[Object], str | None]
    ) -> None:
        """Like `watch`, and what is seen counts towards the expectations of its owner."""

        def on_add(o: Object) -> None:
            key = owner_key(o)
            if key is not None:
                self.expectations.created(key)

        def on_gone(o: Object) -> None:
            key = owner_key(o)
            if key is not None:
                self.expectations.deleted(key, meta.uid(o))

        def on_update(_: Object, new: Object) -> None:
            if meta.is_terminating(new):
                on_gone(new)

        informer.add_handler(on_add, on_update, on_gone)
        self.watch(informer, keys)

    def start(self, tasks: Tasks, workers: int) -> None:
        """Begin to work; the informers should have synced."""
        for number in range(workers):
            tasks.start(f"controller {self.name} {number}", self._work)

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except ShutDown:
                return
            try:
                await self._sync(key)
            except Exception as error:  # noqa: BLE001 -- the loop must outlive every failure of one key
                self._retry(key, error)
            else:
                self.queue.forget(key)
            finally:
                self.queue.done(key)

    async def _sync(self, key: str) -> None:
        """Look at one key and do what is to be done."""
        seen = await self._reconciler.observe(key)
        if seen is None:
            self.expectations.forget(key)
            return
        now = self._clock.now()
        plan = self._reconciler.plan(seen, now)
        creations = sum(isinstance(each, Create) and each.resource == self._children for each in plan)
        deletions = [
            each.uid for each in plan if isinstance(each, Delete) and each.resource == self._children
        ]
        self.expectations.expect(key, creations, deletions, now)

        def undone(action: Create | Delete, failure: Exception | None) -> None:
            if failure is not None:
                self.expectations.failed(key, str(failure))
            if action.resource == self._children:
                if isinstance(action, Create):
                    self.expectations.created(key)
                else:
                    self.expectations.deleted(key, action.uid)

        await self._actor.carry_out([each for each in plan if not isinstance(each, RequeueAfter)], undone)
        self.expectations.succeeded(key)
        for each in plan:
            if isinstance(each, RequeueAfter):
                self.queue.add_after(key, each.seconds)

    def _retry(self, key: str, error: Exception) -> None:
        """Bring the key back; an outdated look is everyday, a refusal is a line, the rest a bug."""
        if not isinstance(error, (StatusError, ConnectionFailed)):
            log.exception("sync crashed", controller=self.name, key=key)
        elif errors.is_conflict(error) or errors.is_not_found(error) or errors.is_already_exists(error):
            log.debug("looked at old state, looking again", controller=self.name, key=key)
        elif isinstance(error, ConnectionFailed):
            # The client has logged the outage, once for all keys.
            log.debug("not reached the server, will retry", controller=self.name, key=key, error=error)
        else:
            log.warning("sync failed, will retry", controller=self.name, key=key, error=error)
        self.queue.add_rate_limited(key)
