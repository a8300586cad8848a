"""Lasting tokens that nobody uses are marked, and go a period later; people's own and those of pods stay."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.legacy_token_cleaner.plan import Seen, plan
from controllers.main import Settings
from kube.api import meta
from kube.api.lasting_tokens import (
    ACCOUNT_NAME,
    ACCOUNT_UID,
    INVALID_SINCE,
    LAST_USED,
    TRACKING_NAME,
    TRACKING_NAMESPACE,
    TYPE,
    parse_day,
)
from kube.api.meta import Object
from kube.api.pod_references import secret_names
from kube.api.resources import CONFIG_MAPS, SECRETS, SERVICE_ACCOUNTS
from tests import datadriven
from tests.controllers.conftest import Managed, managing
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "legacy_token_cleaner"
NAME = "legacy-serviceaccount-token-cleaner-controller"


def handle(case: datadriven.Case) -> str:
    short: dict[str, Any] = yaml.load(case.input, yaml.BaseLoader)
    labels = {
        label: short[key] for key, label in (("used", LAST_USED), ("invalid", INVALID_SINCE)) if key in short
    }
    annotations = {ACCOUNT_NAME: "robot", ACCOUNT_UID: short.get("account_uid", "uid-robot")}
    secret = made(
        {"name": "s", "labels": labels, "annotations": annotations, "deleted": short.get("deleted")},
        type=short.get("type", TYPE),
    )
    secret["metadata"]["creationTimestamp"] = meta.format_time(START + timedelta(days=int(short["created"])))
    listed = [{"name": "other"}, *([] if short.get("listed") == "false" else [{"name": "s"}])]
    account = made({"name": "robot"}, secrets=listed)
    tracked = parse_day(short.get("tracked", "2029-01-01"))
    seen = Seen(secret, account, tracked, "mounted" in short, timedelta(days=10))
    return render(plan(seen, START), {})


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def test_a_pod_names_secrets_in_many_places() -> None:
    reference = {"secretRef": {"name": "from"}}
    value = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "key", "key": "k"}}}
    spec = {
        "imagePullSecrets": [{"name": "pull"}, {}],
        "initContainers": [{"name": "i", "envFrom": [reference, {"configMapRef": {"name": "not"}}]}],
        "containers": [{"name": "c", "env": [value, {"name": "B", "value": "not"}]}],
        "volumes": [
            {"name": "a", "secret": {"secretName": "volume"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "part"}}, {"downwardAPI": {}}]}},
            {"name": "c", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "driver"}}},
            {"name": "d", "emptyDir": {}},
        ],
    }
    assert secret_names({"spec": spec}) == {"pull", "from", "key", "volume", "part", "driver"}
    assert secret_names({}) == set()


async def create_secret(managed: Managed, name: str) -> None:
    metadata = {"name": name, "namespace": "default", "annotations": {ACCOUNT_NAME: "robot"}}
    await managed.client.create(SECRETS, {"metadata": metadata, "type": TYPE})


async def label(managed: Managed, name: str, day: str) -> Object:
    patch = {"metadata": {"labels": {INVALID_SINCE: day}}}
    return await managed.client.patch(SECRETS, "default", name, patch)


async def test_it_is_marked_and_goes_a_period_later() -> None:
    # So short a period is over at once; days are still days.
    async with managing(Settings(unused_token_period=timedelta(microseconds=1)), (NAME,)) as managed:
        await managed.client.patch(
            CONFIG_MAPS, TRACKING_NAMESPACE, TRACKING_NAME, {"data": {"since": "2020-02-02"}}
        )
        for name in ("generated", "by-hand"):
            await create_secret(managed, name)
        account = {
            "metadata": {"name": "robot", "namespace": "default"},
            "secrets": [{"name": "generated"}],
        }
        await managed.client.create(SERVICE_ACCOUNTS, account)
        await managed.until(SECRETS, "generated", lambda o: INVALID_SINCE in meta.labels(o))
        await label(managed, "generated", "2020-02-02")
        await managed.until_gone(SECRETS, "generated")
        by_hand = await managed.get(SECRETS, "by-hand")
        assert by_hand is not None
        assert not meta.labels(by_hand)
