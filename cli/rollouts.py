"""Core: how far a rollout is, in kubectl's words, and what was before it.

    (words, finished) = status(object)       what to say now, and whether that was the last of it

and what it was: a Deployment keeps its revisions in ReplicaSets, the others in ControllerRevisions.

After: k8s staging/src/k8s.io/kubectl/pkg/polymorphichelpers: rollout_status.go, history.go, rollback.go.
"""

from __future__ import annotations

from typing import Any

from cli.errors import CliError
from kube.api import conditions, meta
from kube.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
ROLLING = "RollingUpdate"
UNOBSERVED = {
    "Deployment": "Waiting for deployment spec update to be observed...",
    "DaemonSet": "Waiting for daemon set spec update to be observed...",
    "StatefulSet": "Waiting for statefulset spec update to be observed...",
}


def status(o: Object) -> tuple[str, bool]:
    """What is still awaited; CliError when the rollout has failed."""
    kind = o.get("kind", "")
    if kind not in UNOBSERVED:
        raise CliError(f"no status viewer has been implemented for {kind}")
    if kind != "Deployment" and meta.get(o, "spec", "updateStrategy", "type") != ROLLING:
        raise CliError(f"rollout status is only available for {ROLLING} strategy type")
    if meta.generation(o) > meta.get(o, "status", "observedGeneration", default=0):
        return UNOBSERVED[kind], False
    if kind == "Deployment":
        return _deployment(o)
    return _daemon_set(o) if kind == "DaemonSet" else _stateful_set(o)


def _deployment(o: Object) -> tuple[str, bool]:
    name, now = meta.name(o), o.get("status") or {}
    progressing = conditions.find(o, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        raise CliError(f'deployment "{name}" exceeded its progress deadline')
    wanted, updated = o["spec"].get("replicas", 1), now.get("updatedReplicas", 0)
    total, available = now.get("replicas", 0), now.get("availableReplicas", 0)
    waiting = f'Waiting for deployment "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{waiting}{total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{waiting}{available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(o: Object) -> tuple[str, bool]:
    name, now = meta.name(o), o.get("status") or {}
    wanted, updated = now.get("desiredNumberScheduled", 0), now.get("updatedNumberScheduled", 0)
    available = now.get("numberAvailable", 0)
    waiting = f'Waiting for daemon set "{name}" rollout to finish: '
    if updated < wanted:
        return f"{waiting}{updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{waiting}{available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(o: Object) -> tuple[str, bool]:
    now, wanted = o.get("status") or {}, o["spec"].get("replicas", 1)
    ready, updated = now.get("readyReplicas", 0), now.get("updatedReplicas", 0)
    revision = now.get("updateRevision", "")
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    rolling = meta.get(o, "spec", "updateStrategy", "rollingUpdate")
    if rolling is not None:
        new = wanted - (rolling.get("partition") or 0)
        if updated < new:
            told = f"{updated} out of {new} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {told}", False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if revision != now.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision {revision}...",
            False,
        )
    done = now.get("currentReplicas", 0)
    return f"statefulset rolling update complete {done} pods at revision {revision}...", True


def revisions(owner: Object, kept: list[Object]) -> dict[int, Object]:
    """What an owner went through, by revision: of ReplicaSets, or of ControllerRevisions, those it owns."""
    numbered = {_number(each): each for each in kept if meta.is_controlled_by(each, owner)}
    return {number: numbered[number] for number in sorted(numbered) if number}


def _number(kept: Object) -> int:
    return int(kept["revision"] if "data" in kept else meta.annotations(kept).get(REVISION, 0))


def shown_template(kept: Object) -> Object:
    """The pod template that was kept."""
    if "data" not in kept:
        template: Object = kept["spec"]["template"]
        return template
    return {part: value for part, value in kept["data"]["spec"]["template"].items() if part != "$patch"}


def template_of(kept: Object) -> Object:
    """The pod template as its owner had it, without the hash that tells ReplicaSets apart."""
    template: Object = meta.deep_copy(shown_template(kept))
    template.get("metadata", {}).get("labels", {}).pop("pod-template-hash", None)
    return template


def earlier(known: dict[int, Object], wanted: int, o: Object) -> Object:
    """The wanted revision, or the one before the latest."""
    if wanted and wanted not in known:
        raise CliError(f"unable to find specified revision {wanted} in history")
    if not wanted and len(known) < 2:
        if o.get("kind") == "Deployment":
            raise CliError(f'no rollout history found for deployment "{meta.name(o)}"')
        raise CliError("no last revision to roll back to")
    return known[wanted or list(known)[-2]]


def undoing(kept: Object) -> tuple[Any, str]:
    """The patch that brings a revision back, and its form; a ControllerRevision is one itself."""
    if "data" in kept:
        return kept["data"], "strategic"
    return [{"op": "replace", "path": "/spec/template", "value": template_of(kept)}], "json"


def history(known: dict[int, Object]) -> list[list[str]]:
    """The rows of the list of revisions."""
    causes = [
        [str(number), meta.annotations(each).get(CHANGE_CAUSE) or "<none>"] for number, each in known.items()
    ]
    return [["REVISION", "CHANGE-CAUSE"], *causes]
