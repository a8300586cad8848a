"""What `-f` reads, and how it says what it cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import manifests
from cli.errors import CliError
from cli.main import main
from kube.api.resources import CONFIG_MAPS, DEPLOYMENTS

ONE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
TWO = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\n"


def test_a_file_of_several_documents(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(f"---\n{ONE}---\n---\n{TWO}")
    assert [resource for resource, _ in manifests.read([str(path)])] == [CONFIG_MAPS, DEPLOYMENTS]


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "2.yaml").write_text(ONE)
    (tmp_path / "1.json").write_text('{"apiVersion": "apps/v1", "kind": "Deployment"}')
    (tmp_path / "notes.txt").write_text("not an object")
    assert [resource for resource, _ in manifests.read([str(tmp_path)])] == [DEPLOYMENTS, CONFIG_MAPS]


def test_a_list_is_taken_apart(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap}\n")
    assert [resource for resource, _ in manifests.read([str(path)])] == [CONFIG_MAPS]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "is neither YAML nor JSON"),
        ("metadata: {name: a}", "every object needs an apiVersion and a kind"),
        ("apiVersion: v1\nkind: Rabbit\n", 'no matches for kind "Rabbit" in version "v1"'),
        ("", "no objects found"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(CliError, match=why):
        manifests.read([str(path)])


def test_a_missing_file_is_one_line() -> None:
    answer = CliRunner().invoke(main, ["create", "-f", "/nowhere.yaml"])
    assert (answer.exit_code, answer.stderr) == (
        1,
        "error: cannot read /nowhere.yaml: No such file or directory\n",
    )


def test_without_a_cluster_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(main, ["get", "pods"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("error: no kubeconfig: start a cluster with deploy/up")
