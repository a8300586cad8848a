"""kubectl, and a webhook that changes what it creates and has its say about what it deletes."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import make_authority
from tests.support.cluster import Cluster
from tests.support.wait import until_async
from tests.support.webhook_server import answering, configuration, deny, patch, rule, webhook

pytestmark = pytest.mark.e2e


async def test_a_webhook_changes_refuses_and_warns(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    async def kubectl(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(cluster.run, "kubectl", *words, "-n", namespace, check=check)

    async def register(kind: str, hook: dict[str, object]) -> None:
        path = tmp_path / f"{kind}.json"
        path.write_text(json.dumps(configuration(kind, namespace, hook)))
        await kubectl("apply", "-f", str(path))

    authority = make_authority(tmp_path)
    chosen = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    async with answering(authority, authority.pair("webhook")) as server:
        change = patch({"op": "add", "path": "/metadata/labels", "value": {"hooked": "yes"}})
        creates = rule("configmaps", operations=["CREATE"])
        await register("Mutating", webhook("a.b.c", server.at("/change", change), creates, **chosen))
        stays = server.at("/stay", lambda _: deny(message="stays")(_) | {"warnings": ["you asked for it"]})
        deletes = rule("configmaps", operations=["DELETE"])
        await register("Validating", webhook("a.b.c", stays, deletes, **chosen))

        # Two API servers hear of it, each in its time.
        async def is_changed() -> bool:
            said = await kubectl("create", "configmap", "m", "--dry-run=server", "-o", "json")
            return json.loads(said.stdout)["metadata"].get("labels") == {"hooked": "yes"}

        async def refusal() -> str:
            await kubectl("create", "configmap", "m", check=False)
            done = await kubectl("delete", "configmap", "m", check=False)
            return done.stderr if done.returncode else ""

        await until_async("what is created is changed", is_changed)
        assert await until_async("a deletion is refused", refusal) == (
            "Warning: you asked for it\n"
            'Error from server: admission webhook "a.b.c" denied the request: stays\n'
        )
        assert {request["userInfo"]["username"] for request in server.requests("/stay")} == {
            "kubernetes-admin"
        }
        await kubectl("delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", namespace)
