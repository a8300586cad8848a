"""How many pods a second does the scheduler's core place on 1,000 nodes?

    python -P benchmarks/scheduler_cycle.py [nodes] [pods]

Measures the processor time of scheduling cycles alone: no API server, no binding. A tenth of the nodes is
tainted, so that filters have something to refuse; the pods belong to ten ReplicaSets, so that spreading has
something to count.
"""

from __future__ import annotations

import random
import sys
import time

from kube.api.meta import Object
from scheduler.cache import Cache
from scheduler.framework.framework import Framework
from scheduler.framework.pod_info import PodInfo
from scheduler.framework.volumes import Volumes
from scheduler.nominator import Nominator
from scheduler.plugins.registry import plugins
from scheduler.schedule_one import Cycle, Scheduled


def make_node(i: int) -> Object:
    taints = [{"key": "spare", "effect": "NoSchedule"}] if i % 10 == 0 else []
    room = {"cpu": "32", "memory": "64Gi", "pods": "110"}
    metadata = {"name": f"node{i}", "labels": {"kubernetes.io/hostname": f"node{i}"}}
    return {"metadata": metadata, "spec": {"taints": taints}, "status": {"allocatable": room}}


def make_pod(i: int) -> Object:
    owner = {"kind": "ReplicaSet", "name": f"rs{i % 10}", "uid": f"rs{i % 10}", "controller": True}
    metadata = {"name": f"pod{i}", "namespace": "default", "uid": f"pod{i}", "ownerReferences": [owner]}
    resources = {"requests": {"cpu": "100m", "memory": "128Mi"}}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "resources": resources}]}}


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    pods = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    cache, framework = Cache(), Framework(plugins(Volumes()))
    cycle = Cycle(framework, random.Random(1), Nominator())
    for i in range(nodes):
        cache.set_node(make_node(i))
    began = time.process_time()
    for i in range(pods):
        pod = make_pod(i)
        outcome = cycle.schedule(PodInfo.of(pod), cache.cluster_snapshot())
        assert isinstance(outcome, Scheduled)
        cache.assume(PodInfo.of({**pod, "spec": {**pod["spec"], "nodeName": outcome.node_name}}))
    seconds = time.process_time() - began
    print(f"{pods} pods on {nodes} nodes: {pods / seconds:.0f} pods/s, {seconds / pods * 1000:.2f} ms each")


if __name__ == "__main__":
    main()
