"""Text tests of the pod cores: `pod`, `container` build what is seen; `plan`, `report` show what is said.

Times are seconds after 2030-01-01T00:00:00Z.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet.pod import deadline, status
from kubelet.pod.plan import BackOff, StartContainer, StopContainer, Wait, life, plan
from kubelet.pod.state import Health, PodState, Waiting
from kubelet.runtime.interface import Container, ContainerState, Sandbox
from tests import datadriven
from tests.datadriven import Case

EPOCH = datetime(2030, 1, 1, tzinfo=UTC)
FILES = sorted((Path(__file__).parent / "testdata").glob("*.txt"))


def at(seconds: str) -> datetime:
    return EPOCH + timedelta(seconds=float(seconds))


class World:
    def __init__(self) -> None:
        self.now = EPOCH
        self.pod_object: dict[str, Any] = {}
        self.place: Sandbox | None = None
        self.containers: dict[str, Container] = {}
        self.healths: dict[str, Health] = {}
        self.waits: dict[str, Waiting] = {}
        self.well: dict[str, int] = {}
        self.ending: datetime | None = None

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    @property
    def state(self) -> PodState:
        return PodState(
            self.place,
            list(self.containers.values()),
            self.healths,
            self.waits,
            self.well,
            is_overdue=deadline.has_passed(self.pod_object, self.now),
            ending_since=self.ending,
        )

    def pod(self, case: Case) -> str:
        """A new pod; what it had is forgotten."""
        self.place, self.containers, self.ending = None, {}, None
        self.healths, self.waits, self.well = {}, {}, {}
        metadata = {"name": "p", "namespace": "default", "uid": "u"}
        self.pod_object = {"metadata": metadata, "spec": yaml.safe_load(case.input)}
        if "phase" in case.options:
            self.pod_object["status"] = {"phase": case.options["phase"]}
        return ""

    def delete(self, case: Case) -> str:
        grace = int(case.option("grace", "30"))
        self.pod_object["metadata"] |= {"deletionTimestamp": "x", "deletionGracePeriodSeconds": grace}
        return ""

    def sandbox(self, case: Case) -> str:
        ready = case.option("ready", "true") == "true"
        self.place = Sandbox("s", "u", "default", "p", "10.0.0.2", ready, EPOCH)
        return ""

    def container(self, case: Case) -> str:
        """`container name attempt=0 started=1 exited=2 code=0`."""
        name, attempt = case.args[0], int(case.option("attempt", "0"))
        started, exited = case.option("started", ""), case.option("exited", "")
        state = ContainerState.CREATED
        if started:
            state = ContainerState.EXITED if exited else ContainerState.RUNNING
        code = int(case.option("code", "0"))
        self.containers[f"{name}-{attempt}"] = Container(
            id=f"{name}-{attempt}",
            sandbox_id="s",
            pod_uid="u",
            name=name,
            attempt=attempt,
            image=case.option("image", "i"),
            state=state,
            created_at=EPOCH,
            started_at=at(started) if started else None,
            finished_at=at(exited) if exited else None,
            exit_code=code,
            reason="Error" if code else "Completed",
        )
        return ""

    def health(self, case: Case) -> str:
        """`health name-0 started=false ready=false failed=liveness`: what probes said."""
        started, ready = (case.option(key, "true") == "true" for key in ("started", "ready"))
        self.healths[case.args[0]] = Health(started, ready, case.option("failed", ""))
        return ""

    def cannot(self, case: Case) -> str:
        """`cannot name reason until=3 image=i`, with its message below: it could not be started."""
        name, reason = case.args
        until, image = at(case.option("until", "0")), case.option("image", "i")
        self.waits[name] = Waiting(reason, case.input.strip(), until, image)
        return ""

    def ran(self, case: Case) -> str:
        """`ran name well=9`: up to that attempt its crashes do not count."""
        self.well[case.args[0]] = int(case.option("well", "0"))
        return ""

    def forget(self, case: Case) -> str:
        """The runtime has removed the container."""
        del self.containers[case.args[0]]
        return ""

    def ends(self, case: Case) -> str:
        """`ends since=3`: when it began to end."""
        self.ending = at(case.option("since", "0"))
        return ""

    def condition(self, case: Case) -> str:
        """A condition that somebody else sets."""
        found = self.pod_object["status"].setdefault("conditions", [])
        found.append({"type": case.args[0], "status": "True"})
        return ""

    def plan(self, case: Case) -> str:
        """The pod's life and the actions."""
        self.now = at(case.option("now", "0"))
        actions = plan(self.pod_object, self.state, self.now)
        return "\n".join([life(self.pod_object, self.state).name, *(show(each) for each in actions)])

    def report(self, case: Case) -> str:
        """Phase, conditions that are not True, container states; the status is kept in the pod."""
        self.now = at(case.option("now", "0"))
        new = status.build(self.pod_object, self.state, "10.9.0.1", "fake", self.now)
        self.pod_object["status"] = new
        lines = [" ".join(["phase:", *(new[key] for key in ("phase", "reason", "message") if key in new)])]
        for each in new["conditions"]:
            why = " ".join(each[key] for key in ("reason", "message") if key in each)
            lines.append(f"{each['type']}: {each['status']} since {each['lastTransitionTime'][14:19]} {why}")
        for each in [
            *new.get("initContainerStatuses", ()),
            *new["containerStatuses"],
            *new.get("ephemeralContainerStatuses", ()),
        ]:
            flags = [key for key in ("ready", "started") if each[key]]
            lines.append(f"{each['name']} x{each['restartCount']} {' '.join(flags)}: {each['state']}")
            if each["lastState"]:
                lines.append(f"  before: {each['lastState']}")
        return "\n".join(line.rstrip() for line in lines)

    def yaml(self, case: Case) -> str:
        """The whole status."""
        self.now = at(case.option("now", "0"))
        new = status.build(self.pod_object, self.state, "10.9.0.1", "fake", self.now)
        return yaml.safe_dump(new, sort_keys=False, width=120)


def show(action: Any) -> str:
    match action:
        case StartContainer(spec, attempt, created):
            return f"start {spec['name']} attempt={attempt}" + (f" which is {created}" if created else "")
        case StopContainer(container_id, _, grace_seconds, message):
            return f"stop {container_id} grace={grace_seconds:g}: {message}"
        case BackOff(name, until):
            return f"back off {name} until {(until - EPOCH).total_seconds():g}"
        case Wait(name, until):
            return f"wait with {name} until {(until - EPOCH).total_seconds():g}"
    return type(action).__name__


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
