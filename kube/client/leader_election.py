"""Shell: lets one of several equal processes lead, by a Lease object that it keeps renewing.

    follower: look at the Lease every `retry` seconds; if it looked the same for as long as it lasts, take it
    leader:   renew every `retry` seconds; if that fails for `renew_deadline`, stop, before others start

Clocks of different machines never need to agree: a follower measures on its own clock how long the Lease has
looked the same, whatever its timestamps say. A Lease lasts longer than its leader tries to renew it, so two
never lead at once. Who ends cleanly lets go of the Lease, and another leads at once.

A leader must not lose its Lease because one API server is paused or the store elects. A renewal is guarded
by its resourceVersion and can be repeated by whoever looks again, so each try has a short deadline of its own
(several fit into the renew deadline), the next follows soon, and goes to the next server: the elector has an
impatient client for itself. A leader that was paused itself must not finish what it was about to do: its
other client asks `may_act` before each write.

After: k8s staging/src/k8s.io/client-go/tools/leaderelection/leaderelection.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click
from prometheus_client import CollectorRegistry, Gauge

from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import LEASES
from kube.base.clock import Clock, SystemClock
from kube.base.flags import DURATION
from kube.base.logs import logger
from kube.base.run import StartupError
from kube.client.config import ClientConfig
from kube.client.rest import Client, ConnectionFailed

log = logger(__name__)

NAMESPACE = "kube-system"
# So many tries fit into the renew deadline, each with its wait before it.
TRIES = 4
# After a failed try a leader waits for this share of the retry period only.
HASTE = 0.2


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a Lease lasts, how long its leader tries to renew it, and how often it is looked at."""

    lease_duration: timedelta = timedelta(seconds=15)
    renew_deadline: timedelta = timedelta(seconds=10)
    retry_period: timedelta = timedelta(seconds=2)

    def __post_init__(self) -> None:
        if not self.lease_duration > self.renew_deadline > self.retry_period:
            raise StartupError(
                "--leader-elect-lease-duration must be longer than --leader-elect-renew-deadline, and that"
                " longer than --leader-elect-retry-period"
            )
        if self.lease_duration < timedelta(seconds=1):
            raise StartupError("--leader-elect-lease-duration must be at least 1s: a Lease counts seconds")

    @property
    def try_seconds(self) -> float:
        """How long one request may take."""
        return self.renew_deadline.total_seconds() / TRIES


