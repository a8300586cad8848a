"""Lasting tokens: their Secrets say when they were used, and those that were given up are good no longer."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from apiserver import bootstrap
from apiserver.authentication.tokens import GENERATED
from apiserver.main import Flags
from controllers.serviceaccount_token.signer import Signer
from kube.api import meta
from kube.api.lasting_tokens import ACCOUNT_NAME, INVALID_SINCE, LAST_USED, TRACKING_NAME, TYPE, parse_day
from kube.base.tasks import Tasks
from tests.support.api_server import Api
from tests.support.wait import until_async

NAMESPACE = "/api/v1/namespaces/default"
SECRET = f"{NAMESPACE}/secrets/s"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
TRACKING = f"/api/v1/namespaces/kube-system/configmaps/{TRACKING_NAME}"
MERGE = "application/merge-patch+json"


@dataclass
class Bearer:
    """Someone with the token of the account robot."""

    api: Api
    token: str

    async def shows_it(self) -> int:
        body: Any = {}
        answer = await self.api("POST", REVIEW, body, Authorization=f"Bearer {self.token}")
        return answer.code

    async def label(self, **labels: str | None) -> None:
        named = {"used": LAST_USED, "invalid": INVALID_SINCE}
        patch = {"metadata": {"labels": {named[key]: value for key, value in labels.items()}}}
        await self.api.ok("PATCH", SECRET, patch, MERGE)
        await self.api.server.cache.consistent()

    async def until_used_today(self) -> None:
        today = self.api.server.clock.now().date()

        async def check() -> bool:
            labels = meta.labels(await self.api.ok("GET", SECRET))
            return parse_day(labels.get(LAST_USED, "")) == today

        await until_async("the Secret says that its token was used", check)


@pytest.fixture
async def bearer(api: Api) -> AsyncIterator[Bearer]:
    account = await api.ok("POST", f"{NAMESPACE}/serviceaccounts", {"metadata": {"name": "robot"}})
    metadata = {"name": "s", "namespace": "default", "annotations": {ACCOUNT_NAME: "robot"}}
    secret = {"metadata": metadata, "type": TYPE}
    token = Signer(api.server.tokens._keys.private).sign(account, secret)
    data = {"token": base64.b64encode(token.encode()).decode()}
    await api.ok("POST", f"{NAMESPACE}/secrets", {**secret, "data": data})
    await api.server.cache.consistent()
    async with Tasks() as tasks:
        tasks.start("uses of tokens", api.server.token_uses.run)
        yield Bearer(api, token)


async def test_the_day_of_its_last_use_is_written_once_a_day(bearer: Bearer) -> None:
    assert await bearer.shows_it() == 201
    await bearer.until_used_today()
    await bearer.api.server.cache.consistent()
    before = meta.resource_version(await bearer.api.ok("GET", SECRET))
    assert await bearer.shows_it() == 201
    await bearer.label(used="2020-02-02")
    assert await bearer.shows_it() == 201
    await bearer.until_used_today()
    # The write of the test, and the one of the day: the second use of today wrote nothing.
    assert int(meta.resource_version(await bearer.api.ok("GET", SECRET))) == int(before) + 2


async def test_a_token_that_was_given_up_is_refused_and_its_use_still_written(bearer: Bearer) -> None:
    await bearer.label(invalid="2020-02-02")
    assert await bearer.shows_it() == 401
    await bearer.until_used_today()
    await bearer.label(invalid=None)
    assert await bearer.shows_it() == 201


async def test_who_shows_a_generated_one_is_warned_whatever_the_answer(bearer: Bearer) -> None:
    shown = {"Authorization": f"Bearer {bearer.token}"}
    assert "Warning" not in (await bearer.api("GET", "/version", **shown)).headers
    account = f"{NAMESPACE}/serviceaccounts/robot"
    await bearer.api.ok("PATCH", account, {"secrets": [{"name": "s"}]}, MERGE)
    await bearer.api.server.cache.consistent()
    for path, code in (("/version", 200), (SECRET, 403)):
        answer = await bearer.api("GET", path, **shown)
        assert (answer.code, answer.headers["Warning"]) == (code, f'299 - "{GENERATED}"')


async def test_since_when_it_is_written_stays_and_is_mended(api: Api) -> None:
    today = (await api.ok("GET", TRACKING))["data"]["since"]
    assert parse_day(today)
    for since, then in (("2020-02-02", "2020-02-02"), ("20200202", today)):
        await api.ok("PATCH", TRACKING, {"data": {"since": since}}, MERGE)
        await api.server.cache.consistent()
        await bootstrap.ensure(api.server, Flags().service_cluster_ip_range, 6450)
        assert (await api.ok("GET", TRACKING))["data"]["since"] == then
