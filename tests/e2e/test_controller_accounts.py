"""Each controller has a ServiceAccount of its own in kube-system, and may do its part and no more."""

from __future__ import annotations

import pytest

from controllers.main import CONTROLLERS, accounts_of
from tests.support.cluster import Cluster
from tests.support.wait import until

PREFIX = "system:serviceaccount:kube-system:"
# account, question -> may it?
MAY = {
    ("deployment-controller", "create replicasets.apps"): True,
    ("deployment-controller", "create pods"): False,
    ("replicaset-controller", "create pods"): True,
    ("replicaset-controller", "get secrets"): False,
    ("cronjob-controller", "create jobs.batch"): True,
    ("generic-garbage-collector", "delete secrets"): True,
    ("legacy-service-account-token-cleaner", "delete secrets"): True,
    ("legacy-service-account-token-cleaner", "create secrets"): False,
    ("service-controller", "patch services --subresource=status"): True,
    ("service-controller", "patch services"): False,
}


def test_every_controller_has_its_account(cluster: Cluster) -> None:
    wanted = {f"serviceaccount/{name}" for name in ("default", *accounts_of(tuple(CONTROLLERS)))}

    def found() -> set[str]:
        return set(cluster.kubectl("get", "sa", "-n", "kube-system", "-o", "name").split())

    until("all accounts are there", lambda: found() == wanted)


def may(cluster: Cluster, user: str, question: str) -> bool:
    asked = ("auth", "can-i", *question.split(), f"--as={user}", "-n", "default")
    return {"yes": True, "no": False}[cluster.kubectl(*asked, check=False).strip()]


@pytest.mark.parametrize(("account", "question"), MAY)
def test_it_may_do_its_part_and_no_more(cluster: Cluster, account: str, question: str) -> None:
    assert may(cluster, PREFIX + account, question) == MAY[account, question]


def test_the_manager_itself_reads_everything_and_writes_nothing_of_theirs(cluster: Cluster) -> None:
    user = "system:kube-controller-manager"
    assert may(cluster, user, "list pods")
    for question in ("create pods", "update deployments.apps", "delete replicasets.apps", "delete pods"):
        assert not may(cluster, user, question)
