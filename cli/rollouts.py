"""Core: how far a rollout is, in kubectl's words.

    (words, finished) = status(object)       what to say now, and whether that was the last of it

After: k8s staging/src/k8s.io/kubectl/pkg/polymorphichelpers/rollout_status.go.
"""

from __future__ import annotations

from cli.errors import CliError
from kube.api import conditions, meta
from kube.api.meta import Object

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
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
    if revision != now.get("currentRevision"):
        return (
            f"waiting for statefulset rolling update to complete {updated} pods at revision {revision}...",
            False,
        )
    done = now.get("currentReplicas", 0)
    return f"statefulset rolling update complete {done} pods at revision {revision}...", True


def revisions(deployment: Object, replica_sets: list[Object]) -> dict[int, Object]:
    """The ReplicaSets that a Deployment went through, by revision."""
    owned = [each for each in replica_sets if meta.is_controlled_by(each, deployment)]
    numbered = {int(meta.annotations(each).get(REVISION, 0)): each for each in owned}
    return {number: numbered[number] for number in sorted(numbered) if number}


def template_of(replica_set: Object) -> Object:
    """The pod template as the Deployment had it, without the hash that tells ReplicaSets apart."""
    template: Object = meta.deep_copy(replica_set["spec"]["template"])
    template["metadata"].get("labels", {}).pop("pod-template-hash", None)
    return template
