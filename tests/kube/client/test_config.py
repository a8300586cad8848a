from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from kube.api.resources import PODS
from kube.base.run import StartupError
from kube.client.config import ClientConfig
from kube.client.rest import Client
from tests.support.certificates import Authority
from tests.support.wire import ScriptedServer, answer, pod


def kubeconfig(folder: Path, cluster: dict[str, Any], user: dict[str, Any]) -> Path:
    path = folder / "kubeconfig"
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def data(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


@pytest.mark.parametrize("inline", [True, False])
async def test_certificates_stand_in_it_or_beside_it(
    authority: Authority, tmp_path: Path, inline: bool
) -> None:
    cert, key = authority.pair("client")
    async with ScriptedServer(authority, answer(pod("a", "1"))) as server:
        cluster: dict[str, Any] = {"server": server.url}
        if inline:
            cluster["certificate-authority-data"] = data(authority.ca)
            user = {"client-certificate-data": data(cert), "client-key-data": data(key), "token": "secret"}
        else:
            shutil.copy(authority.ca, tmp_path)
            cluster["certificate-authority"] = "ca.crt"
            user = {"client-certificate": cert, "client-key": key, "token": "secret"}
        config = ClientConfig.load(kubeconfig(tmp_path, cluster, user))
        client = Client(config)
        await client.get(PODS, "default", "a")
        await client.close()
    assert (config.servers, config.namespace) == ((server.url,), "team")
    assert server.requests[0].headers["Authorization"] == "Bearer secret"


def test_several_servers_are_an_extension(tmp_path: Path) -> None:
    servers = ["https://127.0.0.1:1", "https://127.0.0.1:2"]
    extension = [{"name": "servers", "extension": {"servers": servers}}]
    path = kubeconfig(tmp_path, {"server": "https://127.0.0.1:3", "extensions": extension}, {})
    assert ClientConfig.load(path).servers == tuple(servers)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "cannot read kubeconfig"),
        ("{", "is not YAML"),
        ("clusters: []", "is incomplete"),
        ("current-context: x\ncontexts: [{name: y}]", "is incomplete"),
    ],
)
def test_what_is_wrong_with_it_is_said(tmp_path: Path, text: str | None, why: str) -> None:
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    with pytest.raises(StartupError, match=why):
        ClientConfig.load(path)


def test_a_missing_certificate_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, {"server": "https://127.0.0.1:3", "certificate-authority": "nowhere.crt"}, {})
    with pytest.raises(StartupError, match=r"nowhere\.crt"):
        ClientConfig.load(path)
