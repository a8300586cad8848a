"""kl and kubectl on one cluster: the same commands, the same output."""

from __future__ import annotations

import re
import shlex
import sys
from functools import partial

import pytest

from tests.e2e.test_walk import MANIFEST, ready_pods
from tests.support.cluster import Cluster
from tests.support.wait import until

pytestmark = pytest.mark.e2e

# Reads only, of what stands still.
READS = (
    "get pods",
    "get pods -o wide",
    "get pods,deploy,rs",
    "get pods -A -l app=nginx",
    "get nodes --sort-by=.metadata.name",
    "get deploy nginx -o yaml",
    "get deploy nginx -o json",
    "get pods -o name",
    "get pods -o yaml",
    "get pods -o jsonpath={.items[*].metadata.name}",
    "get pods -o 'jsonpath={range .items[*]}{.status.phase}{\"\\n\"}{end}'",
    "get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[*].image,NO:.nothing",
    "get pods --field-selector=status.phase=Pending",
    "get pods nothing",
    "describe deploy nginx",
    "rollout status deploy/nginx",
    "rollout history deploy/nginx",
    "rollout history deploy/nginx --revision=1",
    "rollout undo deploy/nginx",
    "wait deploy/nginx --for=condition=Available",
    "wait deploy/nginx --for=condition=Nonsense --timeout=1s",
    "logs deploy/nginx --tail=1",
    "label pods -l app=nginx missing-",
)
# kubectl 1.32 does not tell of appProtocol and trafficDistribution yet.
SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: lb, labels: {a: b}, annotations: {note: "two\\nlines", long: %s}}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  externalIPs: [10.99.0.9, 10.99.0.10]
  loadBalancerSourceRanges: [127.0.0.0/8, 10.0.0.0/8]
  selector: {app: nobody}
  ports: [{name: http, port: 80}, {name: more, port: 81, targetPort: web}]
---
apiVersion: v1
kind: Service
metadata: {name: far}
spec: {type: ExternalName, externalName: example.com}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {clusterIP: None, sessionAffinity: ClientIP, selector: {app: db}, ports: [{port: 5432}]}
""" % ("x" * 150)
# Changes: kl carries out the first of each pair, kubectl the second; both say the same but for the name.
CHANGES = (
    "apply -f -",
    "apply -f -",
    "set image deploy/NAME nginx=nginx:1.28",
    "rollout status deploy/NAME",
    "rollout pause deploy/NAME",
    "rollout pause deploy/NAME",
    "rollout resume deploy/NAME",
    "rollout restart deploy/NAME",
    "rollout undo deploy/NAME",
    "label deploy NAME tier=web",
    "label deploy NAME tier=web",
    "label deploy NAME tier=other",
    "label deploy NAME tier-",
    "scale deploy NAME --replicas=0",
    "expose deploy NAME --port=80 --type=NodePort",
    "expose deploy NAME --port=80",
    "get svc NAME -o jsonpath={.spec.ports[0].port}{.spec.selector}",
    "delete svc NAME",
    "delete -f -",
    "delete deploy NAME",
)


def spoken(cluster: Cluster, program: str, namespace: str, command: str, stdin: str | None = None) -> str:
    """What a program says, on both channels, and how it ends; ages made equal."""
    start = [sys.executable, "-P", "-m", "cli"] if program == "kl" else [program]
    words = shlex.split(command)
    done = cluster.run(*start, *words, "-n", namespace, stdin=stdin, check=False)
    return f"{without_ages(done.stdout)}{done.stderr}exit {done.returncode}"


def without_ages(text: str) -> str:
    """Ages and the widths they cause differ between two calls."""
    return re.sub(r"  +", "  ", re.sub(r"\b(\d+[smhd])+\b", "AGE", text))


@pytest.fixture
def nginx(cluster: Cluster, namespace: str) -> str:
    cluster.kl("create", "-n", namespace, "-f", "-", stdin=MANIFEST)
    cluster.kl("rollout", "status", "deploy/nginx", "-n", namespace)
    until("the pod is ready", partial(ready_pods, cluster, namespace, 1))
    return namespace


def test_what_kl_reads_it_says_as_kubectl_does(cluster: Cluster, nginx: str) -> None:
    for command in READS:
        ours = spoken(cluster, "kl", nginx, command)
        assert ours == spoken(cluster, "kubectl", nginx, command), command
    events = [sorted(spoken(cluster, each, nginx, "events").splitlines()) for each in ("kl", "kubectl")]
    assert events[0] == events[1]


def test_services_are_described_as_kubectl_describes_them(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("apply", "-n", namespace, "-f", "-", stdin=SERVICES)
    until("an address", lambda: "Ensured" in spoken(cluster, "kubectl", namespace, "describe svc lb"))
    for name in ("lb", "far", "db"):
        command = f"describe svc {name}"
        assert spoken(cluster, "kl", namespace, command) == spoken(cluster, "kubectl", namespace, command)


def test_what_kl_changes_it_tells_as_kubectl_does(cluster: Cluster, namespace: str) -> None:
    names = {"kl": "ours", "kubectl": "real"}
    for command in CHANGES:
        said = {}
        for program, name in names.items():
            stdin = MANIFEST.replace("{name: nginx}", f"{{name: {name}}}").replace(
                "app: nginx", f"app: {name}"
            )
            words = command.replace("NAME", name)
            text = spoken(cluster, program, namespace, words, stdin if words.endswith("-f -") else None)
            # How many steps a rollout is seen to take is a matter of chance.
            last = text.splitlines()[-2:] if "status" in words else text.splitlines()
            said[program] = "\n".join(last).replace(name, "NAME").replace('"STDIN"', "stdin")
        assert said["kl"] == said["kubectl"], command


def test_edit_sends_what_the_editor_changed(cluster: Cluster, nginx: str) -> None:
    for editor, said in (
        ("true", "Edit cancelled, no changes made.\n"),
        ("sed -i s/nginx:1.27.0/nginx:1.28/", "deployment.apps/nginx edited\n"),
    ):
        done = cluster.run(
            sys.executable,
            "-P",
            "-m",
            "cli",
            "edit",
            "deploy",
            "nginx",
            "-n",
            nginx,
            EDITOR=editor,
            KUBE_EDITOR=editor,
        )
        assert done.stdout + done.stderr == said
    image = "jsonpath={.spec.template.spec.containers[0].image}"
    assert cluster.kl("get", "deploy", "nginx", "-n", nginx, "-o", image) == "nginx:1.28"
