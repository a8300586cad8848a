"""`kl cluster`: what is killed stays dead, what is paused stands still, who is cut off does not lead."""

from __future__ import annotations

import pytest

from tests.support.cluster import OTHER_STORE, Cluster, needs_our_store
from tests.support.wait import until

pytestmark = pytest.mark.e2e


def status(cluster: Cluster) -> dict[str, list[str]]:
    """The words of each row of `kl cluster status`, by name; members' rows begin with `member `."""
    processes, members = cluster.kl("cluster", "status").split("\n\n")[1:]
    rows = {line.split()[0]: line.split() for line in processes.splitlines()[1:]}
    return rows | {f"member {line.split()[0]}": line.split() for line in members.splitlines()[1:]}


def can_write(cluster: Cluster) -> bool:
    written = cluster.run("kubectl", "create", "configmap", "probe", "--dry-run=server", check=False)
    return written.returncode == 0


def test_the_killed_leader_of_the_store_stays_dead_until_it_is_started(own_cluster: Cluster) -> None:
    leader = own_cluster.leader()
    pid = own_cluster.pid(leader)
    said = own_cluster.kl("cluster", "kill", "leader")
    assert said == f"{leader} has been killed (pid {pid}) and stays dead until: kl cluster start {leader}\n"
    if OTHER_STORE:
        # Its members wait an election timeout; who asks meanwhile is told that nobody knows.
        until("another leads", lambda: own_leader(own_cluster) not in (None, leader))
    own_cluster.kubectl("create", "configmap", "written-without-it")
    rows = status(own_cluster)
    assert rows[leader][2:4] == ["Killed", "-"]
    assert rows[f"member {leader}"][1] == "unreachable"
    said = own_cluster.kl("cluster", "start", leader)
    assert said == f"{leader} has been started (pid {own_cluster.pid(leader)})\n"
    until("it has caught up", lambda: status(own_cluster)[f"member {leader}"][5:6] == ["0"])


@needs_our_store
def test_a_member_cut_off_does_not_lead_and_the_rest_goes_on(own_cluster: Cluster) -> None:
    leader = own_cluster.leader()
    others = sorted({"etcd-0", "etcd-1", "etcd-2"} - {leader})
    said = own_cluster.kl("cluster", "partition", leader, ",".join(others))
    sides = f"{leader} on one side and {others[0]} and {others[1]} on the other"
    assert said == f"The links between {sides} are cut until: kl cluster heal\n"
    until("another leads", lambda: own_leader(own_cluster) in others)
    own_cluster.kubectl("create", "configmap", "written-meanwhile")
    rows = status(own_cluster)
    assert rows[f"member {leader}"][6] == ",".join(others)
    assert all(rows[f"member {other}"][6] == leader for other in others)
    assert own_cluster.kl("cluster", "heal") == "All members hear one another again.\n"
    until("it has caught up", lambda: has_caught_up(own_cluster, leader))
    assert "written-meanwhile" in own_cluster.kubectl("get", "configmaps", "-o", "name")


def own_leader(cluster: Cluster) -> str | None:
    rows = status(cluster)
    leaders = [
        name.removeprefix("member ") for name, row in rows.items() if row[1] == "leader" and "member" in name
    ]
    return leaders[0] if len(leaders) == 1 else None


def has_caught_up(cluster: Cluster, member: str) -> bool:
    row = status(cluster)[f"member {member}"]
    return row[1] == "follower" and row[5] == "0"


def test_paused_processes_are_shown_resumed_and_ended(own_cluster: Cluster) -> None:
    own_cluster.kl("cluster", "pause", "scheduler-0", "kubelet-node1")
    rows = status(own_cluster)
    assert (rows["scheduler-0"][2], rows["kubelet-node1"][2]) == ("Paused", "Paused")
    pid = own_cluster.pid("scheduler-0")
    assert own_cluster.kl("cluster", "resume", "scheduler-0") == f"scheduler-0 goes on (pid {pid})\n"
    assert status(own_cluster)["scheduler-0"][2] == "Running"
    own_cluster.kl("cluster", "restart", "kubelet-node1")
    assert status(own_cluster)["kubelet-node1"][2] == "Running"
    keeps_no_new_client_waiting(own_cluster)
    # `down` does not wait for what cannot hear it.
    own_cluster.kl("cluster", "pause", "scheduler-0")
    assert own_cluster.down() == "Everything has been stopped.\n"
    assert own_cluster.leftovers() == []


def keeps_no_new_client_waiting(cluster: Cluster) -> None:
    """An API server that is paused or dead."""
    ask = ["kubectl", "get", "--raw", "/readyz", "--request-timeout=20s"]
    cluster.kl("cluster", "pause", "apiserver-0")
    for _ in range(8):
        assert cluster.run(*ask).stdout == "ok"
    cluster.kl("cluster", "kill", "apiserver-0", "apiserver-1")
    refused = cluster.run(*ask, check=False)
    assert (refused.returncode, "refused" in refused.stderr) == (1, True)
    cluster.kl("cluster", "start", "apiserver-0")
    until("it answers again", lambda: cluster.run(*ask, check=False).stdout == "ok")
