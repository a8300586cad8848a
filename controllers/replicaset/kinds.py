"""Core: the two kinds that one controller serves, and where they differ.

A ReplicationController is a ReplicaSet with a plainer selector: a map of labels instead of a LabelSelector.
After: k8s pkg/controller/replication/replication_controller.go, which wraps the ReplicaSet controller too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import REPLICA_SETS, REPLICATION_CONTROLLERS, Resource


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind that owns pods: its resource, the names of its Events and its queue, and how its selector is
    read.
    """

    resource: Resource
    component: str
    queue: str
    selector: Callable[[Object], Selector]


REPLICA_SET = Kind(
    REPLICA_SETS,
    "replicaset-controller",
    "replicaset",
    lambda o: Selector.from_label_selector(meta.get(o, "spec", "selector")),
)
REPLICATION_CONTROLLER = Kind(
    REPLICATION_CONTROLLERS,
    "replication-controller",
    "replicationmanager",
    lambda o: Selector.from_set(meta.get(o, "spec", "selector", default={})),
)