def timing_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Give a click command the three flags."""
    usual = Timing()
    flags = (
        ("--leader-elect-lease-duration", usual.lease_duration, "How long others leave the Lease alone."),
        ("--leader-elect-renew-deadline", usual.renew_deadline, "How long a leader tries to renew it."),
        ("--leader-elect-retry-period", usual.retry_period, "How often it is looked at."),
    )

    for name, duration, text in reversed(flags):
        default = f"{duration.total_seconds():g}s"
        command = click.option(name, type=DURATION, default=default, show_default=True, help=text)(command)
    return command


@asynccontextmanager
async def elector(
    config: ClientConfig, name: str, identity: str, timing: Timing, registry: CollectorRegistry
) -> AsyncIterator[LeaderElector]:
    """An elector with a client of its own: impatient, so that a renewal soon goes on at another server."""
    client = Client(config, f"{name}/leader-election", request_seconds=timing.try_seconds)
    elected = LeaderElector(client, name, identity, timing)
    status = Gauge(
        "leader_election_master_status",
        "1 while this process leads by the Lease.",
        ("name",),
        registry=registry,
    )
    status.labels(name).set_function(elected.may_act)
    try:
        yield elected
    finally:
        await client.close()


class LeaderElector:
    """Competes for one Lease; `run` leads when it has it."""

    def __init__(
        self,
        client: Client,
        name: str,
        identity: str,
        timing: Timing | None = None,
        clock: Clock | None = None,
    ) -> None:
        timing = timing or Timing()
        self._client, self._name, self._identity = client, name, identity
        self._lease_seconds = timing.lease_duration.total_seconds()
        self._renew_deadline = timing.renew_deadline.total_seconds()
        self._retry = timing.retry_period.total_seconds()
        self._clock = clock or SystemClock()
        # The Lease as last seen, and the loop time at which it began to look so.
        self._observed: Object | None = None
        self._observed_spec: Object = {}
        self._observed_at = 0.0
        # The loop time before the last request that took or renewed the Lease: others count from later.
        self._renewed_at = 0.0

    @property
    def is_leader(self) -> bool:
        return self._observed_spec.get("holderIdentity") == self._identity

    def may_act(self) -> bool:
        """True while the Lease is surely ours: the fence of whoever acts as the leader."""
        now = asyncio.get_running_loop().time()
        return self.is_leader and now < self._renewed_at + self._renew_deadline

    async def run(self, lead: Callable[[], Awaitable[Any]]) -> None:
        """Wait for the Lease, run `lead()` while holding it, and return when it is lost or `lead` ends."""
        await self._acquire()
        log.info("leading", lease=self._name, identity=self._identity)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.ensure_future(self._renew())
        try:
            await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leading.cancel()
            renewing.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            await self._release()
        if not leading.cancelled():
            leading.result()

    async def _acquire(self) -> None:
        while True:
            if await self._try():
                return
            await asyncio.sleep(self._retry)

    async def _renew(self) -> None:
        """Renew until that has failed for as long as `renew_deadline`, or another has the Lease."""
        try:
            while True:
                async with asyncio.timeout_at(self._renewed_at + self._renew_deadline):
                    await self._renew_once()
        except TimeoutError:
            log.warning("lost the lease", lease=self._name, identity=self._identity)

    async def _renew_once(self) -> None:
        """Try until it succeeds, in haste after a failure; TimeoutError when another has the Lease."""
        await asyncio.sleep(self._retry)
        while not await self._try():
            if not self.is_leader:
                raise TimeoutError
            await asyncio.sleep(self._retry * HASTE)

    async def _try(self) -> bool:
        """Take or renew the Lease if that is allowed; a failure to reach the server is a no."""
        began = asyncio.get_running_loop().time()
        try:
            ours = await self._renew_observed() or await self._acquire_or_renew()
        except (StatusError, ConnectionFailed) as error:
            log.info("cannot take or renew the lease now", lease=self._name, error=error)
            return False
        if ours:
            self._renewed_at = began
        return ours

    async def _renew_observed(self) -> bool:
        """Renew the Lease as we left it; a no when it is not ours, or no longer as we left it."""
        if self._observed is None or not self.may_act():
            return False
        renewed = {**self._observed, "spec": self._spec(self._observed_spec)}
        try:
            self._observe(await self._client.update(LEASES, renewed))
        except StatusError as error:
            if errors.is_conflict(error) or errors.is_not_found(error):
                return False
            raise
        return True

    async def _acquire_or_renew(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            lease = await self._client.get(LEASES, NAMESPACE, self._name)
        except StatusError as error:
            if not errors.is_not_found(error):
                raise
            lease = {"metadata": {"name": self._name, "namespace": NAMESPACE}}
            created = await self._client.create(LEASES, {**lease, "spec": self._spec({})})
            self._observe(created)
            return True
        self._observe(lease)
        spec = self._observed_spec
        expires_at = self._observed_at + float(spec.get("leaseDurationSeconds") or 0)
        if spec.get("holderIdentity") and not self.is_leader and loop.time() < expires_at:
            return False
        self._observe(await self._client.update(LEASES, {**lease, "spec": self._spec(spec)}))
        return True

    def _observe(self, lease: Object) -> None:
        spec = lease.get("spec") or {}
        if self._observed is None or spec != self._observed_spec:
            self._observed_at = asyncio.get_running_loop().time()
        self._observed, self._observed_spec = lease, spec

    def _spec(self, old: Object) -> Object:
        """The Lease's spec with us as the holder, renewed now."""
        now = meta.format_micro_time(self._clock.now())
        ours = old.get("holderIdentity") == self._identity
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._lease_seconds),
            "acquireTime": old.get("acquireTime", now) if ours else now,
            "renewTime": now,
            "leaseTransitions": transitions if ours or not old else transitions + 1,
        }

    async def _release(self) -> None:
        """Let another lead at once: an empty holder may be replaced without waiting."""
        if not self.is_leader or self._observed is None:
            return
        spec = {**self._observed_spec, "holderIdentity": "", "leaseDurationSeconds": 1}
        spec["renewTime"] = spec["acquireTime"] = meta.format_micro_time(self._clock.now())
        try:
            async with asyncio.timeout(self._retry):
                self._observe(await self._client.update(LEASES, {**self._observed, "spec": spec}))
        except (StatusError, ConnectionFailed, TimeoutError) as error:
            log.info("could not let go of the lease", lease=self._name, error=error)
