"""kubectl, and a policy of the documentation: as many replicas as the namespace's ConfigMap says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

POLICY = """
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - apiGroups: [apps]
      apiVersions: [v1]
      operations: [CREATE, UPDATE]
      resources: [deployments, deployments/scale]
  validations:
  - expression: object.spec.replicas <= int(params.data.most)
    messageExpression: "'at most ' + params.data.most + ' replicas'"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec:
  policyName: NAME
  validationActions: [Deny]
  paramRef: {name: limit, parameterNotFoundAction: Deny}
  matchResources:
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}
"""


def test_a_limit_of_replicas(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    def refusal(*words: str) -> str:
        return cluster.run("kubectl", *words, "-n", namespace, check=False).stderr

    def create(replicas: int) -> str:
        wanted = ("deployment", "web", "--image=i", f"--replicas={replicas}", "--dry-run=server")
        return refusal("create", *wanted)

    written = tmp_path / "policy.yaml"
    written.write_text(POLICY.replace("NAME", namespace).replace("<=", "<"))
    cluster.kubectl("create", "configmap", "limit", "--from-literal=most=3", "-n", namespace)
    cluster.kubectl("apply", "-f", str(written))
    written.write_text(POLICY.replace("NAME", namespace))
    cluster.kubectl("apply", "-f", str(written))
    denied = f"ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}' denied request: "
    denied += "at most 3 replicas\n"
    # Two API servers hear of it, each in its time.
    until("one more is refused", lambda: create(4).endswith(denied) and create(4).endswith(denied))
    until("as many as allowed are not", lambda: create(3) == create(3) == "")
    cluster.kubectl("create", "deployment", "web", "--image=i", "--replicas=1", "-n", namespace)
    scaled = ("scale", "deployment", "web", "--replicas=4")
    until("so is a scale", lambda: refusal(*scaled).endswith(denied))
    assert refusal("scale", "deployment", "web", "--replicas=3") == ""
    written.write_text(POLICY.replace("NAME", namespace).replace("params", "parms"))
    wrong = refusal("apply", "-f", str(written))
    assert "undeclared reference to 'parms' (in container '')\n | object.spec.replicas <= int(parms" in wrong
    for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
        cluster.kubectl("delete", kind, namespace)
