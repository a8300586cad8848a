"""The cluster's own processes as pods: a text test of what their mirrors say, and one from file to API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kubelet.container_logs import LogOptions
from kubelet.logs.changes import Changes
from kubelet.logs.plain import PlainLines
from kubelet.logs.reader import read
from kubelet.pod import process_pod
from kubelet.process_pods import ProcessPods
from tests import datadriven
from tests.datadriven import Case
from tests.kubelet.conftest import FACTS, TestNode
from tests.support.wait import until_async

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
FILES = sorted((Path(__file__).parent / "testdata" / "processes").glob("*.txt"))
SHOWN = {"name": "store-0", "component": "etcd", "command": ["etcd"], "lastExitCode": None, "restarts": 0}
MIRROR = "/api/v1/namespaces/kube-system/pods/store-0-n1"


class World:
    def __init__(self) -> None:
        self.status: dict[str, Any] = {}
        self.plain = PlainLines()

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def pod(self, case: Case) -> str:
        pod = process_pod.pod_of(SHOWN, "n1")
        del pod["metadata"]["annotations"], pod["metadata"]["uid"]
        return yaml.safe_dump(pod, default_flow_style=None)

    def report(self, case: Case) -> str:
        """A look at the process: its pid (none: it does not run), start, restarts; `answers` if it does."""
        options = case.options
        started = EPOCH + timedelta(seconds=int(options["started"])) if "started" in options else None
        shown = SHOWN | {
            "pid": int(options["pid"]) if "pid" in options else None,
            "restarts": int(case.option("restarts", "0")),
            "startedAt": started.strftime("%Y-%m-%dT%H:%M:%SZ") if started else None,
            "lastExitCode": int(options["code"]) if "code" in options else None,
        }
        now = EPOCH + timedelta(seconds=int(options["now"]))
        pod = process_pod.pod_of(shown, "n1")
        answers = "answers" in case.args
        self.status = process_pod.status_of(pod, shown, self.status, "127.0.0.1", now, answers=answers)
        (container,) = self.status["containerStatuses"]
        ready = next(each for each in self.status["conditions"] if each["type"] == "Ready")
        kept = {key: container[key] for key in ("containerID", "restartCount", "state", "lastState")}
        kept["state"] = {key: value for key, value in container["state"].items() if value}
        return f"Ready {ready['status']} since {ready['lastTransitionTime'][14:19]}\n" + yaml.safe_dump(
            kept, sort_keys=False, default_flow_style=None, width=100
        )

    def log(self, case: Case) -> str:
        return self.plain.as_cri(case.input.encode()).decode()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)


@pytest.fixture
async def shown(node: TestNode, tmp_path: Path) -> AsyncIterator[ProcessPods]:
    """Processes that nobody can reach, shown on node n1."""
    pods = ProcessPods(tmp_path / "processes", "n1", FACTS.ip, node.kubelet.mirrors, SystemClock())
    pods.folder.mkdir()
    async with Tasks() as tasks:
        tasks.start("node status", node.reporter.report)
        tasks.start("process pods", pods.run)
        yield pods
        await tasks.cancel()


async def test_a_process_is_a_pod_with_a_log(node: TestNode, shown: ProcessPods, tmp_path: Path) -> None:
    log = tmp_path / "store-0.log"
    log.write_text("time=2030-01-01T00:00:00Z one\ntime=2030-01-01T00:00:01Z two\n")
    document = SHOWN | {
        "pid": 7,
        "startedAt": "2030-01-01T00:00:00Z",
        "log": str(log),
        "healthURL": "https://127.0.0.1:1/readyz",
        "authority": "nowhere",
        "certificate": "nowhere",
        "key": "nowhere",
    }
    (shown.folder / "store-0.json").write_text(json.dumps(document))

    async def there() -> Any:
        answer = await node.api("GET", MIRROR)
        return answer.json if answer.code == 200 and answer.json["status"].get("containerStatuses") else None

    pod = await until_async("the process is shown", there)
    (container,) = pod["status"]["containerStatuses"]
    assert (container["containerID"], container["ready"]) == ("process://7", False)
    assert node.runtime.list_sandboxes() == []
    options = LogOptions(tail_lines=1, timestamps=True)
    lines = read(shown.logs["kube-system/store-0-n1"], options, Changes(), lambda: False, PlainLines().as_cri)
    told = b"".join([each async for each in lines])
    assert told == b"2030-01-01T00:00:01.000000000Z time=2030-01-01T00:00:01Z two\n"
