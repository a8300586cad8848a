"""Static pods: from a file to a running pod and its mirror in the API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.api import meta
from kubelet import mirrors
from kubelet.pod import static
from tests import datadriven
from tests.datadriven import Case
from tests.kubelet.conftest import TestNode, running_node
from tests.support.api_server import Api
from tests.support.wait import until_async

FILES = sorted((Path(__file__).parent / "testdata" / "static").glob("*.txt"))


def manifest(image: str = "run", **spec: Any) -> str:
    spec = {"containers": [{"name": "c", "image": image}], **spec}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    folder = tmp_path / "manifests"
    folder.mkdir()
    (folder / "web.json").write_text(manifest())
    return folder


@pytest.fixture
async def static_node(api: Api, tmp_path: Path, manifests: Path) -> AsyncIterator[TestNode]:
    async with running_node(api, tmp_path, manifests) as node:
        yield node


async def mirror_other_than(node: TestNode, uid: str) -> Any:
    async def check() -> Any:
        pod = await node.get("web-n1")
        is_new = pod and pod["metadata"]["uid"] != uid
        return pod if is_new and pod["status"]["phase"] == "Running" else None

    return await until_async("there is another mirror, and it runs", check)


async def test_a_mirror_shows_what_runs(static_node: TestNode) -> None:
    node = static_node
    mirror = await node.wait("web-n1", "Running")
    (sandbox,) = node.runtime.list_sandboxes()
    annotations, (owner,) = mirror["metadata"]["annotations"], mirror["metadata"]["ownerReferences"]
    assert annotations["kubernetes.io/config.source"] == "file"
    assert annotations["kubernetes.io/config.mirror"] == sandbox.pod_uid
    assert annotations["kubernetes.io/config.hash"] == sandbox.pod_uid
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Node", "n1", True)
    assert mirror["status"]["containerStatuses"][0]["ready"]


async def test_a_mirror_that_is_deleted_comes_back_and_nothing_ends(static_node: TestNode) -> None:
    node = static_node
    mirror = await node.wait("web-n1", "Running")
    before = node.runtime.list_sandboxes()
    await node.delete("web-n1")
    again = await mirror_other_than(node, mirror["metadata"]["uid"])
    assert node.runtime.list_sandboxes() == before
    assert again["status"]["containerStatuses"] == mirror["status"]["containerStatuses"]


async def test_a_deleted_mirror_stays_away_while_its_deleter_may_look(
    static_node: TestNode, manifests: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kubectl looks twice; who is back between the looks is taken for the old one (kubelet/mirrors.py)."""
    node = static_node
    mirror = await node.wait("web-n1", "Running")
    monkeypatch.setattr(mirrors, "AWAY_SECONDS", 1000.0)
    await node.delete("web-n1")
    await node.wait_gone("web-n1")
    # The mirrors of others come meanwhile.
    other = json.loads(manifest())
    other["metadata"]["name"] = "other"
    (manifests / "other.json").write_text(json.dumps(other))
    await node.wait("other-n1", "Running")
    assert await node.get("web-n1") is None
    node.kubelet.mirrors.let_back(meta.key(mirror))
    assert (await node.wait("web-n1", "Running"))["metadata"]["uid"] != mirror["metadata"]["uid"]


async def test_a_file_changes_and_goes(static_node: TestNode, manifests: Path) -> None:
    node = static_node
    mirror = await node.wait("web-n1", "Running")
    (manifests / "web.json").write_text(manifest("another"))
    again = await mirror_other_than(node, mirror["metadata"]["uid"])
    assert again["spec"]["containers"][0]["image"] == "another"
    # What is no pod ends nothing.
    (manifests / "more.yaml").write_text("kind: Pod")
    (manifests / "web.json").unlink()
    await node.wait_gone("web-n1")

    async def ended() -> bool:
        return node.runtime.list_sandboxes() == []

    await until_async("its containers are gone", ended)


async def test_a_returning_kubelet_finds_it_running(api: Api, tmp_path: Path, manifests: Path) -> None:
    async with running_node(api, tmp_path, manifests) as node:
        mirror = await node.wait("web-n1", "Running")
        before = node.runtime.list_sandboxes()
    async with running_node(api, tmp_path, manifests) as node:
        await node.create("q")
        await node.wait("q", "Running")
        assert [each for each in node.runtime.list_sandboxes() if each.name == "web-n1"] == before
        assert (await node.get("web-n1"))["metadata"]["uid"] == mirror["metadata"]["uid"]


class World:
    def __init__(self) -> None:
        self.pods: dict[str, Any] = {}
        self.mirrors: dict[str, Any] = {}

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def file(self, case: Case) -> str:
        """A file's pod as it is run, or why it is none."""
        try:
            pod = static.parse(case.input, case.args[0], "n1")
        except ValueError as error:
            return f"error: {str(error).splitlines()[0]}"
        self.pods[f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"] = pod
        return yaml.safe_dump({key: pod[key] for key in ("metadata", "spec")}, default_flow_style=None)

    def forget(self, case: Case) -> str:
        del self.pods[case.args[0]]
        return ""

    def mirror(self, case: Case) -> str:
        """A static pod gets its mirror."""
        node = {"metadata": {"name": "n1", "uid": "u1"}}
        self.mirrors[case.args[0]] = static.mirror_of(self.pods[case.args[0]], node)
        return yaml.safe_dump(self.mirrors[case.args[0]]["metadata"], default_flow_style=None)

    def deleted(self, case: Case) -> str:
        self.mirrors[case.args[0]]["metadata"]["deletionTimestamp"] = "x"
        return ""

    def reconcile(self, case: Case) -> str:
        stale, missing = static.reconcile(self.pods, self.mirrors)
        lines = [*(("delete", each) for each in stale), *(("create", each) for each in missing)]
        return "\n".join(f"{what} {each['metadata']['name']}" for what, each in lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
