"""An autoscaler follows what the pods of a Deployment use, as their annotations say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

# Short patience: what is used now counts, whatever was used a little while ago.
TOPOLOGY = """
etcd: {count: 1}
apiserver: {count: 1}
controller-manager:
  count: 1
  flags:
    horizontal-pod-autoscaler-sync-period: 1s
    horizontal-pod-autoscaler-downscale-stabilization: 3s
scheduler: {count: 1}
kubelet: {nodes: [node1], flags: {container-runtime: fake}}
metrics-server: {count: 1}
"""
USE = "kubelite/cpu-usage"


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[Cluster]:
    (tmp_path / "topology.yaml").write_text(TOPOLOGY)
    cluster = Cluster(tmp_path)
    where = ("--port-base", str(cluster.port_base), "--topology", str(tmp_path / "topology.yaml"))
    cluster.launcher("up", *where)
    try:
        yield cluster
    finally:
        cluster.down()
    assert cluster.leftovers() == []


def replicas(cluster: Cluster) -> int:
    return int(cluster.kubectl("get", "deployment", "web", "-o", "jsonpath={.spec.replicas}"))


def current(cluster: Cluster) -> int:
    """What the autoscaler says that there are."""
    return int(cluster.kubectl("get", "hpa", "web", "-o", "jsonpath={.status.currentReplicas}"))


def use(cluster: Cluster, amount: str) -> None:
    """All pods use so much from now on."""
    cluster.kubectl("annotate", "pods", "-l", "app=web", "--overwrite", f"{USE}={amount}")


def measured(cluster: Cluster) -> int:
    """Of how many pods the metrics server tells what they use."""
    path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=app%3Dweb"
    return len(json.loads(cluster.kubectl("get", "--raw", path))["items"])


def test_replicas_follow_what_pods_use(hasty: Cluster) -> None:
    hasty.kubectl("create", "deployment", "web", "--image=nginx:1.27.0", "--replicas=2")
    hasty.kubectl("set", "resources", "deployment", "web", "--requests=cpu=200m")
    hasty.kubectl("rollout", "status", "deployment", "web")
    use(hasty, "400m")
    # An autoscaler that finds no figures says so each time it looks, until its events are no longer taken.
    until("the pods are measured", lambda: measured(hasty) == 2)
    hasty.kubectl("autoscale", "deployment", "web", "--min=1", "--max=4", "--cpu-percent=50")
    until("it has grown to its bounds", lambda: replicas(hasty) == 4)
    hasty.kubectl("wait", "--for=condition=ScalingLimited", "hpa/web", "--timeout=60s")
    described = hasty.kubectl("describe", "hpa", "web")
    assert "New size: 4; reason: cpu resource utilization (percentage of request) above target" in described
    assert "the desired replica count is more than the maximum replica count" in described
    hasty.kubectl("rollout", "status", "deployment", "web")
    use(hasty, "1m")
    until("it has shrunk", lambda: replicas(hasty) == 1)
    until("its status says so", lambda: current(hasty) == 1)
    assert "All metrics below target" in hasty.kubectl("describe", "hpa", "web")
