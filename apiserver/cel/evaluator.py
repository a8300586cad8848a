"""Shell: has expressions evaluated in a process beside the server, which is started when first needed.

One request's jobs at a time. Whatever goes wrong with a job ends the process; the next job gets a new one. So
an expression costs the server nothing but the wait, and the wait has an end.

After: k8s staging/src/k8s.io/apiserver/pkg/apis/cel/config.go (the budget there is counted, not timed)
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import orjson

from kube.base import logs

if TYPE_CHECKING:
    from apiserver.cel.jobs import Answer, Check, Checked, Job

log = logs.logger(__name__)

COMMAND = (sys.executable, "-P", "-m", "apiserver.cel.worker")
LENGTH_BYTES = 4
# The processor time a job has is counted in the worker; this is for a worker that gets no processor at all.
ANSWER_SECONDS = 30.0
# As many as Kubernetes' budget has room for.
QUESTIONS_MAX = 28
OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class NoAnswer(Exception):
    """Why a job has no answer."""


Process = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Worker:
    """The process, what it says, and the sockets that are its stdin and stdout."""

    process: Process
    reader: asyncio.StreamReader
    sockets: tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Evaluator:
    """The worker, and the queue in front of it."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._turn = asyncio.Lock()

    async def evaluate(self, jobs: Sequence[Job], decide: Callable[[str], bool]) -> list[Answer | NoAnswer]:
        """What comes of each job; `decide` answers what they ask the authorizer."""
        answers: dict[int, Answer | NoAnswer] = {}
        decisions: dict[str, bool] = {}
        waiting = list(range(len(jobs)))
        while waiting:
            sent = [{**jobs[index], "decisions": decisions} for index in waiting]
            answers |= zip(waiting, await self._ask(sent))
            waiting = [index for index in waiting if _questions(answers[index])]
            asked = [question for index in waiting for question in _questions(answers[index])]
            decisions |= {question: decide(question) for question in asked}
            if len(decisions) > QUESTIONS_MAX * len(jobs):
                answers |= dict.fromkeys(waiting, NoAnswer(OUT_OF_BUDGET))
                break
        return [answers[index] for index in range(len(jobs))]

    async def problem(self, check: Check) -> str:
        """Why a text is no expression; empty when it is one. NoAnswer when nobody can tell."""
        [answer] = await self._ask([check])
        if isinstance(answer, NoAnswer):
            raise answer
        return cast("Checked", answer)["problem"]

    async def close(self) -> None:
        """End the process."""
        async with self._turn:
            await self._end()

    async def _ask(self, jobs: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Answers in the order of the jobs; after one that ends the process, another does the rest."""
        async with self._turn:
            answers: list[Any] = []
            while len(answers) < len(jobs):
                answers += await self._exchange(jobs[len(answers) :])
            return answers

    async def _exchange(self, jobs: Sequence[Mapping[str, Any]]) -> list[Any]:
        """The answers of one process, with NoAnswer as the last if it fails."""
        answers: list[Any] = []
        try:
            worker = await self._living()
            # What cannot be written will not be answered either, which is noticed below.
            with contextlib.suppress(OSError, RuntimeError):
                worker.sockets[0].write(b"".join(_framed(job) for job in jobs))
            for _ in jobs:
                async with asyncio.timeout(ANSWER_SECONDS):
                    answers.append(await _read(worker.reader))
        except TimeoutError:
            await self._end()
            answers.append(NoAnswer("the process that evaluates expressions does not answer"))
        except (asyncio.IncompleteReadError, OSError) as error:
            code = await self._ended() if self._worker is not None else None
            log.warning("an evaluation ended its process", code=code, error=error)
            why = f"the process that evaluates expressions ended with {code}"
            answers.append(NoAnswer(OUT_OF_BUDGET if code == -signal.SIGPROF else why))
        except asyncio.CancelledError:
            # Nobody waits any more; and the next job must not read the answer to this one.
            await self._end()
            raise
        return answers

    async def _living(self) -> Worker:
        """The worker; somebody may have killed the one there was."""
        if self._worker is not None and self._worker.process.poll() is not None:
            await self._ended()
        if self._worker is None:
            self._worker = await _start()
        return self._worker

    async def _ended(self) -> int:
        """The exit code of a worker that has closed its end."""
        worker, self._worker = self._worker, None
        assert worker is not None, "it was asked a moment ago"
        for each in worker.sockets:
            each.close()
        return await asyncio.to_thread(worker.process.wait)

    async def _end(self) -> None:
        """Kill the worker, if there is one."""
        if self._worker is not None:
            self._worker.process.kill()
            await self._ended()


async def _start() -> Worker:
    """A new worker, with a socket for each direction, so that what it has said is heard even if it dies."""
    asked, stdin = socket.socketpair()
    replies, stdout = socket.socketpair()
    with stdin, stdout:
        process = _spawn(stdin.fileno(), stdout.fileno())
    _, writer = await asyncio.open_unix_connection(sock=asked)
    reader, replying = await asyncio.open_unix_connection(sock=replies)
    return Worker(process, reader, (writer, replying))


def _spawn(stdin: int, stdout: int) -> Process:
    """By vfork, in a millisecond: uvloop would fork, which gRPC, running here, has reasons to fear."""
    return subprocess.Popen(COMMAND, stdin=stdin, stdout=stdout)


def _questions(answer: Answer | NoAnswer) -> list[str]:
    return [] if isinstance(answer, NoAnswer) else answer.get("asked") or []


def _framed(job: Mapping[str, Any]) -> bytes:
    body = orjson.dumps(job)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


async def _read(replies: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await replies.readexactly(LENGTH_BYTES), "big")
    return orjson.loads(await replies.readexactly(size))
