"""The variables a pod's spec gives to a container."""

from __future__ import annotations

import pytest

from kubelet.pod.environment import environment

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app.x/y": "web"}},
    "spec": {"nodeName": "node1", "serviceAccountName": "default"},
}


def from_field(path: str) -> dict[str, object]:
    return {"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("variables", "values"),
    [
        ([], {}),
        ([{"name": "A", "value": "1"}, {"name": "B"}], {"A": "1", "B": ""}),
        (
            [{"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(C)-$$(A)"}],
            {"A": "1", "B": "1-$(C)-$(A)"},
        ),
        ([from_field("metadata.name")], {"V": "p"}),
        ([from_field("metadata.labels['app.x/y']")], {"V": "web"}),
        ([from_field("spec.nodeName")], {"V": "node1"}),
        ([from_field("status.podIP")], {"V": "10.0.0.9"}),
        ([from_field("status.hostIP")], {"V": "127.0.0.1"}),
        ([{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}], {}),
    ],
)
def test_variables(variables: list[object], values: dict[str, str]) -> None:
    assert environment(POD, {"name": "c", "env": variables}, "127.0.0.1", "10.0.0.9") == values
