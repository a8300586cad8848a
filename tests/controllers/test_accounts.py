"""Controllers call as accounts of their own: made when missing, tokens renewed in time, no more rights."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from controllers.accounts import NAMESPACE, Account
from controllers.main import CONTROLLERS, Manager, Settings, accounts_of
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import (
    CLUSTER_ROLE_BINDINGS,
    CONFIG_MAPS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    SECRETS,
    SERVICE_ACCOUNTS,
)
from kube.base.clock import SystemClock
from kube.base.tasks import Tasks
from kube.client.rest import Client
from tests.controllers.conftest import Managed
from tests.support.api_server import serving
from tests.support.clocks import Moved
from tests.support.in_process import client_of

POD: Object = {
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "web"}]},
}
DEPLOYMENT: Object = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": POD["spec"]},
    },
}


@asynccontextmanager
async def calling(name: str) -> AsyncIterator[tuple[Client, Client, Account, Moved]]:
    """The cluster's administrator, and a client that calls as a controller's account."""
    async with serving() as api:
        admin = client_of(api, "test")
        clock = Moved(SystemClock())
        account = Account(admin, name, clock)
        yield admin, admin.with_tokens(account), account, clock
        await admin.close()


async def refused(call: Any) -> int:
    with pytest.raises(StatusError) as caught:
        await call
    return caught.value.code


async def test_it_may_do_its_part_and_no_more() -> None:
    async with calling("replicaset-controller") as (admin, client, _, _):
        await client.create(PODS, POD)
        found = await admin.get(SERVICE_ACCOUNTS, NAMESPACE, "replicaset-controller")
        assert meta.uid(found)
        assert await refused(client.list(SECRETS, "default")) == 403
        assert (
            await refused(client.create(CONFIG_MAPS, {"metadata": {"name": "a", "namespace": "default"}}))
            == 403
        )


async def test_who_has_no_role_may_do_nothing() -> None:
    async with calling("nobody-s-controller") as (_, client, _, _):
        assert await refused(client.create(PODS, POD)) == 403


async def test_a_token_is_renewed_in_time() -> None:
    async with calling("replicaset-controller") as (_, client, account, clock):
        first = await account.token()
        clock.ahead = timedelta(minutes=40)
        assert await account.token() == first
        clock.ahead = timedelta(minutes=50)
        assert await account.token() != first
        await client.create(PODS, POD)


async def test_an_account_that_was_deleted_is_made_anew() -> None:
    async with calling("replicaset-controller") as (admin, client, _, _):
        await client.create(PODS, POD)
        await admin.delete(SERVICE_ACCOUNTS, NAMESPACE, "replicaset-controller")
        assert await refused(client.get(PODS, "default", "p")) == 401
        assert meta.name(await client.get(PODS, "default", "p")) == "p"


async def test_the_manager_makes_all_before_they_are_needed(managed: Managed) -> None:
    for name in accounts_of(tuple(CONTROLLERS)):
        await managed.until(SERVICE_ACCOUNTS, name, meta.uid, NAMESPACE)


async def test_a_manager_without_accounts_makes_none_and_does_its_work() -> None:
    async with serving() as api, Tasks() as tasks:
        client = client_of(api, "kube-controller-manager")
        tasks.start("controllers", Manager(client, Settings(), 3).lead)
        managed = Managed(client)
        await managed.client.create(DEPLOYMENTS, DEPLOYMENT)
        await managed.until_pods(1)
        accounts = (await client.list(SERVICE_ACCOUNTS, NAMESPACE))["items"]
        assert set(map(meta.name, accounts)) <= {"default"}
        await tasks.cancel()
        await client.close()


async def test_without_its_role_a_controller_waits_for_it_and_the_others_go_on(managed: Managed) -> None:
    role = "system:controller:deployment-controller"
    binding = await managed.client.get(CLUSTER_ROLE_BINDINGS, None, role)
    await managed.client.delete(CLUSTER_ROLE_BINDINGS, None, role)
    await managed.until_gone(CLUSTER_ROLE_BINDINGS, role, None)
    await managed.client.create(DEPLOYMENTS, DEPLOYMENT)
    metadata = {"name": "alone", "namespace": "default"}
    spec = {**DEPLOYMENT["spec"], "selector": {"matchLabels": {"app": "alone"}}}
    spec["template"] = {"metadata": {"labels": {"app": "alone"}}, "spec": POD["spec"]}
    await managed.client.create(REPLICA_SETS, {"metadata": metadata, "spec": spec})
    await managed.until_pods(1, "app=alone")
    assert await managed.pods() == []
    fresh = {"metadata": {"name": role}, "roleRef": binding["roleRef"], "subjects": binding["subjects"]}
    await managed.client.create(CLUSTER_ROLE_BINDINGS, fresh)
    await managed.until_pods(1)
