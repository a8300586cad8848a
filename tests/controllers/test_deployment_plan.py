"""Tells the story of a rollout step by step: what is seen, what the plan says, what that makes of the world.

deployment replicas=3 image=v1 [surge= unavailable= strategy= paused= deadline= history= minready=]
                             create the Deployment, or change these parts of its spec
pods image=v1 replicas=3 ready=3 available=3
                             what the ReplicaSet of that image reports
plan now=10                  plan at that second, and carry it out
show                         the ReplicaSets
roll                         plan until nothing changes, with pods that are ready at once: how many there were
                             at the most and available at the least
events                       the Events told so far, as `kubectl describe` lists them
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from controllers.deployment.plan import Seen, plan
from controllers.deployment.replica_sets import REVISION, name_of_new
from kube.api import meta
from kube.api.actions import Create, Delete, EmitEvent, Patch, Update, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import DEPLOYMENTS
from kube.client.event_correlator import EventCorrelator
from kube.client.events import make_event
from tests import datadriven
from tests.controllers.rendering import render

TESTDATA = Path(__file__).parent / "testdata"
START = datetime(2030, 1, 1, tzinfo=UTC)


class World:
    """One Deployment and its ReplicaSets, changed by what the plan says."""

    def __init__(self) -> None:
        self.deployment: Object = {}
        self.replica_sets: dict[str, Object] = {}
        self.now = START
        self.pods: dict[str, list[Object]] = {}
        self.failure: str | None = None
        self.name_taken = False
        self.correlator = EventCorrelator()
        self.listed: dict[str, Object] = {}

    def handle(self, case: datadriven.Case) -> str:
        return str(getattr(self, f"do_{case.command}")(case.options))

    def do_deployment(self, options: dict[str, str]) -> str:
        if not self.deployment:
            spec = {"selector": {"matchLabels": {"app": "web"}}, "strategy": {"type": "RollingUpdate"}}
            identity = {"name": "web", "namespace": "default", "uid": "d", "generation": 0}
            self.deployment = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": identity | {"creationTimestamp": "2030-01-01T00:00:00Z"},
                "spec": spec,
            }
        spec = dict(self.deployment["spec"])
        if "image" in options:
            container = {"name": "c", "image": options["image"]}
            spec["template"] = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}}
        if "strategy" in options:
            spec["strategy"] = {"type": options["strategy"]}
        if "surge" in options or "unavailable" in options:
            limits = {"maxSurge": number(options["surge"]), "maxUnavailable": number(options["unavailable"])}
            spec["strategy"] = {"type": "RollingUpdate", "rollingUpdate": limits}
        names = {
            "replicas": "replicas",
            "deadline": "progressDeadlineSeconds",
            "history": "revisionHistoryLimit",
            "minready": "minReadySeconds",
        }
        spec |= {wire: int(options[word]) for word, wire in names.items() if word in options}
        if "paused" in options:
            spec["paused"] = options["paused"] == "true"
        metadata = {
            **self.deployment["metadata"],
            "generation": self.deployment["metadata"]["generation"] + 1,
        }
        if "note" in options:
            metadata["annotations"] = meta.annotations(self.deployment) | {"note": options["note"]}
        self.deployment = {**self.deployment, "metadata": metadata, "spec": spec}
        return ""

    def do_pods(self, options: dict[str, str]) -> str:
        replica_set = self._by_image(options["image"])
        counts = {
            part: int(options.get(part, "0")) for part in ("replicas", "ready", "available", "terminating")
        }
        status = {"replicas": counts["replicas"], "observedGeneration": 1}
        status |= {f"{part}Replicas": counts[part] for part in ("ready", "available", "terminating")}
        self.replica_sets[meta.uid(replica_set)] = {**replica_set, "status": status}
        running = {"status": {"phase": "Running"}}
        self.pods[meta.uid(replica_set)] = [running] * (counts["replicas"] + counts["terminating"])
        return ""

    def do_collision(self, options: dict[str, str]) -> str:
        self.name_taken = options["taken"] == "true"
        return name_of_new(self.deployment)

    def do_failure(self, options: dict[str, str]) -> str:
        self.failure = options.get("why")
        return ""

    def do_orphan(self, options: dict[str, str]) -> str:
        """A ReplicaSet that nobody owns."""
        labels = {"app": options.get("app", "web")}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "c", "image": options["image"]}]},
        }
        annotations = {REVISION: options["revision"]} if "revision" in options else {}
        self._add(
            {
                "metadata": {
                    "name": options["name"],
                    "namespace": "default",
                    "labels": labels,
                    "annotations": annotations,
                },
                "spec": {"replicas": int(options["replicas"]), "template": template},
            }
        )
        return ""

    def do_plan(self, options: dict[str, str]) -> str:
        self.now = START + timedelta(seconds=float(options["now"]))
        known = {meta.uid(each): each for each in (self.deployment, *self.replica_sets.values())}
        seen = Seen(
            self.deployment,
            list(self.replica_sets.values()),
            self.pods,
            options.get("adopt", "true") == "true",
            self.name_taken,
            self.failure,
        )
        actions = plan(seen, self.now)
        assert actions == plan(seen, self.now), "the same input gives the same plan"
        for action in actions:
            self._carry_out(action)
        return render(actions, known)

    def do_roll(self, _: dict[str, str]) -> str:
        """Let the pods of each step be ready before the next one; a second passes between them."""
        most, least, steps = 0, self._available(), 0
        while self._step():
            steps += 1
            assert steps < 1000, "the rollout does not come to an end"
            most = max(most, sum(each["spec"]["replicas"] for each in self.replica_sets.values()))
            least = min(least, self._available())
        return f"at most {most} pods, at least {least} available"

    def _step(self) -> bool:
        """One plan, then what the other controllers and the kubelets make of it; False if nothing changed."""
        before = meta.deep_copy({"deployment": self.deployment, **self.replica_sets})
        self.now += timedelta(seconds=1)
        seen = Seen(self.deployment, list(self.replica_sets.values()), self.pods)
        for action in plan(seen, self.now):
            self._carry_out(action)
        # Those that go are gone at once, those that come are available only after the next look.
        for uid, each in self.replica_sets.items():
            size, old = each["spec"]["replicas"], meta.get(each, "status", "replicas", default=0)
            ready = min(size, old)
            numbers = {"replicas": size, "readyReplicas": ready, "availableReplicas": ready}
            self.replica_sets[uid] = {**each, "status": {**numbers, "observedGeneration": 1}}
        after: Object = {"deployment": self.deployment, **self.replica_sets}
        return bool(before != after)

    def _available(self) -> int:
        every = self.replica_sets.values()
        return sum(int(meta.get(each, "status", "availableReplicas", default=0)) for each in every)

    def do_events(self, _: dict[str, str]) -> str:
        lines = []
        for each in self.listed.values():
            count = f" (x{each['count']})" if each["count"] > 1 else ""
            lines.append(f"{each['type']} {each['reason']}{count} {each['message']}")
        return "\n".join(lines)

    def _tell(self, type: str, reason: str, message: str) -> None:
        event = make_event(self.deployment, type, reason, message, "deployment-controller", "", self.now)
        correlated = self.correlator.correlate(event, self.now)
        if correlated is not None:
            self.listed[meta.name(correlated.event)] = correlated.event

    def do_show(self, _: dict[str, str]) -> str:
        lines = []
        for each in self.replica_sets.values():
            image = each["spec"]["template"]["spec"]["containers"][0]["image"]
            notes = {key.rpartition("/")[2]: value for key, value in sorted(meta.annotations(each).items())}
            lines.append(f"{image} {meta.name(each)} replicas={each['spec']['replicas']} {notes}")
        return "\n".join(lines)

    def _by_image(self, image: str) -> Object:
        for each in self.replica_sets.values():
            if each["spec"]["template"]["spec"]["containers"][0]["image"] == image:
                return each
        raise AssertionError(f"no ReplicaSet runs {image}")

    def _add(self, replica_set: Object) -> None:
        uid = f"rs{len(self.replica_sets) + 1}"
        made = {"uid": uid, "creationTimestamp": meta.format_time(self.now), "generation": 1}
        self.replica_sets[uid] = {**replica_set, "metadata": replica_set["metadata"] | made}

    def _carry_out(self, action: Any) -> None:
        match action:
            case Create():
                self._add(meta.deep_copy(action.object))
                if action.announcement is not None:
                    told = action.announcement.success_message.format(name=meta.name(action.object))
                    self._tell("Normal", action.announcement.success_reason, told)
            case EmitEvent():
                self._tell(action.type, action.reason, action.message)
            case Update():
                self.replica_sets[meta.uid(action.object)] = action.object
            case UpdateStatus():
                self.deployment = {**self.deployment, "status": action.object["status"]}
            case Patch() if action.resource == DEPLOYMENTS:
                annotations = meta.annotations(self.deployment) | action.patch["metadata"]["annotations"]
                self.deployment = {
                    **self.deployment,
                    "metadata": {**self.deployment["metadata"], "annotations": annotations},
                }
            case Patch():
                uid = action.patch["metadata"]["uid"]
                old = self.replica_sets[uid]
                owners = [
                    each for each in action.patch["metadata"]["ownerReferences"] if "$patch" not in each
                ]
                self.replica_sets[uid] = {**old, "metadata": {**old["metadata"], "ownerReferences": owners}}
            case Delete():
                del self.replica_sets[action.uid]
            case _:
                pass


def number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("deployment_*.txt")), ids=lambda path: path.stem)
def test_story(path: Path, request: pytest.FixtureRequest) -> None:
    world = World()
    datadriven.run(path, request, world.handle)
