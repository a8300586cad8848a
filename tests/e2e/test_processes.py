"""Every process: it says how it is, only to those it knows, and ends when asked to."""

from __future__ import annotations

import asyncio
import signal
import ssl

import httpx
import pytest

from deploy import control, state
from deploy.ending import wait_ended
from deploy.processes import processes
from kube.base import tls
from tests.support.cluster import OTHER_STORE, Cluster
from tests.support.wait import until, until_async

pytestmark = pytest.mark.e2e

HEALTH = ("/healthz", "/readyz", "/metrics")
# Of Debian's members.
ETCD_HEALTH, ETCD_SIGTERM = ("/health", "/metrics"), -signal.SIGTERM
EVERYONE = (
    *(f"etcd-{index}" for index in range(3)),
    *(f"{name}-{index}" for name in ("apiserver", "controller-manager", "scheduler") for index in range(2)),
    *(f"kubelet-node{number}" for number in (1, 2, 3)),
    "proxy-0",
    "metrics-server",
)
# These ask the one who calls, instead of the connection, who he is.
ASKING = ("apiserver", "kubelet", "metrics-server")


def is_foreign(name: str) -> bool:
    """True for a member that is not ours."""
    return bool(OTHER_STORE) and name.startswith("etcd-")


def health_url(cluster: Cluster, name: str) -> str:
    record = state.load_record(cluster.data_dir)
    assert record is not None
    return next(each.health_url for each in processes(record.topology, cluster.layout) if each.name == name)


def client(cluster: Cluster, name: str, *, known: bool) -> httpx.Client:
    """A client that trusts the process, and shows it a certificate or none."""
    layout = cluster.layout
    ca, identity = ("etcd-ca", "etcd-client") if name.startswith("etcd-") else ("ca", "admin")
    pair = (str(layout.cert(identity)), str(layout.key(identity))) if known else (None, None)
    return httpx.Client(verify=tls.client_context(str(layout.cert(ca)), *pair), trust_env=False)


@pytest.mark.parametrize("name", EVERYONE)
def test_it_says_how_it_is(cluster: Cluster, name: str) -> None:
    paths = ETCD_HEALTH if is_foreign(name) else HEALTH
    with client(cluster, name, known=True) as http:
        answers = {path: http.get(health_url(cluster, name) + path) for path in paths}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 200)
    assert "# TYPE " in answers["/metrics"].text


@pytest.mark.parametrize("component", ["controller-manager", "scheduler"])
def test_one_of_two_leads_and_says_so(cluster: Cluster, component: str) -> None:
    leads = f'leader_election_master_status{{name="kube-{component}"}}'

    def says(index: int) -> str:
        name = f"{component}-{index}"
        with client(cluster, name, known=True) as http:
            return http.get(health_url(cluster, name) + "/metrics").text

    def statuses() -> list[str]:
        lines = [line for index in range(2) for line in says(index).splitlines()]
        return sorted(line.rpartition(" ")[2] for line in lines if line.startswith(leads))

    until("one of them leads", lambda: statuses() == ["0.0", "1.0"])


def test_the_leading_manager_tells_of_its_queues(cluster: Cluster) -> None:
    cluster.kubectl("create", "deployment", "counted", "--image=nginx:1.27.0")

    def counts() -> bool:
        texts = []
        for index in range(2):
            name = f"controller-manager-{index}"
            with client(cluster, name, known=True) as http:
                texts.append(http.get(health_url(cluster, name) + "/metrics").text)
        lines = dict(line.rpartition(" ")[::2] for line in "\n".join(texts).splitlines())
        keys = ("adds_total", "work_duration_seconds_count", "queue_duration_seconds_count")
        return all(float(lines.get(f'workqueue_{key}{{name="deployment"}}', "0")) >= 1 for key in keys)

    until("the queue of Deployments has been used", counts)
    cluster.kubectl("delete", "deployment", "counted")


@pytest.mark.parametrize("name", [name for name in EVERYONE if not name.startswith(ASKING)])
def test_it_does_not_talk_to_strangers(cluster: Cluster, name: str) -> None:
    with client(cluster, name, known=False) as http, pytest.raises((httpx.TransportError, ssl.SSLError)):
        http.get(health_url(cluster, name) + "/metrics")


def test_the_api_server_refuses_anonymous_requests(cluster: Cluster) -> None:
    with client(cluster, "apiserver-0", known=False) as http:
        base = health_url(cluster, "apiserver-0")
        for path in ("/api/v1/namespaces/default/pods", "/apis/apps/v1/deployments", "/metrics"):
            assert http.get(base + path).status_code in (401, 403), path
        assert http.get(base + "/healthz").status_code == 200


def test_a_kubelet_wants_to_know_who_asks(cluster: Cluster) -> None:
    with client(cluster, "kubelet-node1", known=False) as http:
        for path in ("/pods", "/metrics", "/containerLogs/default/web/c", "/stats/summary"):
            answer = http.get(health_url(cluster, "kubelet-node1") + path)
            assert (answer.status_code, answer.text) == (401, "Unauthorized"), path


def test_the_metrics_server_wants_to_know_who_asks(cluster: Cluster) -> None:
    with client(cluster, "metrics-server", known=False) as http:
        for path in ("/apis/metrics.k8s.io/v1beta1/nodes", "/apis", "/metrics"):
            assert http.get(health_url(cluster, "metrics-server") + path).status_code == 401, path


def test_components_may_do_their_own_work_only(cluster: Cluster) -> None:
    kubeconfig = str(cluster.layout.kubeconfig("scheduler"))
    answer = cluster.run("kubectl", "--kubeconfig", kubeconfig, "get", "secrets", "-A", check=False)
    assert answer.returncode == 1
    assert "Forbidden" in answer.stderr
    assert "system:kube-scheduler" in answer.stderr


async def test_sigterm_ends_each_cleanly(own_cluster: Cluster) -> None:
    """Not one after the other: a process that waits for another's return must end as well."""
    old = {name: own_cluster.kill(name, signal.SIGTERM) for name in reversed(EVERYONE)}
    async with asyncio.timeout(30):
        await asyncio.gather(*(wait_ended(identity) for identity in old.values()))

    async def codes() -> dict[str, int | None]:
        answer = await control.ask(own_cluster.layout.run, "status")
        assert answer is not None
        return {each["name"]: each["lastExitCode"] for each in answer["processes"]}

    async def all_known() -> bool:
        return None not in (await codes()).values()

    await until_async("all exit codes are known", all_known)
    assert await codes() == {name: ETCD_SIGTERM if is_foreign(name) else 0 for name in EVERYONE}
    until("all run again", lambda: set(EVERYONE) <= set(own_cluster.running()))
    own_cluster.launcher("up")
