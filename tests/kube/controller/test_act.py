"""How a plan is carried out: in which batches, what a failure stops, and what is no failure."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from kube.api import errors
from kube.api.actions import Action, Announcement, Create, Delete, EmitEvent, Patch, UpdateStatus
from kube.api.errors import StatusError
from kube.api.resources import PODS, REPLICA_SETS
from kube.client.rest import Client
from kube.controller.act import Actor, batches
from tests.support.certificates import Authority
from tests.support.wire import Answer, ScriptedServer, answer, config, refuse

ABOUT = {"metadata": {"name": "rs"}}
TOLD = Announcement(ABOUT, "Good", "Created {name}", "Bad", "Error creating {name}: {error}")
QUOTA = errors.forbidden(PODS, "p", "exceeded quota")


class Recorder:
    """Notes Events instead of sending them."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def event(self, about: Any, type: str, reason: str, message: str) -> None:
        self.told.append(f"{type} {reason} {message}")


def pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "default"}}


def create(name: str) -> Create:
    return Create(PODS, pod(name), TOLD)


def delete(name: str) -> Delete:
    return Delete(PODS, "default", name, f"uid-{name}", announcement=TOLD)


def status() -> UpdateStatus:
    return UpdateStatus(REPLICA_SETS, {"metadata": {"name": "rs", "namespace": "default"}})


class Outcome:
    def __init__(self, server: ScriptedServer, recorder: Recorder) -> None:
        self.server, self.recorder = server, recorder
        self.undone: list[str] = []

    @property
    def requests(self) -> list[str]:
        return [
            f"{each.method} {each.path.rpartition('namespaces/default/')[2]}" for each in self.server.requests
        ]


@asynccontextmanager
async def acting(authority: Authority, *script: Answer) -> AsyncIterator[tuple[Actor, Outcome]]:
    async with ScriptedServer(authority, *script) as server:
        client, recorder = Client(config(authority, server.url)), Recorder()
        yield Actor(client, recorder, Random(1)), Outcome(server, recorder)  # type: ignore[arg-type]
        await client.close()


async def carry_out(actor: Actor, outcome: Outcome, actions: Sequence[Action]) -> None:
    def undone(action: Create | Delete, failure: Exception | None) -> None:
        name = action.name if isinstance(action, Delete) else action.object["metadata"]["name"]
        outcome.undone.append(f"{name} {'failed' if failure is not None else 'fine'}")

    await actor.carry_out(actions, undone)


def test_batches_of_creates_double_and_deletes_go_together() -> None:
    actions = [create(str(i)) for i in range(9)] + [delete(str(i)) for i in range(150)] + [status(), status()]
    assert [len(batch) for batch in batches(actions)] == [1, 2, 4, 2, 100, 50, 1, 1]


async def test_what_was_done_is_told(authority: Authority) -> None:
    also = EmitEvent(ABOUT, "Normal", "Also", "this")
    async with acting(authority, answer(pod("a")), answer({})) as (actor, outcome):
        await carry_out(actor, outcome, [create("a"), delete("b"), also])
    assert outcome.requests == ["POST pods", "DELETE pods/b"]
    assert outcome.recorder.told == ["Normal Good Created a", "Normal Good Created b", "Normal Also this"]
    assert outcome.undone == []


async def test_a_failure_stops_all_but_status(authority: Authority) -> None:
    script = [answer(pod("a")), refuse(QUOTA), refuse(QUOTA), answer({})]
    plan = [create(name) for name in "abcde"] + [Patch(PODS, "default", "x", {}), status()]
    async with acting(authority, *script) as (actor, outcome):
        with pytest.raises(StatusError, match="exceeded quota"):
            await carry_out(actor, outcome, plan)
    assert outcome.requests == ["POST pods", "POST pods", "POST pods", "PUT replicasets/rs/status"]
    assert sorted(outcome.undone) == ["b failed", "c failed", "d failed", "e failed"]
    assert len([each for each in outcome.recorder.told if each.startswith("Warning Bad Error creating")]) == 2


async def test_what_is_gone_already_is_deleted(authority: Authority) -> None:
    async with acting(authority, refuse(errors.not_found(PODS, "a"))) as (actor, outcome):
        await carry_out(actor, outcome, [delete("a")])
    assert outcome.undone == ["a fine"]
    assert outcome.recorder.told == []


async def test_nothing_is_created_in_a_namespace_that_goes_and_that_is_fine(authority: Authority) -> None:
    terminating = errors.forbidden(PODS, "a", "namespace ns is being terminated")
    terminating.details["causes"] = [{"reason": "NamespaceTerminating"}]
    async with acting(authority, refuse(terminating)) as (actor, outcome):
        await carry_out(actor, outcome, [create("a")])
    assert outcome.undone == ["a fine"]


async def test_what_exists_already_is_worth_another_look_but_no_complaint(authority: Authority) -> None:
    async with acting(authority, refuse(errors.already_exists(PODS, "a"))) as (actor, outcome):
        with pytest.raises(StatusError):
            await carry_out(actor, outcome, [create("a")])
    assert outcome.undone == ["a fine"]
    assert outcome.recorder.told == []
