"""Encryption at rest: what the store holds, with which keys it can be read, and how keys are changed."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.main import Flags
from apiserver.storage.encrypted import load
from apiserver.storage.encryption_config import ConfigError, parse
from kube.api.resources import RESOURCES
from kube.base.run import StartupError
from tests.support.api_server import serving
from tests.support.memory_storage import MemoryStorage

SECRETS = "/api/v1/namespaces/default/secrets"
KEY = "/registry/secrets/default/s"
PLAIN: Any = {"identity": {}}
STORED = [each for each in RESOURCES if "list" in each.verbs]


def keys(*names: str) -> Any:
    """An aesgcm provider with keys of these names; the same name is the same key."""
    made = [{"name": name, "secret": secret(name)} for name in names]
    return {"aesgcm": {"keys": made}}


def secret(name: str, size: int = 32) -> str:
    return base64.b64encode(name.encode().ljust(size, b"\0")).decode()


def config(*providers: Any, resources: tuple[str, ...] = ("secrets",)) -> Any:
    entry = {"resources": list(resources), "providers": list(providers)}
    return {
        "kind": "EncryptionConfiguration",
        "apiVersion": "apiserver.config.k8s.io/v1",
        "resources": [entry],
    }


def flags(tmp_path: Path, *providers: Any, resources: tuple[str, ...] = ("secrets",)) -> Flags:
    path = tmp_path / "encryption.yaml"
    path.write_text(yaml.safe_dump(config(*providers, resources=resources)))
    return Flags(encryption_provider_config=str(path))


def a_secret(value: str = "c2VzYW1l") -> Any:
    return {"metadata": {"name": "s"}, "data": {"word": value}}


async def raw(storage: MemoryStorage, key: str = KEY) -> bytes:
    stored = await storage.get(key)
    assert stored is not None
    return stored.value


async def test_the_store_sees_no_secret(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with serving(storage, flags=flags(tmp_path, keys("k1"), PLAIN)) as api:
        await api.ok("POST", SECRETS, a_secret())
        assert (await api.ok("GET", f"{SECRETS}/s"))["data"] == {"word": "c2VzYW1l"}
        assert [each["metadata"]["name"] for each in (await api.ok("GET", SECRETS))["items"]] == ["s"]
        changed = {"data": {"word": "bmV3"}}
        await api.ok("PATCH", f"{SECRETS}/s", changed, "application/merge-patch+json")
        await api.ok("POST", SECRETS.replace("secrets", "configmaps"), {"metadata": {"name": "m"}})
    versions = [each.value for each in storage.log if each.key == KEY]
    assert len(versions) == 2
    assert all(each is not None and each.startswith(b"k8s:enc:aesgcm:v1:k1:") for each in versions)
    assert not any(word in (each or b"") for each in versions for word in (b"Secret", b"c2VzYW1l", b"bmV3"))
    assert (await raw(storage, "/registry/configmaps/default/m")).startswith(b"{")


async def test_a_value_is_bound_to_its_place(tmp_path: Path) -> None:
    """Who can write to the store cannot make the server show one secret as another."""
    storage = MemoryStorage()
    async with serving(storage, flags=flags(tmp_path, keys("k1"))) as api:
        await api.ok("POST", SECRETS, a_secret())
        await storage.create("/registry/secrets/default/t", await raw(storage))
        refused = await api("GET", f"{SECRETS}/t")
        assert (refused.code, refused.json["message"]) == (
            500,
            'Internal error occurred: unable to transform key "/registry/secrets/default/t": '
            "key 'k1' does not fit, or the value was changed",
        )
        assert (await api("GET", f"{SECRETS}/s")).code == 200


async def test_keys_are_changed_while_the_server_serves(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with serving(storage) as api:
        await api.ok("POST", SECRETS, a_secret())
    assert (await raw(storage)).startswith(b"{")
    for providers, prefix in (
        ((keys("k1"), PLAIN), b"k8s:enc:aesgcm:v1:k1:"),
        ((keys("k2", "k1"),), b"k8s:enc:aesgcm:v1:k2:"),
        ((PLAIN, keys("k2")), b'{"'),
    ):
        async with serving(storage, flags=flags(tmp_path, *providers)) as api:
            found = await api.ok("GET", f"{SECRETS}/s")
            # A write that changes nothing, as of `kubectl get secrets -o json | kubectl replace -f -`.
            await api.ok("PUT", f"{SECRETS}/s", found)
            assert (await raw(storage)).startswith(prefix)
            before = storage.revision
            await api.ok("PUT", f"{SECRETS}/s", found | {"metadata": {"name": "s"}})
            assert storage.revision == before, "what is as it should be is not written again"
            assert (await api.ok("GET", f"{SECRETS}/s"))["data"] == {"word": "c2VzYW1l"}


async def test_without_its_key_a_secret_is_not_said_to_be_gone(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with serving(storage, flags=flags(tmp_path, keys("k1"))) as api:
        await api.ok("POST", SECRETS, a_secret())
    why = (
        'Internal error occurred: unable to transform key "/registry/secrets/default/s": '
        "no matching prefix found: there is no key 'k1'"
    )
    async with serving(storage, flags=flags(tmp_path, keys("k2"), PLAIN)) as api:
        for method, path in (
            ("GET", f"{SECRETS}/s"),
            ("GET", SECRETS),
            ("GET", f"{SECRETS}?watch=1"),
            ("GET", "/api/v1/secrets?limit=1"),
            ("DELETE", f"{SECRETS}/s"),
        ):
            refused = await api(method, path)
            assert (path, refused.code, refused.json["message"]) == (path, 500, why)
        assert (await api("POST", SECRETS, a_secret())).code == 409
        assert (await api("GET", f"{SECRETS}/other")).code == 404
        assert (await api("GET", SECRETS.replace("default", "kube-system"))).code == 200
        assert (await api("GET", "/readyz")).code == 200
        assert (await raw(storage)).startswith(b"k8s:enc:aesgcm:v1:k1:")


async def test_a_value_that_becomes_unreadable_is_no_longer_shown(tmp_path: Path) -> None:
    storage = MemoryStorage()
    async with serving(storage, flags=flags(tmp_path, keys("k1"))) as api:
        made = await api.ok("POST", SECRETS, a_secret())
        version = int(made["metadata"]["resourceVersion"])
        broken = await storage.update(KEY, (await raw(storage))[:-1] + b"\0", version)
        assert (await api("GET", f"{SECRETS}/s")).code == 500
        await storage.delete(KEY, broken)
        assert (await api("GET", f"{SECRETS}/s")).code == 404
        await api.ok("POST", SECRETS, a_secret())
        assert (await api("GET", f"{SECRETS}/s")).code == 200


@pytest.mark.parametrize(
    ("names", "encrypted"),
    [
        (("secrets", "configmaps"), {"secrets", "configmaps"}),
        (("deployments.apps",), {"deployments"}),
        (
            ("*.apps",),
            {"controllerrevisions", "daemonsets", "deployments", "replicasets", "statefulsets"},
        ),
    ],
)
def test_kinds_are_named(names: tuple[str, ...], encrypted: set[str]) -> None:
    found = parse(config(keys("k"), resources=names), STORED)
    assert {prefix.split("/")[-2] for prefix in found} == encrypted


def test_all_kinds_can_be_meant() -> None:
    everything = parse(config(keys("k"), resources=("*.*",)), STORED)
    core = parse(config(keys("k"), resources=("*.",)), STORED)
    assert set(everything) == {each.storage_prefix() + "/" for each in STORED}
    assert "/registry/pods/" in core
    assert "/registry/deployments/" not in core


def entry(**fields: Any) -> Any:
    whole = config(keys("k"))
    whole["resources"][0] |= fields
    return whole


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("text", "not an EncryptionConfiguration of apiserver.config.k8s.io/v1"),
        (config(keys("k")) | {"resources": []}, "resources: a list with at least one item is needed"),
        (entry(resources=["secret"]), "resources[0].resources[0]: 'secret' is no kind that is stored here"),
        (entry(providers=[]), "resources[0].providers: a list with at least one item is needed"),
        (
            entry(providers=[{"aescbc": {}}]),
            "resources[0].providers[0].aescbc: not supported here; use aesgcm or identity",
        ),
        (
            entry(providers=[{"identity": {}, "aesgcm": {}}]),
            "resources[0].providers[0]: must be exactly one of aesgcm, identity",
        ),
        (
            entry(providers=[{"aesgcm": {"keys": [{"name": "k", "secret": "?"}]}}]),
            "resources[0].providers[0].aesgcm.keys[0].secret: must be base64 encoded",
        ),
        (
            entry(providers=[{"aesgcm": {"keys": [{"name": "k", "secret": secret("k", 31)}]}}]),
            "resources[0].providers[0].aesgcm.keys[0].secret: must be 16, 24 or 32 bytes, and is 31",
        ),
        (
            entry(providers=[{"aesgcm": {"keys": [{"name": "a:b", "secret": secret("k")}]}}]),
            "resources[0].providers[0].aesgcm.keys[0].name: a text without colons is needed",
        ),
        (entry(providers=[keys("k", "k")]), "resources[0].providers: two keys are named 'k'"),
    ],
)
def test_mistakes_are_named(document: Any, why: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(document, STORED)
    assert str(refused.value) == why


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    with pytest.raises(StartupError) as refused:
        load(str(path))
    assert str(refused.value) == f"--encryption-provider-config {path}: No such file or directory"
    path.write_text("kind: [")
    with pytest.raises(StartupError) as refused:
        load(str(path))
    assert "no YAML" in str(refused.value)
