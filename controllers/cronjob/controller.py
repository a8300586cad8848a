"""Shell: shows the plan a CronJob and its Jobs, and wakes it when one changes or its time has come.

What the caches do not have is asked of the server before it is believed: a Job that is active and not there,
a Job that is there and not active. A schedule that was changed is looked at when it is due next: what it
would have started in the past was not missed.

After: k8s pkg/controller/cronjob/cronjob_controllerv2.go, NewControllerV2 and updateCronJob.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from controllers.cronjob import due, record
from controllers.cronjob.plan import Seen, plan
from controllers.live import find
from controllers.wiring import Wiring
from kube.api import cron_schedule, meta
from kube.api.actions import Action
from kube.api.meta import Object
from kube.api.resources import CRON_JOBS, JOBS, Resource
from kube.base.clock import Clock
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.owners import INDEX, controller_index


class CronJobReconciler:
    """Observes and plans for one CronJob."""

    def __init__(self, client: Client, informers: InformerFactory, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._cron_jobs = informers.informer(CRON_JOBS)
        self._jobs = informers.informer(JOBS)
        self._jobs.add_index(INDEX, controller_index)

    async def observe(self, key: str) -> Seen | None:
        cached = self._cron_jobs.store.get(key)
        if cached is None:
            return None
        cron_job: Object | None = cached
        jobs = self._jobs.store.by_index(INDEX, meta.uid(cached))
        unlisted = record.unlisted(cached, jobs)
        if unlisted:
            cron_job = await self._live(CRON_JOBS, cached)
            gone = [meta.uid(each) for each in unlisted if await self._live(JOBS, each) is None]
            jobs = [each for each in jobs if meta.uid(each) not in gone]
        if cron_job is None:
            return None
        return Seen(cron_job, jobs, await self._gone(cron_job, jobs), zone_of(cron_job))

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def seconds_until_next(self, cron_job: Object) -> float | None:
        """How long until the schedule is due next; None if nobody can say."""
        try:
            schedule = cron_schedule.parse(meta.get(cron_job, "spec", "schedule", default=""))
        except ValueError:
            return None
        zone = zone_of(cron_job)
        return due.seconds_until_next(cron_job, schedule, zone, self._clock.now()) if zone else None

    async def _gone(self, cron_job: Object, jobs: Sequence[Object]) -> set[str]:
        """The names of active Jobs that neither cache nor server has."""
        missing = [
            each for each in record.active(cron_job) if not any(record.is_of(each, job) for job in jobs)
        ]
        space = meta.namespace(cron_job)
        gone = set[str]()
        for each in missing:
            named = {"metadata": {"namespace": space, "name": each["name"], "uid": each.get("uid")}}
            if await self._live(JOBS, named) is None:
                gone.add(each["name"])
        return gone

    async def _live(self, resource: Resource, o: Object) -> Object | None:
        """The very object as the server has it."""
        found = await find(self._client, resource, meta.namespace(o), meta.name(o))
        return found if found is not None and meta.uid(o) in ("", meta.uid(found)) else None


def zone_of(cron_job: Object) -> tzinfo | None:
    """The zone that a CronJob names, UTC if it names none, None for one that nobody knows."""
    name = meta.get(cron_job, "spec", "timeZone")
    try:
        return ZoneInfo(name) if name else UTC
    except (ValueError, LookupError, OSError):
        return None


def owner_key(job: Object) -> list[str]:
    """The CronJob that controls a Job."""
    reference = meta.controller_of(job)
    if reference is None or reference["kind"] != CRON_JOBS.kind:
        return []
    return [f"{meta.namespace(job)}/{reference['name']}"]


def build(wiring: Wiring) -> Controller[Seen]:
    """The controller, woken by CronJobs and the Jobs they control."""
    reconciler = CronJobReconciler(wiring.client, wiring.informers, wiring.clock)
    controller = wiring.controller("cronjob-controller", "cronjob", reconciler)

    def on_change(cron_job: Object) -> None:
        controller.queue.add(meta.key(cron_job))

    def on_update(old: Object, new: Object) -> None:
        seconds = reconciler.seconds_until_next(new) if _when(old) != _when(new) else 0
        if seconds is not None:
            controller.queue.add_after(meta.key(new), seconds)
        else:
            on_change(new)

    wiring.informers.informer(CRON_JOBS).add_handler(on_change, on_update, on_change)
    controller.watch(wiring.informers.informer(JOBS), owner_key)
    return controller


def _when(cron_job: Object) -> tuple[str | None, str | None]:
    return meta.get(cron_job, "spec", "schedule"), meta.get(cron_job, "spec", "timeZone")
