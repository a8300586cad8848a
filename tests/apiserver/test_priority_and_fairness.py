"""Requests wait for seats, by FlowSchemas and levels: the real server, over a store that can be held."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apiserver.authentication.user import User
from apiserver.flow_control.conditions import Conditions
from apiserver.flow_control.flow_control import Pass
from apiserver.main import Flags
from apiserver.request import RequestInfo
from kube.base.tasks import Tasks
from tests.support.api_server import Answer, Api, fresh, serving
from tests.support.memory_storage import MemoryStorage
from tests.support.wait import until_async

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
UIDS = ("X-Kubernetes-PF-FlowSchema-UID", "X-Kubernetes-PF-PriorityLevel-UID")
ALICE, BOB = {"Impersonate_User": "alice"}, {"Impersonate_User": "bob"}
NODE = {"Impersonate_User": "system:node:n1", "Impersonate_Group": "system:nodes"}
SCHEDULER = {"Impersonate_User": "system:kube-scheduler"}
# One seat for all of this level's users, as nothing is borrowed.
TIGHT = {"nominalConcurrencyShares": 1, "borrowingLimitPercent": 0, "lendablePercent": 0}
QUEUE = {"type": "Queue", "queuing": {"queues": 8, "handSize": 1, "queueLengthLimit": 2}}


class HeldStorage(MemoryStorage):
    """Objects called held-... are written only when `open` is set; `begun` says in which order they came."""

    def __init__(self) -> None:
        super().__init__(fresh)
        self.open = asyncio.Event()
        self.begun: list[str] = []

    async def create(self, key: str, value: bytes, ttl_seconds: int = 0) -> int:
        name = key.rpartition("/")[2]
        if name.startswith("held-"):
            self.begun.append(name.removeprefix("held-"))
            await self.open.wait()
        return await super().create(key, value, ttl_seconds)


@pytest.fixture
async def held() -> AsyncIterator[tuple[Api, HeldStorage]]:
    async with serving() as _:
        storage = HeldStorage()
    async with serving(storage) as api:
        yield api, storage
        storage.open.set()


async def tight(api: Api, response: Any, user: str = "*", **limited: Any) -> None:
    """A level of one seat, and a schema that sends a user there, whatever he asks for."""
    level = {"type": "Limited", "limited": {**TIGHT, "limitResponse": response, **limited}}
    await api.ok(
        "POST", f"{FLOW}/prioritylevelconfigurations", {"metadata": {"name": "tight"}, "spec": level}
    )
    everything = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
        "namespaces": ["*"],
        "clusterScope": True,
    }
    rule = {"subjects": [{"kind": "User", "user": {"name": user}}], "resourceRules": [everything]}
    schema = {
        "priorityLevelConfiguration": {"name": "tight"},
        "matchingPrecedence": 50,
        "distinguisherMethod": {"type": "ByUser"},
        "rules": [rule],
    }
    await api.ok("POST", f"{FLOW}/flowschemas", {"metadata": {"name": "tight"}, "spec": schema})
    await may_write(api)


async def may_write(api: Api) -> None:
    subjects = [{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:authenticated"}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    binding = {"metadata": {"name": "edit"}, "subjects": subjects, "roleRef": role}
    await api.ok("POST", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    await api.server.cache.consistent()


def writing(api: Api, name: str, query: str = "", **headers: str) -> asyncio.Task[Answer]:
    body = {"metadata": {"name": f"held-{name}"}}
    return asyncio.create_task(api("POST", f"{CONFIG_MAPS}{query}", body, **headers))


def figure(api: Api, name: str, **labels: str) -> float:
    """A figure of the schema `tight`."""
    where = {"priority_level": "tight", "flow_schema": "tight"} | labels
    found = api.server.metrics.registry.get_sample_value(f"apiserver_flowcontrol_{name}", where)
    return found or 0.0


@asynccontextmanager
async def following(api: Api) -> AsyncIterator[None]:
    """The task that follows the objects."""
    server = api.server
    async with Tasks() as tasks:
        tasks.start(
            "flow schemas", Conditions(server.cache, server.registry, server.clock, server.flow_control).run
        )
        yield


async def uids(api: Api, schema: str, level: str) -> tuple[str, ...]:
    objects = [
        await api.ok("GET", f"{FLOW}/flowschemas/{schema}"),
        await api.ok("GET", f"{FLOW}/prioritylevelconfigurations/{level}"),
    ]
    return tuple(o["metadata"]["uid"] for o in objects)


@pytest.mark.parametrize(
    ("headers", "path", "code", "schema", "level"),
    [
        ({}, CONFIG_MAPS, 200, "exempt", "exempt"),
        (BOB, "/healthz", 200, "probes", "exempt"),
        (BOB, CONFIG_MAPS, 403, "global-default", "global-default"),
        (NODE, "/api/v1/nodes/n1", 404, "system-node-high", "node-high"),
        (NODE, "/api/v1/services", 200, "system-nodes", "system"),
        (NODE, "/apis/nothing/v1/here", 403, "system-nodes", "system"),
        (SCHEDULER, "/api/v1/pods?limit=x", 400, "kube-scheduler", "workload-high"),
    ],
)
async def test_every_answer_says_where_its_request_belonged(
    api: Api, headers: dict[str, str], path: str, code: int, schema: str, level: str
) -> None:
    answer = await api("GET", path, **headers)
    assert answer.code == code, answer.body
    assert tuple(answer.headers[name] for name in UIDS) == await uids(api, schema, level)


async def test_a_watch_says_so_too_and_a_stream_to_a_container_does_not(api: Api) -> None:
    async with api.session.get(f"{api.base}/api/v1/pods?watch=1&timeoutSeconds=1") as answer:
        assert tuple(answer.headers[name] for name in UIDS) == await uids(api, "exempt", "exempt")
    answer = await api("GET", "/api/v1/namespaces/default/pods/none/log")
    assert (answer.code, [name for name in UIDS if name in answer.headers]) == (404, [])


async def test_who_is_too_many_is_told_to_come_again(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, {"type": "Reject"}, "alice")
    first = writing(api, "1", **ALICE)
    await until_async("it is being written", lambda: storage.begun)
    answer = await api("GET", CONFIG_MAPS, **ALICE)
    assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
    assert answer.body == b"Too many requests, please try again later.\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert tuple(answer.headers[name] for name in UIDS) == await uids(api, "tight", "tight")
    assert (await api("GET", CONFIG_MAPS, **BOB)).code == 200, "of another level"
    storage.open.set()
    assert (await first).code == 201
    assert (await api("GET", CONFIG_MAPS, **ALICE)).code == 200
    assert figure(api, "rejected_requests_total", reason="concurrency-limit") == 1
    assert figure(api, "dispatched_requests_total") == 2


async def test_what_waits_is_served_in_its_turn(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, QUEUE)
    answers = [writing(api, "a1", **ALICE)]
    await until_async("it is being written", lambda: storage.begun)
    for name, user in (("a2", ALICE), ("a3", ALICE), ("b1", BOB)):
        answers.append(writing(api, name, **user))
        await until_async("it waits", lambda: figure(api, "current_inqueue_requests") == len(answers) - 1)
    assert (await writing(api, "a4", **ALICE)).code == 429, "his queue is full"
    assert figure(api, "rejected_requests_total", reason="queue-full") == 1
    assert figure(api, "current_executing_requests") == 1
    assert storage.begun == ["a1"]
    assert await dumped(api, "priority_levels", "tight") == [
        "2",
        "false",
        "false",
        "3",
        "1",
        "1",
        "1",
        "0",
        "0",
    ]
    assert await dumped(api, "queues", "tight") != []
    storage.open.set()
    assert [(await answer).code for answer in answers] == [201] * 4
    assert storage.begun.index("b1") < storage.begun.index("a3"), (
        "a flow with one request does not wait for all"
    )
    assert figure(api, "current_inqueue_requests") == figure(api, "current_executing_seats") == 0


async def dumped(api: Api, what: str, level: str) -> list[str]:
    """The cells of the first line about a level, without its name."""
    answer = await api("GET", f"/debug/api_priority_and_fairness/dump_{what}")
    assert answer.code == 200
    head, *lines = [line.replace(",", " ").split() for line in answer.body.decode().splitlines()]
    assert all(len(line) == len(head) for line in lines)
    return next(cells[1:] for cells in lines if cells[0] == level)


async def test_nobody_waits_for_longer_than_a_fourth_of_his_time(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, QUEUE)
    first = writing(api, "1", **ALICE)
    await until_async("it is being written", lambda: storage.begun)
    answer = await writing(api, "2", "?timeout=200ms", **ALICE)
    assert (answer.code, answer.headers["Retry-After"]) == (429, "1")
    assert figure(api, "rejected_requests_total", reason="time-out") == 1
    assert figure(api, "request_wait_duration_seconds_count", execute="false") == 1
    storage.open.set()
    assert (await first).code == 201
    assert storage.begun == ["1"]


async def test_who_goes_away_gives_up_his_place(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, QUEUE)
    first = writing(api, "1", **ALICE)
    await until_async("it is being written", lambda: storage.begun)
    second = writing(api, "2", **ALICE)
    await until_async("it waits", lambda: figure(api, "current_inqueue_requests"))
    second.cancel()
    await until_async("it left", lambda: figure(api, "rejected_requests_total", reason="cancelled"))
    assert figure(api, "current_inqueue_requests") == 0
    storage.open.set()
    assert (await first).code == 201
    assert (await api("GET", CONFIG_MAPS, **ALICE)).code == 200
    assert storage.begun == ["1"]


async def test_a_watch_holds_its_seat_only_until_it_has_begun(held: tuple[Api, HeldStorage]) -> None:
    api, _ = held
    await tight(api, {"type": "Reject"}, "alice")
    initial = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
    async with (
        api.watch(f"{CONFIG_MAPS}?watch=1", **ALICE),
        # It waits for a revision that is still to come.
        api.watch(f"{CONFIG_MAPS}?watch=1&resourceVersion=1000000", **ALICE),
        api.watch(f"{CONFIG_MAPS}?watch=1{initial}", **ALICE) as events,
    ):
        async for event in events:
            if event["type"] == "BOOKMARK":
                break
        await until_async("the seat is free", lambda: figure(api, "current_executing_seats") == 0)
        assert (await api("GET", CONFIG_MAPS, **ALICE)).code == 200
    assert figure(api, "dispatched_requests_total") == 4
    # One that fails before it begins gives its seat back, too.
    assert (await api("GET", f"{CONFIG_MAPS}?watch=1&limit=x", **ALICE)).code == 400
    assert figure(api, "current_executing_seats") == 0


async def test_a_level_that_grows_lets_in_what_waits(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, QUEUE)
    async with following(api):
        answers = [writing(api, "1", **ALICE)]
        await until_async("it is being written", lambda: storage.begun)
        answers.append(writing(api, "2", **ALICE))
        await until_async("it waits", lambda: figure(api, "current_inqueue_requests"))
        path = f"{FLOW}/prioritylevelconfigurations/tight"
        larger = {"spec": {"limited": {"nominalConcurrencyShares": 100}}}
        await api.ok("PATCH", path, larger, "application/merge-patch+json")
        await until_async("both are being written", lambda: storage.begun == ["1", "2"])
        nominal = api.server.metrics.registry.get_sample_value(
            "apiserver_flowcontrol_nominal_limit_seats", {"priority_level": "tight"}
        )
        assert nominal
        assert nominal > 1
        await api.ok("DELETE", path)
        await until_async("nobody is sent there", lambda: is_dangling(api, "tight"))
        answers.append(writing(api, "3", **ALICE))
        await until_async("it is being written", lambda: len(storage.begun) == 3)
        storage.open.set()
        for answer in answers:
            assert (await answer).code == 201
        headers = (await answers[2]).headers
        assert tuple(headers[name] for name in UIDS) == await uids(api, "global-default", "global-default")


async def is_dangling(api: Api, name: str) -> bool:
    o = await api.ok("GET", f"{FLOW}/flowschemas/{name}")
    [condition] = o["status"].get("conditions") or [{}]
    return bool(condition.get("status") == "True")


async def test_each_schema_says_whether_its_level_exists(held: tuple[Api, HeldStorage]) -> None:
    api, _ = held
    path = f"{FLOW}/flowschemas/tight"
    async with following(api):
        await tight(api, QUEUE)
        await until_async("it is written", lambda: said(api, "False", "Found", "and it exists"))
        level = await api.ok("GET", f"{FLOW}/prioritylevelconfigurations/tight")
        await api.ok("DELETE", f"{FLOW}/prioritylevelconfigurations/tight")
        await until_async(
            "it is written", lambda: said(api, "True", "NotFound", "but there is no such object")
        )
        made = {"metadata": {"name": "tight"}, "spec": level["spec"]}
        await api.ok("POST", f"{FLOW}/prioritylevelconfigurations", made)
        await until_async("it is written", lambda: said(api, "False", "Found", "and it exists"))
        before = await api.ok("GET", path)
        # What somebody else made of it is put right.
        wrong = before | {"status": {}}
        await api.ok("PUT", f"{path}/status", wrong)
        await until_async("it is written", lambda: said(api, "False", "Found", "and it exists"))


async def said(api: Api, status: str, reason: str, end: str) -> bool:
    o = await api.ok("GET", f"{FLOW}/flowschemas/tight")
    [condition] = o["status"].get("conditions") or [{}]
    message = f'This FlowSchema references the PriorityLevelConfiguration object named "tight" {end}'
    found = tuple(condition.get(field) for field in ("type", "status", "reason", "message"))
    return found == ("Dangling", status, reason, message)


async def test_who_is_exempt_never_waits(held: tuple[Api, HeldStorage]) -> None:
    _, storage = held
    async with serving(
        storage, flags=Flags(max_requests_inflight=1, max_mutating_requests_inflight=0)
    ) as api:
        answers = [writing(api, str(number)) for number in range(20)]
        await until_async("all are being written", lambda: len(storage.begun) == 20)
        # And takes no seat of the others.
        assert (await api("GET", "/version", **BOB)).code == 200
        storage.open.set()
        assert [(await answer).code for answer in answers] == [201] * 20


async def test_without_it_nobody_waits(held: tuple[Api, HeldStorage]) -> None:
    _, storage = held
    flags = Flags(
        enable_priority_and_fairness=False, max_requests_inflight=1, max_mutating_requests_inflight=0
    )
    async with serving(storage, flags=flags) as api:
        await may_write(api)
        answers = [writing(api, str(number), **ALICE) for number in range(20)]
        await until_async("all are being written", lambda: len(storage.begun) == 20)
        storage.open.set()
        assert [(await answer).code for answer in answers] == [201] * 20
        headers = (await answers[0]).headers
        assert [name for name in UIDS if name in headers] == []


async def test_who_is_cancelled_as_he_gets_his_seat_gives_it_back(held: tuple[Api, HeldStorage]) -> None:
    api, storage = held
    await tight(api, QUEUE)
    first = writing(api, "1", **ALICE)
    await until_async("it is being written", lambda: storage.begun)
    control = api.server.flow_control
    assert control is not None
    info = RequestInfo("", "get", "", "v1", "default", "configmaps")
    let_in = control.enter(control.classify(User("alice"), info), 1, asyncio.get_running_loop().time())
    assert isinstance(let_in, Pass)
    assert let_in.seated is not None
    waiting = asyncio.create_task(control.wait(let_in, 60.0, None))
    # In the very moment in which the seat is given, before the one who waits has learned it.
    let_in.seated.add_done_callback(lambda _: waiting.cancel())
    storage.open.set()
    assert (await first).code == 201
    assert await asyncio.gather(waiting, return_exceptions=True) != [True]
    assert figure(api, "current_executing_seats") == figure(api, "current_inqueue_requests") == 0
    assert (await api("GET", CONFIG_MAPS, **ALICE)).code == 200
