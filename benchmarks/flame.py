"""Where does the API server's time go while pods are created? A flame graph in letters.

    .venv/bin/pip install --editable '.[profile]'
    .venv/bin/python -P benchmarks/flame.py [seconds]

py-spy samples the API server of `apiserver.py` while 16 clients create pods; each line is a function, what it
was called by stands above it, and its number is the share of the samples in which it was on the stack.
Functions of libraries are folded into the library's name, and lines below SHARE_MIN are left out.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import uvloop

from benchmarks.apiserver import running

OURS = ("apiserver/", "kube/", "etcdlite/")
FRAME = re.compile(r"(?P<name>.+) \((?P<file>[^:]+)(?::\d+)?\)")
LIBRARY = re.compile(r"(?:^|site-packages/)(?P<name>\w+)")
SHARE_MIN = 0.01
WARM_PODS, PODS_A_SECOND = 500, 400
SAMPLES_A_SECOND = 250
WAITING = "threads that wait"


@dataclass
class Node:
    """A function, how many samples it was in, and what it called."""

    count: int = 0
    below: dict[str, Node] = field(default_factory=dict)

    def add(self, stack: list[str], count: int) -> None:
        node = self
        node.count += count
        for frame in stack:
            node = node.below.setdefault(frame, Node())
            node.count += count

    def lines(self, total: int, depth: int = 0) -> Iterator[str]:
        for name, node in sorted(self.below.items(), key=lambda pair: -pair[1].count):
            if node.count >= SHARE_MIN * total:
                yield f"{100 * node.count / total:5.1f} %  {'  ' * depth}{name}"
                yield from node.lines(total, depth + 1)


def frame(text: str) -> str:
    """`create (apiserver/handlers/create.py)` of ours; `uvicorn` of a library."""
    found = FRAME.fullmatch(text)
    if found is None:
        return text
    if found["file"].startswith(OURS):
        return f"{found['name']} ({found['file']})"
    library = LIBRARY.search(found["file"])
    return library["name"] if library else found["file"]


def tree(raw: str) -> Node:
    """py-spy's raw stacks, from the main loop upwards."""
    root = Node()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = list(dict.fromkeys(frame(each) for each in stack.split(";")))  # recursion is one line
        if "runners" in stack or "asyncio" in frames:
            at = next(index for index, each in enumerate(frames) if each == "asyncio")
            root.add(frames[at + 1 :] or ["the event loop"], int(count))
        else:
            root.add([WAITING], int(count))
    waiting = root.below.pop(WAITING, None)
    root.count -= waiting.count if waiting else 0
    return root


async def sample(folder: Path, seconds: int) -> str:
    async with running(folder / "bench") as bench:
        await bench.create_pods(WARM_PODS)
        output = folder / "raw"
        profiler = await asyncio.create_subprocess_exec(
            *("py-spy", "record", "--format", "raw", "--output", str(output), "--gil"),
            *("--duration", str(seconds), "--rate", str(SAMPLES_A_SECOND)),
            *("--pid", str(bench.server.process.pid)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        creating = asyncio.create_task(bench.create_pods(seconds * PODS_A_SECOND))
        await profiler.wait()
        creating.cancel()
        await asyncio.gather(creating, return_exceptions=True)
        return output.read_text()


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bench").mkdir()
        raw = uvloop.run(sample(Path(folder), seconds))
    root = tree(raw)
    print(f"{root.count} samples in {seconds} s")
    print("\n".join(root.lines(root.count)))


if __name__ == "__main__":
    main()
