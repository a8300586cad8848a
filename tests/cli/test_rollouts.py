"""How far the rollout of a StatefulSet or DaemonSet is, and which revision an undo goes to."""

from __future__ import annotations

from typing import Any

import pytest

from cli import rollouts
from cli.errors import CliError
from kube.api.meta import Object


def stateful_set(updated: int, **strategy: Any) -> Object:
    spec = {"replicas": 3, "updateStrategy": {"type": "RollingUpdate", **strategy}}
    status = {"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": updated}
    return {
        "kind": "StatefulSet",
        "metadata": {"name": "web", "generation": 1},
        "spec": spec,
        "status": status,
    }


@pytest.mark.parametrize(
    ("updated", "partition", "said"),
    [
        (
            1,
            0,
            ("Waiting for partitioned roll out to finish: 1 out of 3 new pods have been updated...", False),
        ),
        (1, 2, ("partitioned roll out complete: 1 new pods have been updated...", True)),
        (3, 0, ("partitioned roll out complete: 3 new pods have been updated...", True)),
    ],
)
def test_a_partitioned_rollout(updated: int, partition: int, said: tuple[str, bool]) -> None:
    assert rollouts.status(stateful_set(updated, rollingUpdate={"partition": partition})) == said


@pytest.mark.parametrize("kind", ["DaemonSet", "StatefulSet"])
def test_there_is_no_rollout_when_pods_are_replaced_by_hand(kind: str) -> None:
    o = {**stateful_set(3, type="OnDelete"), "kind": kind}
    with pytest.raises(CliError, match="rollout status is only available for RollingUpdate strategy type"):
        rollouts.status(o)


def test_which_revision_an_undo_goes_to() -> None:
    owner = {"kind": "StatefulSet", "metadata": {"name": "web", "uid": "u"}}
    references = [{"uid": "u", "controller": True}]
    kept = [
        {"metadata": {"name": str(each), "ownerReferences": references}, "revision": each, "data": {}}
        for each in (7, 2, 5)
    ]
    stranger = {"metadata": {"name": "s"}, "revision": 9, "data": {}}
    known = rollouts.revisions(owner, [*kept, stranger])
    assert list(known) == [2, 5, 7]
    assert rollouts.earlier(known, 0, owner)["revision"] == 5
    assert rollouts.earlier(known, 2, owner)["revision"] == 2
    with pytest.raises(CliError, match="unable to find specified revision 3 in history"):
        rollouts.earlier(known, 3, owner)
    with pytest.raises(CliError, match="no last revision to roll back to"):
        rollouts.earlier({7: kept[0]}, 0, owner)
