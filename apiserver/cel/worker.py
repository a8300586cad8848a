"""Shell: the process that evaluates expressions for an API server: a job comes in, its answer goes out.

    stdin, stdout: a length in four bytes, then JSON

An expression over a large object may take minutes, and so may compiling one made for that; nothing can stop
the library in the middle: so it is stopped with its process. A job has CPU_SECONDS of processor time, however
busy the machine is; then the kernel ends the process with SIGPROF. The same goes for memory. When the server
goes, stdin ends, and so does this.
"""

from __future__ import annotations

import resource
import signal
import sys
from typing import BinaryIO

import orjson

from apiserver.cel.checking import check
from apiserver.cel.evaluation import evaluate

CPU_SECONDS = 1.0
MEMORY_BYTES_MAX = 1 << 30
LENGTH_BYTES = 4


def main() -> None:
    """Serve until the server goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer one job after the other."""
    while len(head := asked.read(LENGTH_BYTES)) == LENGTH_BYTES:
        body = asked.read(int.from_bytes(head, "big"))
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        job = orjson.loads(body)
        answer = orjson.dumps(check(job) if "wanted" in job else evaluate(job), default=str)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
