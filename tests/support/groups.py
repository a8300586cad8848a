"""Which tests stay together when they run in several processes, and which of those begin first.

The tests that share one cluster stay together; all others stay together by file. Those that start clusters of
their own do so beside each other, for each process has a network of its own (tests/conftest.py), and with it
its own cluster numbers, ports and addresses. Where it has none, they, too, take turns with the shared one.
"""

from __future__ import annotations

from tests.support import namespace

FOLDERS = ("tests/e2e/", "tests/deploy/")
# What in them shares no cluster.
APART = (
    "tests/deploy/",
    *(
        f"tests/e2e/test_{name}.py"
        for name in (
            "any_etcd",
            "autoscaling",
            "cluster_verbs",
            "docker_node",
            "everything_is_killed",
            "faults",
            "node_loss",
            "process_node",
            "random_kills",
            "runtimes",
        )
    ),
)
SHARED = "the shared cluster"
# What takes longest begins first.
LONGEST = (
    SHARED,
    "tests/e2e/test_everything_is_killed.py",
    "tests/e2e/test_cluster_verbs.py",
    "tests/controllers/test_crashes.py",
    "tests/e2e/test_faults.py",
    "tests/e2e/test_runtimes.py",
    "tests/proxy/test_many_services.py",
    "tests/sim/test_sim.py",
    "tests/etcdlite/test_cluster.py",
    "tests/etcdlite/test_history.py",
    "tests/e2e/test_node_loss.py",
    "tests/e2e/test_random_kills.py",
    "tests/kubelet/test_docker_runtime.py",
    "tests/e2e/test_any_etcd.py",
    "tests/e2e/test_autoscaling.py",
)


def group(nodeid: str) -> str:
    """The name of a test's group: its file, if it shares no cluster."""
    path = nodeid.partition("::")[0]
    is_apart = path.startswith(APART) and namespace.may_be_made()
    return SHARED if path.startswith(FOLDERS) and not is_apart else path


def place(nodeid: str) -> int:
    """Where its group stands among those that take longest; behind them, if it is none of them."""
    name = group(nodeid)
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)
