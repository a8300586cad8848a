"""The vocabulary of the scheduler's text tests: node, remove-node, pod, delete, schedule, filter, score."""

from __future__ import annotations

import random
from typing import Any

import yaml

from scheduler.cache import Cache
from scheduler.framework.framework import Framework
from scheduler.framework.interface import Score, Verdict
from scheduler.framework.pod_info import PodInfo
from scheduler.framework.volumes import Volumes
from scheduler.nominator import Nominator
from scheduler.plugins.registry import plugins
from scheduler.preemption import Preemption, preempt
from scheduler.schedule_one import Cycle, Scheduled
from tests.datadriven import Case


def make_node(name: str, more: dict[str, Any] | None = None, **quantities: str) -> dict[str, Any]:
    """A node with room; `more` is merged over it."""
    room = {"cpu": "4", "memory": "8Gi", "pods": "110", **quantities}
    labels = {"kubernetes.io/hostname": name}
    node = {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": {"allocatable": room}}
    return merge(node, more or {})


def make_pod(name: str, more: dict[str, Any] | None = None, **requests: str) -> dict[str, Any]:
    """A pod of one container; `more` is merged over it."""
    resources = {"requests": requests} if requests else {}
    container = {"name": "c", "image": "i", "resources": resources}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return merge({"metadata": metadata, "spec": {"containers": [container]}}, more or {})


def merge(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in more.items():
        known = result.get(key)
        result[key] = merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


class World:
    """A cluster that a text test builds."""

    def __init__(self) -> None:
        self.cache = Cache()
        self.framework = Framework(plugins(Volumes()))
        self.cycle = Cycle(self.framework, random.Random(1), Nominator())
        self.pods: dict[str, PodInfo] = {}

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command.replace("-", "_"))(case))

    def node(self, case: Case) -> str:
        more = yaml.safe_load(case.input) if case.input else None
        for name in case.args:
            self.cache.set_node(make_node(name, more, **case.options))
        return ""

    def remove_node(self, case: Case) -> str:
        self.cache.remove_node(case.args[0])
        return ""

    def pod(self, case: Case) -> str:
        options = dict(case.options)
        node, owner, app = (options.pop(key, "") for key in ("on", "owner", "app"))
        priority = int(options.pop("priority", "0"))
        for name in case.args:
            pod = make_pod(name, yaml.safe_load(case.input) if case.input else None, **options)
            pod["spec"].setdefault("priority", priority)
            if app:
                pod["metadata"]["labels"] = {"app": app}
            if owner:
                reference = {"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": True}
                pod["metadata"]["ownerReferences"] = [reference]
            if node:
                pod["spec"]["nodeName"] = node
                self.cache.set_pod(PodInfo.of(pod))
            self.pods[name] = PodInfo.of(pod)
        return ""

    def delete(self, case: Case) -> str:
        for name in case.args:
            self.cache.remove_pod(self.pods[name].uid)
        return ""

    def schedule(self, case: Case) -> str:
        """Schedule pods one after another, each assumed where it goes."""
        return "\n".join(f"{name}: {self._schedule(name)}" for name in case.args)

    def preempt(self, case: Case) -> str:
        """Who would have to go for a pod that fits nowhere; it is promised the node."""
        pod = self.pods[case.args[0]]
        nodes = self.cache.cluster_snapshot()
        outcome = self.cycle.schedule(pod, nodes)
        assert not isinstance(outcome, Scheduled), f"{pod.name} fits on {outcome.node_name}"
        result = preempt(self.framework, pod, nodes, outcome.diagnosis)
        if isinstance(result, Preemption):
            self.cycle.nominator.nominate(pod, result.node_name)
            return f"{result.node_name}: {' '.join(victim.name for victim in result.victims)}"
        outcome.diagnosis.post_filter = result
        return outcome.diagnosis.message()

    def filter(self, case: Case) -> str:
        """Each node's verdict on a pod."""
        pod = self.pods[case.args[0]]
        nodes = self.cache.cluster_snapshot()
        run = self.framework.pre_filter({}, pod, nodes)
        if isinstance(run, Verdict):
            return f"{run.plugin}: {', '.join(run.reasons)}"
        return "\n".join(f"{node.name}: {show(run.check(node))}" for node in nodes)

    def score(self, case: Case) -> str:
        """Each plug-in's scores of all nodes, those without an opinion left out."""
        pod = self.pods[case.args[0]]
        nodes = self.cache.cluster_snapshot()
        state: dict[str, Any] = {}
        self.framework.pre_filter(state, pod, nodes)
        lines = []
        for entry in plugins(Volumes()):
            if isinstance(entry.plugin, Score) and (scores := entry.plugin.score(state, pod, nodes)):
                pairs = zip(nodes, scores)
                shown = " ".join(f"{node.name}={value:.1f}" for node, value in pairs)
                lines.append(f"{entry.plugin.name} x{entry.weight}: {shown}")
        return "\n".join(lines)

    def _schedule(self, name: str) -> str:
        pod = self.pods[name]
        outcome = self.cycle.schedule(pod, self.cache.cluster_snapshot())
        if not isinstance(outcome, Scheduled):
            return outcome.diagnosis.message()
        placed = merge(pod.pod, {"spec": {"nodeName": outcome.node_name}})
        self.cache.assume(PodInfo.of(placed))
        return outcome.node_name


def show(verdict: Verdict) -> str:
    if not verdict.is_refusal:
        return "yes"
    return f"no, {verdict.plugin} ({verdict.code.name.lower()}): {', '.join(verdict.reasons)}"
