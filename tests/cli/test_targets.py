"""What a user means by the words of a command."""

from __future__ import annotations

import pytest

from cli import targets
from cli.errors import CliError
from cli.targets import Target
from kube.api.resources import DEPLOYMENTS, PODS, SERVICES


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["po"], [Target(PODS)]),
        (["pods", "a", "b"], [Target(PODS, "a"), Target(PODS, "b")]),
        (["pod/a", "deploy/b"], [Target(PODS, "a"), Target(DEPLOYMENTS, "b")]),
        (["po,svc"], [Target(PODS), Target(SERVICES)]),
        (["deployments.apps", "x"], [Target(DEPLOYMENTS, "x")]),
    ],
)
def test_what_is_meant(words: list[str], meant: list[Target]) -> None:
    assert targets.parse(words) == meant


def test_all_stands_for_a_category() -> None:
    plurals = [target.resource.plural for target in targets.parse(["all"])]
    assert {"pods", "services", "deployments", "replicasets"} <= set(plurals)
    assert "configmaps" not in plurals


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "say what"),
        (["rabbits"], 'the server doesn\'t have a resource type "rabbits"'),
        (["pod/a", "b"], "'b' must be resource/name"),
        (["pod/"], "'pod/' must be resource/name"),
    ],
)
def test_what_cannot_be_meant(words: list[str], why: str) -> None:
    with pytest.raises(CliError, match=why):
        targets.parse(words)
