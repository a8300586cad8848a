"""Core: the descriptions of Deployments and ReplicaSets.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, describeDeployment and describeReplicaSet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cli.describers.containers import write_containers, write_scheduling, write_volumes
from cli.describers.text import NONE, Writer, timestamp
from cli.describers.view import View
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"


def write_deployment(out: Writer, view: View) -> None:
    """A Deployment with its rollout."""
    deployment = view.object
    spec, status = deployment["spec"], deployment.get("status") or {}
    out.field("Name", meta.name(deployment))
    out.field("Namespace", meta.namespace(deployment))
    out.field("CreationTimestamp", timestamp(meta.get(deployment, "metadata", "creationTimestamp")))
    out.mapping("Labels", meta.labels(deployment), "=")
    out.annotations(deployment)
    out.field("Selector", Selector.from_label_selector(spec.get("selector")))
    counts = (
        (spec.get("replicas", 1), "desired"),
        (status.get("updatedReplicas", 0), "updated"),
        (status.get("replicas", 0), "total"),
        (status.get("availableReplicas", 0), "available"),
        (status.get("unavailableReplicas", 0), "unavailable"),
    )
    out.field("Replicas", " | ".join(f"{count} {what}" for count, what in counts))
    out.field("StrategyType", meta.get(spec, "strategy", "type", default=""))
    out.field("MinReadySeconds", spec.get("minReadySeconds", 0))
    if rolling := meta.get(spec, "strategy", "rollingUpdate"):
        limits = f"{rolling.get('maxUnavailable')} max unavailable, {rolling.get('maxSurge')} max surge"
        out.field("RollingUpdateStrategy", limits)
    write_template(out, spec["template"])
    if conditions := status.get("conditions"):
        out.line("Conditions:")
        out.line("Type\tStatus\tReason", 1)
        out.line("----\t------\t------", 1)
        for each in conditions:
            out.line(f"{each['type']} \t{each['status']}\t{each.get('reason', '')}", 1)
    _write_replica_sets(out, deployment, view.related.get("replicasets", ()))


def _write_replica_sets(out: Writer, deployment: Object, replica_sets: Sequence[Object]) -> None:
    """The old ones that still have pods, and the one of the current revision."""
    owned = [each for each in replica_sets if meta.is_controlled_by(each, deployment)]
    revision = meta.annotations(deployment).get(REVISION)
    new = [each for each in owned if meta.annotations(each).get(REVISION) == revision]
    old = [each for each in owned if each not in new and meta.get(each, "spec", "replicas", default=0)]
    out.field("OldReplicaSets", _list_of(old))
    out.field("NewReplicaSet", _list_of(new))


def _list_of(replica_sets: Sequence[Object]) -> str:
    texts = (
        f"{meta.name(each)} ({meta.get(each, 'status', 'replicas', default=0)}"
        f"/{meta.get(each, 'spec', 'replicas', default=0)} replicas created)"
        for each in replica_sets
    )
    return ", ".join(texts) or NONE


def write_replica_set(out: Writer, view: View) -> None:
    """A ReplicaSet with the states of its pods."""
    replica_set = view.object
    spec, status = replica_set["spec"], replica_set.get("status") or {}
    out.field("Name", meta.name(replica_set))
    out.field("Namespace", meta.namespace(replica_set))
    out.field("Selector", Selector.from_label_selector(spec.get("selector")))
    out.mapping("Labels", meta.labels(replica_set), "=")
    out.annotations(replica_set)
    if owner := meta.controller_of(replica_set):
        out.field("Controlled By", f"{owner['kind']}/{owner['name']}")
    out.field("Replicas", f"{status.get('replicas', 0)} current / {spec.get('replicas', 1)} desired")
    out.field("Pods Status", _pods_status(replica_set, view.related.get("pods", ())))
    write_template(out, spec["template"])
    if conditions := status.get("conditions"):
        out.line("Conditions:")
        out.line("Type\tStatus\tReason", 1)
        out.line("----\t------\t------", 1)
        for each in conditions:
            out.line(f"{each['type']} \t{each['status']}\t{each.get('reason', '')}", 1)


def _pods_status(owner: Object, pods: Sequence[Object]) -> str:
    phases = Counter(
        meta.get(pod, "status", "phase", default="Pending")
        for pod in pods
        if meta.is_controlled_by(pod, owner)
    )
    words = (("Running", "Running"), ("Pending", "Waiting"), ("Succeeded", "Succeeded"), ("Failed", "Failed"))
    return " / ".join(f"{phases[phase]} {word}" for phase, word in words)


def write_template(out: Writer, template: Object) -> None:
    """The pods that are to be made."""
    spec = template["spec"]
    out.line("Pod Template:")
    out.mapping("Labels", meta.labels(template), "=", 1)
    if meta.annotations(template):
        out.annotations(template, 1)
    if spec.get("serviceAccountName"):
        out.field("Service Account", spec["serviceAccountName"], 1)
    if spec.get("initContainers"):
        write_containers(out, "Init Containers", spec["initContainers"], None, 1)
    write_containers(out, "Containers", spec["containers"], None, 1)
    write_volumes(out, spec.get("volumes") or [], 1)
    write_scheduling(out, spec, 1)
