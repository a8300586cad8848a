"""Says what is not yet well again in a cluster, from all sides: processes, members, Leases, a write, pages.

What can be is judged by what happened after `wait` began: a cluster that still looks well because nobody has
noticed anything is not well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime

import httpx

from deploy import control, members
from deploy.processes import Process, processes
from kube.api import conditions, meta
from kube.api.resources import DEPLOYMENTS, LEASES, NODES, PODS
from kube.base import tls
from kube.base.low_ports import bindable
from tests.support.faults.actors import Actors
from tests.support.faults.asking import answered
from tests.support.faults.rollouts import NAME
from tests.support.load import OK, ask

SECONDS = 120.0
POLL_SECONDS = 0.1
LEASE_NAMES = ("kube-controller-manager", "kube-scheduler")

# What is missing, or nothing.
Check = Callable[[], Awaitable[str | None]]


class Health:
    """Of the cluster in which these actors are; `close` it when done."""

    def __init__(self, actors: Actors) -> None:
        self._actors = actors
        self._topology, self._layout = actors.topology, actors.layout
        self._client = actors.client()
        self._processes = processes(self._topology, self._layout)
        self._http = {
            "etcd": self._http_client("etcd-ca", "etcd-client"),
            "kubernetes": self._http_client("ca", "admin"),
        }
        # When the wait began: by the loop, by the wall; and what every member must have applied.
        self._since = 0.0
        self._since_wall = ""
        self._goal = 0

    def _http_client(self, ca: str, identity: str) -> httpx.AsyncClient:
        files = self._layout.cert(ca), self._layout.cert(identity), self._layout.key(identity)
        context = tls.client_context(*map(str, files))
        return httpx.AsyncClient(verify=context, trust_env=False, timeout=2.0)

    async def close(self) -> None:
        for http in self._http.values():
            await http.aclose()

    async def wait(self) -> float:
        """Return when everything is well; how many seconds that took."""
        loop = asyncio.get_running_loop()
        self._since, self._goal = loop.time(), 0
        self._since_wall = meta.format_micro_time(datetime.now(UTC))  # noqa: TID251 -- as Leases carry it
        while (missing := await self._missing()) is not None:
            assert loop.time() - self._since < SECONDS, f"not well after {SECONDS:g} s: {missing}"
            await asyncio.sleep(POLL_SECONDS)
        return loop.time() - self._since

    async def _missing(self) -> str | None:
        checks: tuple[Check, ...] = (
            self._a_write,
            self._service,
            self._running,
            self._readiness,
            self._members,
            self._nodes,
            self._deployment,
            self._pages,
            self._leases,
        )
        for check in checks:
            if (missing := await check()) is not None:
                return missing
        return None

    async def _a_write(self) -> str | None:
        latest = self._actors.writer.acknowledged[-1:]
        return None if latest and latest[0].began > self._since else "no write was acknowledged"

    async def _service(self) -> str | None:
        for name, answers in self._actors.answers.items():
            latest = answers[-1:]
            if not latest or latest[0].began < self._since or latest[0].text != OK:
                return f"the Service does not answer at its {name}: {latest}"
        return None

    async def _running(self) -> str | None:
        """As the supervisor says."""
        try:
            answer = await control.ask(self._layout.run, "status")
        except TimeoutError:
            answer = None
        if answer is None:
            return "the supervisor does not answer"
        states = {each["name"]: each["state"] for each in answer["processes"]}
        return _first(f"{name} is {state}" for name, state in states.items() if state != "Running")

    async def _readiness(self) -> str | None:
        """As each process says itself."""
        answers = await asyncio.gather(*map(self._readyz, self._processes))
        return _first(answer for answer in answers if answer)

    async def _readyz(self, process: Process) -> str | None:
        http = self._http["etcd" if process.name.startswith("etcd-") else "kubernetes"]
        try:
            answer = await http.get(process.health_url + ("/health" if process.is_program else "/readyz"))
        except (httpx.TransportError, OSError) as error:
            return f"{process.name} does not answer: {error!r}"
        return None if answer.status_code == 200 else f"{process.name} is not ready: {answer.text}"

    async def _members(self) -> str | None:
        """All have applied what one of them had committed when they were first asked."""
        observed = await members.observe(self._topology, self._layout)
        self._goal = self._goal or max(each.commit if each else 0 for each in observed)
        for name, each in zip(members.names(self._topology), observed, strict=True):
            if each is None or each.role == "leaderless" or each.cut or each.applied < self._goal:
                return f"{name} is not at {self._goal}: {each}"
        return None

    async def _nodes(self) -> str | None:
        nodes = (await answered(lambda: self._client.list(NODES)))["items"]
        lost = [meta.name(each) for each in nodes if not conditions.is_true(each, "Ready")]
        return f"not Ready: {lost}" if lost or len(nodes) != len(self._topology.nodes) else None

    async def _deployment(self) -> str | None:
        found = await answered(lambda: self._client.get(DEPLOYMENTS, self._actors.namespace, NAME))
        return None if conditions.is_true(found, "Available") else "the Deployment is not available"

    async def _pages(self) -> str | None:
        """Of every pod that is ready, asked without the proxy."""
        pods = (await answered(lambda: self._client.list(PODS, self._actors.namespace)))["items"]
        ready = [each for each in pods if conditions.is_true(each, "Ready") and not meta.is_terminating(each)]
        answers = await asyncio.gather(*(ask(each["status"]["podIP"], bindable(80)) for each in ready))
        silent = [meta.name(pod) for pod, answer in zip(ready, answers, strict=True) if answer != OK]
        return f"pods do not answer: {silent}" if silent else None

    async def _leases(self) -> str | None:
        leases = (await answered(lambda: self._client.list(LEASES, "kube-system")))["items"]
        held = {
            meta.name(each)
            for each in leases
            if each["spec"].get("holderIdentity") and each["spec"]["renewTime"] > self._since_wall
        }
        return _first(f"nobody renews {name}" for name in LEASE_NAMES if name not in held)


def _first(texts: Iterable[str]) -> str | None:
    return next(iter(texts), None)
