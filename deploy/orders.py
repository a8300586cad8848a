"""Shell: what a supervisor may be told to do with single processes; each order is done when it is answered.

kill      SIGKILL; dead until `start` or `restart`      pause    SIGSTOP: it holds its ports and does nothing
start     what was killed, or waits to be restarted     resume   SIGCONT
restart   ends politely and starts at once
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from deploy.component import Component, State
from deploy.ending import GRACE_SECONDS, end
from deploy.identity import Identity

# The grace of a polite end, and time for a fork on a busy machine.
ORDER_SECONDS = GRACE_SECONDS + 10.0
LOOK_SECONDS = 0.005


class Refused(Exception):
    """The order makes no sense for this process now; the text says why."""


async def kill(component: Component) -> int:
    """The pid that was killed, 0 if it was dead already and will stay so."""
    identity = component.identity
    component.hold()
    if identity is not None:
        identity.send(signal.SIGKILL)
    await component.until(lambda: component.state is State.KILLED)
    return identity.pid if identity else 0


async def start(component: Component) -> int:
    """The pid of what was started."""
    if component.identity is not None:
        raise Refused(f"{component.name} is running already (pid {component.identity.pid})")
    component.hurry()
    await component.until(lambda: component.identity is not None)
    return _living(component).pid


async def restart(component: Component) -> int:
    """The pid of what was started."""
    old = component.identity
    component.hurry()
    if old is not None:
        await end([old])
    await component.until(lambda: component.identity not in (None, old))
    return _living(component).pid


async def pause(component: Component) -> int:
    """The pid of what stands still now."""
    identity = _living(component)
    identity.send(signal.SIGSTOP)
    await _until_paused(identity, True)
    return identity.pid


async def resume(component: Component) -> int:
    """The pid of what goes on."""
    identity = _living(component)
    if not identity.is_paused():
        raise Refused(f"{component.name} is not paused")
    identity.send(signal.SIGCONT)
    await _until_paused(identity, False)
    return identity.pid


async def _until_paused(identity: Identity, wanted: bool) -> None:
    """A signal takes effect a moment after it was sent; nothing tells when."""
    while identity.is_alive() and identity.is_paused() != wanted:  # noqa: ASYNC110 # /proc has no events
        await asyncio.sleep(LOOK_SECONDS)


def _living(component: Component) -> Identity:
    if component.identity is None:
        raise Refused(f"{component.name} does not run (state {component.state})")
    return component.identity


ORDERS: dict[str, Callable[[Component], Awaitable[int]]] = {
    "kill": kill,
    "start": start,
    "restart": restart,
    "pause": pause,
    "resume": resume,
}


async def carry_out(verb: str, names: Sequence[str], components: Sequence[Component]) -> dict[str, Any]:
    """Do it to all that are named, at once: the pids it was done to, and why it was refused to others."""
    known = {component.name: component for component in components}
    if unknown := [name for name in names if name not in known]:
        return {"error": f"no process {', '.join(unknown)}; this cluster has {', '.join(known)}"}
    wanted = dict.fromkeys(names)
    outcomes = await asyncio.gather(*(_obey(verb, known[name]) for name in wanted))
    answers = dict(zip(wanted, outcomes, strict=True))
    return {
        "done": {name: outcome for name, outcome in answers.items() if isinstance(outcome, int)},
        "refused": [outcome for outcome in outcomes if isinstance(outcome, str)],
    }


async def _obey(verb: str, component: Component) -> int | str:
    """The pid it was done to, or why not."""
    try:
        async with asyncio.timeout(ORDER_SECONDS):
            return await ORDERS[verb](component)
    except Refused as refusal:
        return str(refusal)
    except TimeoutError:
        return f"{verb} {component.name}: not done after {ORDER_SECONDS:g} s"
