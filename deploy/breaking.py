"""Shell: the verbs that break a running cluster on purpose, and mend it: what they say to a person.

Single processes are the supervisor's affair (orders.py), links between the store's members those members' own
(members.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from deploy import control, members, state
from deploy.errors import LaunchError
from deploy.layout import run_dir
from deploy.orders import ORDER_SECONDS
from deploy.state import Record

Say = Callable[[str], None]

# A word instead of a name: whichever member of the store leads just now.
LEADER = "leader"

SAID = {
    "kill": "{name} has been killed (pid {pid}) and stays dead until: kl cluster start {name}",
    "start": "{name} has been started (pid {pid})",
    "restart": "{name} has been restarted (pid {pid})",
    "pause": "{name} has been paused (pid {pid}) and stands still until: kl cluster resume {name}",
    "resume": "{name} goes on (pid {pid})",
}
WAS_DEAD = "{name} was dead and stays so until: kl cluster start {name}"


async def ask(data_dir: Path, *words: str, seconds: float = control.ANSWER_SECONDS) -> dict[str, Any]:
    """What the supervisor of a running cluster answers; LaunchError when there is none, or it refuses."""
    try:
        answer = await control.ask(run_dir(data_dir), *words, seconds=seconds)
    except FileNotFoundError:
        answer = None
    except TimeoutError:
        raise LaunchError(f"the supervisor of {data_dir} does not answer: is it paused?") from None
    if answer is None:
        raise LaunchError(f"no supervisor answers for {data_dir}: start the cluster with deploy/up")
    if "error" in answer:
        raise LaunchError(answer["error"])
    return answer


def record_of(data_dir: Path) -> Record:
    """What a data dir that has been used remembers."""
    record = state.load_record(data_dir)
    if record is None:
        raise LaunchError(f"{data_dir} holds no cluster: start one with deploy/up")
    return record


async def order(data_dir: Path, verb: str, names: Sequence[str], say: Say) -> None:
    """Do something to single processes, and say a line for each; LaunchError for those that refused."""
    if LEADER in names:
        record = record_of(data_dir)
        leader = await members.leader(record.topology, record.layout(data_dir))
        names = [leader if name == LEADER else name for name in names]
    answer = await ask(data_dir, verb, *names, seconds=ORDER_SECONDS + control.ANSWER_SECONDS)
    for name, pid in answer["done"].items():
        say((SAID[verb] if pid else WAS_DEAD).format(name=name, pid=pid))
    if answer["refused"]:
        raise LaunchError("; ".join(answer["refused"]))


async def partition(data_dir: Path, left: Sequence[str], right: Sequence[str], say: Say) -> None:
    """Cut the links between two sides of the store."""
    record = record_of(data_dir)
    deaf = await members.partition(record.topology, record.layout(data_dir), (left, right))
    _refuse_deafness(deaf, {*left, *right})
    sides = " and ".join(left), " and ".join(right)
    say(
        f"The links between {sides[0]} on one side and {sides[1]} on the other are cut until: kl cluster heal"
    )
    for name in deaf:
        say(f"note: {name} did not answer, so its links are cut at the other ends only")


async def heal(data_dir: Path, say: Say) -> None:
    """Mend all links of the store."""
    record = record_of(data_dir)
    deaf = await members.heal(record.topology, record.layout(data_dir))
    _refuse_deafness(deaf, set(members.names(record.topology)))
    say("All members hear one another again.")
    for name in deaf:
        say(
            f"note: {name} did not answer; its own cuts stay until it is restarted, or healed once it answers"
        )


def _refuse_deafness(deaf: Sequence[str], asked: set[str]) -> None:
    if asked <= set(deaf):
        raise LaunchError(f"{', '.join(sorted(asked))} do not answer: see kl cluster status")
