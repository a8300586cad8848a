"""Shell: keeps a cluster's processes running: starts them, starts again what ends, answers what is asked.

    start (or adopt) -> running -> ended -> wait 1, 2, 4, 5, 5 .. s -> start

Each process has one task that walks this circle; what is asked for single processes (orders.py) changes what
it does next. A process whose supervisor was killed is found in
`run/state.json` by pid and start time, and adopted: its end is seen like any other's, its exit code is not.

Stopping ends the processes stage by stage, those that need others first, then the nursery; `run/` goes last.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from typing import Any

from deploy import claims, control, orders, showing, state
from deploy.component import Component
from deploy.ending import end, wait_ended
from deploy.identity import identity_of
from deploy.layout import Layout
from deploy.nursery_client import ExitCode, Forked, NurseryClient, NurseryLost
from deploy.processes import Process
from kube.base.clock import Clock
from kube.base.logs import logger

log = logger(__name__)


class Supervisor:
    """Runs until told to stop, which `listener` hears; adopted processes hold the number, if not `claim`."""

    def __init__(
        self,
        layout: Layout,
        processes: list[Process],
        listener: socket.socket,
        claim: socket.socket | None,
        clock: Clock,
        forked: Forked | None = None,
        *,
        end_children: bool = False,
    ) -> None:
        self._layout, self._listener, self._claim, self._clock = layout, listener, claim, clock
        self._components = [Component(process) for process in processes]
        self._nursery = NurseryClient(layout, claim, forked, end_children=end_children)
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Begin to end everything; `run` returns when that is done."""
        self._stop.set()

    async def run(self) -> None:
        """Keep everything running until `stop` or cancellation; then leave nothing behind."""
        self._adopt()
        keepers = [asyncio.create_task(self._keep(component)) for component in self._components]
        server = await control.serve(self._listener, self._answer)
        log.info("supervising", processes=len(keepers), data_dir=self._layout.data_dir)
        try:
            await _first_of(asyncio.create_task(self._stop.wait()), *keepers)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await self._end_all()
            server.close()
            shutil.rmtree(self._layout.run, ignore_errors=True)
            if self._claim is not None:
                self._claim.close()
            log.info("everything has ended")

    def _adopt(self) -> None:
        """Take over what a former supervisor left running."""
        running = state.load_running(self._layout.data_dir)
        for component in self._components:
            identity = running.get(component.name)
            if identity is not None and identity.is_alive():
                component.identity = identity
                log.info("adopted", process=component.name, pid=identity.pid)

    async def _keep(self, component: Component) -> None:
        """One process's circle of lives."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            code = await self._live(component)
            delay = component.ended(code, loop.time() - began)
            showing.show(self._layout, component)
            restart = "when asked for" if delay is None else f"in {delay:g}s"
            log.warning("ended", process=component.name, code=code, restart=restart)
            await component.may_start(delay)
            component.restarts += 1

    async def _live(self, component: Component) -> int | None:
        """One life, from its start (or adoption) to its exit code."""
        code: ExitCode | None = None
        if component.identity is None:
            try:
                component.identity, code = await self._nursery.start(component.process)
            except NurseryLost:
                return None
        identity = component.identity
        component.runs(identity, self._clock.now())
        showing.show(self._layout, component)
        log.info("running", process=component.name, pid=identity.pid)
        self._write_down()
        if component.is_held:
            identity.send(signal.SIGKILL)
        await wait_ended(identity)
        return await code if code is not None else None

    def _write_down(self) -> None:
        """Save who runs, and claim the cluster's number if those who held it have ended."""
        running = {component.name: component.identity for component in self._components}
        running["nursery"] = self._nursery.identity
        running["supervisor"] = identity_of(os.getpid())
        known = {name: identity for name, identity in running.items() if identity is not None}
        try:
            state.save_running(self._layout.data_dir, known)
        except OSError as error:
            # A full disk must not end a running cluster; only adoption suffers.
            log.error("cannot write down who runs", error=error)
        self._claim = self._claim or claims.claim_number(self._layout.number)

    async def _end_all(self) -> None:
        for stage in sorted({component.process.stage for component in self._components}, reverse=True):
            running = [c for c in self._components if c.process.stage == stage and c.identity is not None]
            stubborn = await end([c.identity for c in running if c.identity is not None])
            for component in running:
                killed = component.identity in stubborn
                log.info("stopped", process=component.name, killed=killed)
        await self._nursery.stop()

    async def _answer(self, words: list[str]) -> dict[str, Any]:
        match words:
            case ["status"]:
                return self._status()
            case ["stop"]:
                self.stop()
                return {}
            case [verb, *names] if verb in orders.ORDERS:
                return await orders.carry_out(verb, names, self._components)
            case _:
                return {"error": f"no such command: {' '.join(words)}"}

    def _status(self) -> dict[str, Any]:
        nursery = self._nursery.identity
        return {
            "dataDir": str(self._layout.data_dir),
            "number": self._layout.number,
            "portBase": self._layout.port_base,
            "pid": os.getpid(),
            "nurseryPid": nursery.pid if nursery else None,
            "processes": [component.status() for component in self._components],
        }


async def _first_of(*tasks: asyncio.Task[Any]) -> None:
    """Return when the first task has ended, raising what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
