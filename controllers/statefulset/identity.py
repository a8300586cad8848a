"""Core: who a pod of a StatefulSet is: its ordinal, its name, its labels, the pod that is made for it.

    web-2   <- the name is `<set>-<ordinal>`; the ordinals of a set run from spec.ordinals.start

The pod's name is also its hostname, under the set's service as its subdomain. A pod's revision is in its
label, as the revision's name.

After: k8s pkg/controller/statefulset/stateful_set_utils.go.
"""

from __future__ import annotations

import re

from controllers import revisions
from controllers.statefulset.claims import volumes
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import STATEFUL_SETS

REVISION = "controller-revision-hash"
POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"
NAME = re.compile(r"(.*)-([0-9]+)")


def ordinal(stateful_set: Object, pod: Object) -> int | None:
    """The pod's place in the set; None when its name is not one that this set gives."""
    matched = NAME.fullmatch(meta.name(pod))
    if matched is None or matched[1] != meta.name(stateful_set):
        return None
    found = int(matched[2])
    return found if matched[2] == str(found) else None


def replicas(stateful_set: Object) -> int:
    """How many pods are wanted."""
    return int(meta.get(stateful_set, "spec", "replicas", default=1))


def start_ordinal(stateful_set: Object) -> int:
    """The ordinal of the first pod."""
    return int(meta.get(stateful_set, "spec", "ordinals", "start", default=0))


def ordinals(stateful_set: Object) -> range:
    """The ordinals that the set is to have pods for."""
    start = start_ordinal(stateful_set)
    return range(start, start + replicas(stateful_set))


def pod_name(stateful_set: Object, place: int) -> str:
    """The name of the pod with an ordinal."""
    return f"{meta.name(stateful_set)}-{place}"


def revision_of(pod: Object) -> str:
    """The name of the revision that the pod was made from."""
    return meta.labels(pod).get(REVISION, "")


def identity_labels(stateful_set: Object, place: int) -> dict[str, str]:
    """The labels that tell a pod from its siblings."""
    return {POD_NAME: pod_name(stateful_set, place), POD_INDEX: str(place)}


def pod_for(stateful_set: Object, revision: Object, place: int) -> Object:
    """The pod with an ordinal, made from the template of a revision."""
    template = revisions.template_of(revision)
    given = template.get("metadata") or {}
    metadata = {part: given[part] for part in ("annotations", "finalizers") if given.get(part)}
    name = pod_name(stateful_set, place)
    metadata |= {
        "name": name,
        "namespace": meta.namespace(stateful_set),
        "labels": {
            **(given.get("labels") or {}),
            **identity_labels(stateful_set, place),
            REVISION: meta.name(revision),
        },
        "ownerReferences": [meta.owner_reference(stateful_set, STATEFUL_SETS)],
    }
    spec = {**(template.get("spec") or {}), "hostname": name}
    service = meta.get(stateful_set, "spec", "serviceName", default="")
    if service:
        spec["subdomain"] = service
    mounted = volumes(stateful_set, place, spec.get("volumes") or [])
    if mounted:
        spec["volumes"] = mounted
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
