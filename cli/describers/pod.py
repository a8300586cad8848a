"""Core: the description of a Pod.

After: k8s staging/src/k8s.io/kubectl/pkg/describe/describe.go, describePod.
"""

from __future__ import annotations

from cli.describers.containers import write_containers, write_scheduling, write_volumes
from cli.describers.text import NONE, Writer, timestamp
from cli.describers.view import View
from kube.api import meta


def write(out: Writer, view: View) -> None:
    """A pod from its name to its tolerations."""
    pod = view.object
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    out.field("Name", meta.name(pod))
    out.field("Namespace", meta.namespace(pod))
    out.field("Priority", spec.get("priority", 0))
    if spec.get("priorityClassName"):
        out.field("Priority Class Name", spec["priorityClassName"])
    out.field("Service Account", spec.get("serviceAccountName", ""))
    out.field("Node", f"{spec['nodeName']}/{status.get('hostIP', '')}" if spec.get("nodeName") else NONE)
    if status.get("startTime"):
        out.field("Start Time", timestamp(status["startTime"]))
    out.mapping("Labels", meta.labels(pod), "=")
    out.annotations(pod)
    _write_phase(out, view)
    out.field("IP", status.get("podIP", ""))
    addresses = status.get("podIPs") or []
    out.line("IPs:" if addresses else f"IPs:\t{NONE}")
    for address in addresses:
        out.field("IP", address["ip"], 1)
    if owner := meta.controller_of(pod):
        out.field("Controlled By", f"{owner['kind']}/{owner['name']}")
    if spec.get("initContainers"):
        statuses = status.get("initContainerStatuses") or []
        write_containers(out, "Init Containers", spec["initContainers"], statuses, 0)
    write_containers(
        out, "Containers", spec.get("containers") or [], status.get("containerStatuses") or [], 0
    )
    if status.get("conditions"):
        out.line("Conditions:")
        out.line("Type\tStatus", 1)
        for condition in status["conditions"]:
            out.line(f"{condition['type']} \t{condition['status']} ", 1)
    write_volumes(out, spec.get("volumes") or [], 0)
    if status.get("qosClass"):
        out.field("QoS Class", status["qosClass"])
    write_scheduling(out, spec)


def _write_phase(out: Writer, view: View) -> None:
    pod = view.object
    if meta.is_terminating(pod):
        grace = meta.get(pod, "metadata", "deletionGracePeriodSeconds", default=0)
        out.field("Status", f"Terminating (lasts {view.age(pod['metadata']['deletionTimestamp'])})")
        out.field("Termination Grace Period", f"{grace}s")
    else:
        out.field("Status", meta.get(pod, "status", "phase", default=""))
    for key in ("reason", "message"):
        if text := meta.get(pod, "status", key):
            out.field(key.capitalize(), text)
