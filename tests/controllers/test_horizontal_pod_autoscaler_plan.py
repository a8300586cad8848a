"""Autoscalers as text: one autoscaler and its target over time, and what is done at each look.

new                  an autoscaler's spec, and its target's replicas
pods [now]           what they use of what they asked for, in shorthand
look 10:00           what is done; the status is kept, and a new scale is carried out
"""

from __future__ import annotations

from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.horizontal_pod_autoscaler.limits import Memory
from controllers.horizontal_pod_autoscaler.plan import Metrics, Options, Seen, Target, decide
from kube.api import meta
from kube.api.actions import Patch, Update
from kube.api.defaults import apply_defaults
from kube.api.meta import Object
from kube.api.quantity import Quantity
from kube.api.resources import DEPLOYMENTS, HORIZONTAL_POD_AUTOSCALERS
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "horizontal_pod_autoscaler"


def at(clock: str) -> datetime:
    """`10:05` or `10:05:30`."""
    hour, minute, second = (int(each) for each in f"{clock}:0".split(":")[:3])
    return START + timedelta(hours=hour, minutes=minute, seconds=second)


class World:
    """What is there, from look to look."""

    def __init__(self) -> None:
        self.autoscaler: Object = {}
        self.replicas, self.selector = 1, "app=web"
        self.pods: list[str] = []
        self.metrics: str | None = None
        self.target: str | None = None
        self.memory: Memory | None = None

    def new(self, text: str) -> str:
        short = yaml.safe_load(text)
        self.__init__()  # type: ignore[misc]
        self.replicas = short.pop("replicas", 1)
        self.selector = short.pop("selector", self.selector)
        self.target = short.pop("target", None)
        self.autoscaler = made({"name": "web"}, apiVersion="autoscaling/v2", spec=short)
        apply_defaults(HORIZONTAL_POD_AUTOSCALERS, self.autoscaler)
        return "ok"

    def see(self, text: str) -> str:
        """`100m/200m` uses half of what it asked for; see `_pod`."""
        short = yaml.safe_load(text)
        words = short if isinstance(short, str) else short.get("pods", "")
        self.metrics = None if isinstance(short, str) else short.get("metrics")
        self.pods = words.split()
        return "ok"

    def look(self, now: datetime) -> str:
        pods = [_pod(number, word, now) for number, word in enumerate(self.pods)]
        told: Metrics = [
            each for number, word in enumerate(self.pods) if (each := _sample(number, word, now))
        ]
        scale = made({"name": "web"}, spec={"replicas": self.replicas}, status={"selector": self.selector})
        target = Target(DEPLOYMENTS, scale, pods, self.metrics or told)
        decision = decide(Seen(self.autoscaler, self.target or target, self.memory, Options()), now)
        said = render(decision.actions, {meta.uid(self.autoscaler): self.autoscaler})
        self.memory = decision.memory
        for action in decision.actions:
            if isinstance(action, Update):
                self.autoscaler = action.object
            elif isinstance(action, Patch):
                self.replicas = action.patch["spec"]["replicas"]
        return said


def _pod(number: int, word: str, now: datetime) -> Object:
    """`-/200m` is pending, `?/200m` has no sample, `100m/` asked for nothing; at the end `!` is going, `~`
    is a minute old and not ready yet, `^` has been ready for ten seconds.
    """
    use, _, asked = word.rstrip("!~^").partition("/")
    resources = {"requests": {"cpu": asked, "memory": "100Mi"}} if asked else {}
    ready = "False" if word.endswith("~") else "True"
    age = {"~": 60, "^": 15}.get(word[-1], 3600)
    since = now - timedelta(seconds={"~": 55, "^": 10}.get(word[-1], 3600))
    status: dict[str, Any] = {
        "phase": "Pending" if use == "-" else "Running",
        "startTime": meta.format_time(now - timedelta(seconds=age)),
        "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": meta.format_time(since)}],
    }
    short = {"name": f"p{number}", "deleted": word.endswith("!")}
    return made(short, spec={"containers": [{"name": "c", "resources": resources}]}, status=status)


def _sample(number: int, word: str, now: datetime) -> Object | None:
    use = word.rstrip("!~^").partition("/")[0]
    if use in ("-", "?"):
        return None
    usage = {"cpu": use, "memory": str(Quantity(Fraction(50 << 20), "binary"))}
    return {
        "metadata": {"name": f"p{number}", "namespace": "default"},
        "timestamp": meta.format_time(now),
        "window": "15s",
        "containers": [{"name": "c", "usage": usage}],
    }


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    world = World()

    def handle(case: datadriven.Case) -> str:
        match case.command:
            case "new":
                return world.new(case.input)
            case "pods":
                return world.see(case.input)
            case "look":
                return world.look(at(case.args[0]))
        raise AssertionError(case.command)

    datadriven.run(path, request, handle)
