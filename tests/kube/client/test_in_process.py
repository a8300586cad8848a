"""The client against the real API server: what it means, not only what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import pytest

from kube.api import errors
from kube.api.errors import StatusError
from kube.api.resources import CONFIG_MAPS, EVENTS, LEASES, NAMESPACES, PODS
from kube.base.tasks import Tasks
from kube.client.events import EventRecorder
from kube.client.informer import Informer, InformerFactory
from kube.client.leader_election import LeaderElector
from kube.client.rest import Client
from tests.support.api_server import Api, serving
from tests.support.in_process import client_of
from tests.support.wait import until_async


@dataclass
class Running:
    api: Api
    client: Client


@pytest.fixture
async def running() -> AsyncIterator[Running]:
    async with serving() as api:
        client = client_of(api, "tester")
        yield Running(api, client)
        await client.close()


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}, "data": data}


async def test_one_object_through_all_verbs(running: Running) -> None:
    client = running.client
    made = await client.create(CONFIG_MAPS, config_map("a", k="1"))
    changed = await client.update(CONFIG_MAPS, made | {"data": {"k": "2"}})
    with pytest.raises(StatusError) as conflict:
        await client.update(CONFIG_MAPS, made | {"data": {"k": "3"}})
    assert errors.is_conflict(conflict.value)
    patched = await client.patch(CONFIG_MAPS, "default", "a", {"data": {"more": "x"}})
    assert patched["data"] == {"k": "2", "more": "x"}
    assert await client.get(CONFIG_MAPS, "default", "a") == patched
    with pytest.raises(StatusError) as wrong_uid:
        await client.delete(CONFIG_MAPS, "default", "a", uid="00000000-0000-4000-8000-000000000000")
    assert errors.is_conflict(wrong_uid.value)
    await client.delete(CONFIG_MAPS, "default", "a", uid=changed["metadata"]["uid"])
    with pytest.raises(StatusError) as gone:
        await client.get(CONFIG_MAPS, "default", "a")
    assert errors.is_not_found(gone.value)


async def test_a_list_and_the_watch_from_it_miss_nothing(running: Running) -> None:
    client = running.client
    await client.create(CONFIG_MAPS, config_map("a"))
    listed = await client.list(CONFIG_MAPS, "default")
    await client.create(CONFIG_MAPS, config_map("b"))
    await client.delete(CONFIG_MAPS, "default", "a")
    seen = []
    watch = client.watch(
        CONFIG_MAPS, "default", resource_version=listed["metadata"]["resourceVersion"], timeout_seconds=5
    )
    async with aclosing(watch) as events:  # type: ignore[type-var]
        async for event in events:
            seen.append((event.type, event.object["metadata"]["name"]))
            if len(seen) == 2:
                break
    assert seen == [("ADDED", "b"), ("DELETED", "a")]


async def test_metadata_alone_is_enough_for_some(running: Running) -> None:
    await running.client.create(CONFIG_MAPS, config_map("a", k="1"))
    factory = InformerFactory(running.client)
    informer = factory.metadata_informer(CONFIG_MAPS)
    async with Tasks() as tasks:
        factory.start(tasks)
        await factory.wait_synced()
        listed = informer.store.get("default/a")
        await running.client.create(CONFIG_MAPS, config_map("b", k="1"))
        watched = await until_async("b", lambda: informer.store.get("default/b"))
    assert listed is not None
    assert ("data" in listed, "data" in watched) == (False, False)
    assert factory.informer(CONFIG_MAPS) is informer


async def test_an_informer_of_some_objects_only(running: Running) -> None:
    informer = Informer(running.client, PODS, field_selector="spec.nodeName=n1")
    spec = {"containers": [{"name": "c", "image": "i"}]}
    async with Tasks() as tasks:
        tasks.start("informer", informer.run)
        await informer.wait_synced()
        for name, node in (("mine", "n1"), ("other", "n2")):
            pod = {"metadata": {"name": name, "namespace": "default"}, "spec": spec | {"nodeName": node}}
            await running.client.create(PODS, pod)
        await until_async("mine", lambda: informer.store.get("default/mine"))
        await running.client.delete(PODS, "default", "mine", grace_period_seconds=0)
        await until_async("mine is gone", lambda: informer.store.get("default/mine") is None)
        assert informer.store.get("default/other") is None


async def test_what_an_informer_has_may_be_written_back(running: Running) -> None:
    """It does without the managed fields, which are not lost by that, and what is the same writes nothing."""
    made = await running.client.create(CONFIG_MAPS, config_map("a", k="1"))
    informer = Informer(running.client, CONFIG_MAPS, "default")
    async with Tasks() as tasks:
        tasks.start("informer", informer.run)
        await informer.wait_synced()
        known = informer.store.get("default/a")
        assert known is not None
        assert "managedFields" not in known["metadata"]
        assert await running.client.update(CONFIG_MAPS, known) == made
        changed = await running.client.update(CONFIG_MAPS, known | {"data": {"k": "2", "more": "x"}})
        assert [each["manager"] for each in changed["metadata"]["managedFields"]] == ["tester"]
        await tasks.cancel()


async def test_repeated_events_are_counted(running: Running) -> None:
    recorder = EventRecorder(running.client, "tester", "here")
    about = await running.client.get(NAMESPACES, None, "default")
    async with Tasks() as tasks:
        tasks.start("events", recorder.run)
        for _ in range(3):
            recorder.event(about, "Warning", "Trouble", "it creaks")
        await recorder.flush()
        events = await running.client.list(EVENTS, "default", field_selector="reason=Trouble")
        assert [(each["count"], each["message"]) for each in events["items"]] == [(3, "it creaks")]
        assert events["items"][0]["source"] == {"component": "tester", "host": "here"}
        await running.client.delete(EVENTS, "default", events["items"][0]["metadata"]["name"])
        recorder.event(about, "Warning", "Trouble", "it creaks")
        await recorder.flush()
        again = await running.client.list(EVENTS, "default", field_selector="reason=Trouble")
        assert [each["count"] for each in again["items"]] == [4], "counting goes on in a new event"


async def test_a_lease_is_held_and_let_go(running: Running) -> None:
    leading = asyncio.Event()

    async def lead() -> None:
        leading.set()
        await asyncio.Event().wait()

    elector = LeaderElector(running.client, "test", "me")
    async with Tasks() as tasks:
        tasks.start("elector", elector.run, lead)
        await leading.wait()
        held = await running.client.get(LEASES, "kube-system", "test")
        assert (held["spec"]["holderIdentity"], held["spec"]["leaseDurationSeconds"]) == ("me", 15)
    released = await running.client.get(LEASES, "kube-system", "test")
    assert released["spec"]["holderIdentity"] == ""
