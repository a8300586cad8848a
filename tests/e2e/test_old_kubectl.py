"""Debian's kubectl, which is of 1.20: it validates, merges and explains by OpenAPI v2, read as protobuf."""

from __future__ import annotations

import pytest

from tests.support.cluster import Cluster
from tests.support.debian import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

# Put there by tests/run: the package would be in the way of a newer kubectl if it were installed.
PROGRAM = ROOT / "usr" / "bin" / "kubectl"
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: nginx
        ports: [{containerPort: 80}]
        livenessProbe: {httpGet: {path: /, port: 80}}
"""


class OldKubectl:
    """The old client, in a namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def __call__(self, *words: str, stdin: str | None = None, code: int = 0) -> str:
        run = self.cluster.run(str(PROGRAM), "-n", self.namespace, *words, stdin=stdin, check=False)
        assert run.returncode == code, run.stdout + run.stderr
        return run.stdout + run.stderr


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> OldKubectl:
    return OldKubectl(cluster, namespace)


def test_it_applies_what_changed(kubectl: OldKubectl) -> None:
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    assert kubectl("rollout", "status", "deployment", "web", "--timeout=60s").endswith("rolled out\n")
    assert kubectl("apply", "-f", "-", stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    more = DEPLOYMENT.replace("replicas: 1", "replicas: 2")
    assert "+  replicas: 2" in kubectl("diff", "-f", "-", stdin=more, code=1)
    assert kubectl("apply", "-f", "-", stdin=more) == "deployment.apps/web configured\n"
    assert kubectl("rollout", "status", "deployment", "web", "--timeout=60s").endswith("rolled out\n")
    assert kubectl("get", "pods", "--no-headers").count("Running") == 2
    assert "2 desired | 2 updated" in kubectl("describe", "deployment", "web")
    assert kubectl("delete", "deployment", "web") == 'deployment.apps "web" deleted\n'


def test_it_refuses_what_it_does_not_know(kubectl: OldKubectl) -> None:
    wrong = DEPLOYMENT.replace("replicas", "replicaz")
    said = kubectl("create", "-f", "-", stdin=wrong, code=1)
    assert 'unknown field "replicaz" in io.k8s.api.apps.v1.DeploymentSpec' in said
    assert kubectl("create", "--dry-run=server", "-f", "-", stdin=DEPLOYMENT).endswith("(server dry run)\n")


def test_it_explains(kubectl: OldKubectl) -> None:
    said = kubectl("explain", "deployment.spec.strategy.rollingUpdate.maxSurge")
    assert said.startswith("KIND:     Deployment\nVERSION:  apps/v1\n\nFIELD:    maxSurge <string>\n")
    assert "containerPort\t<integer> -required-" in kubectl("explain", "pod.spec.containers.ports")
