"""A scheduler and the real API server in one process."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry

from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import InformerFactory
from scheduler.framework.framework import Framework
from scheduler.framework.volumes import Volumes
from scheduler.metrics import Metrics
from scheduler.nominator import Nominator
from scheduler.plugins.registry import plugins
from scheduler.schedule_one import Cycle
from scheduler.scheduler import NAME, VOLUME_KINDS, Scheduler
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """An API server with a scheduler."""
    async with serving() as running, Tasks() as tasks:
        client = client_of(running, "scheduler")
        recorder = EventRecorder(client, NAME)
        informers = InformerFactory(client)
        volumes = Volumes(*(informers.informer(each).store for each in VOLUME_KINDS))
        framework = Framework(plugins(volumes))
        cycle = Cycle(framework, random.Random(1), Nominator())
        metrics = Metrics(CollectorRegistry())
        scheduler = Scheduler(client, recorder, framework, cycle, SystemClock(), metrics, volumes)
        scheduler.listen(informers)
        tasks.start("events", recorder.run)
        informers.start(tasks)
        await informers.wait_synced()
        tasks.start("scheduler", scheduler.run, tasks)
        yield running
        await tasks.cancel()
        await client.close()
