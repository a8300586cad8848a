"""Shell: looks once a day at each Secret that a ServiceAccount lists, and when one of them changes.

Since when uses are written down is asked of the server: few clusters have such Secrets.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from controllers.legacy_token_cleaner.plan import Seen, is_generated, plan
from controllers.live import find
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.lasting_tokens import (
    ACCOUNT_NAME,
    TRACKING_NAME,
    TRACKING_NAMESPACE,
    TRACKING_SINCE,
    parse_day,
)
from kube.api.meta import Object
from kube.api.pod_references import secret_names
from kube.api.resources import CONFIG_MAPS, PODS, SECRETS, SERVICE_ACCOUNTS
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller
from kube.controller.owners import NAMESPACE_INDEX, namespace_index


class LegacyTokenCleanerReconciler:
    """Observes and plans for one Secret."""

    def __init__(self, client: Client, informers: InformerFactory, period: timedelta) -> None:
        self._client, self._period = client, period
        self._secrets = informers.informer(SECRETS)
        self._accounts = informers.informer(SERVICE_ACCOUNTS)
        self._pods = informers.informer(PODS)
        self._pods.add_index(NAMESPACE_INDEX, namespace_index)

    async def observe(self, key: str) -> Seen | None:
        secret = self._secrets.store.get(key)
        if secret is None:
            return None
        namespace, name = meta.split_key(key)
        account = self._accounts.store.get(f"{namespace}/{meta.annotations(secret).get(ACCOUNT_NAME, '')}")
        if account is None or not is_generated(secret, account):
            return None
        pods = self._pods.store.by_index(NAMESPACE_INDEX, namespace)
        is_mounted = any(name in secret_names(pod) for pod in pods)
        return Seen(secret, account, await self._tracked_since(), is_mounted, self._period)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    async def _tracked_since(self) -> date | None:
        tracking = await find(self._client, CONFIG_MAPS, TRACKING_NAMESPACE, TRACKING_NAME)
        return None if tracking is None else parse_day(meta.get(tracking, "data", TRACKING_SINCE, default=""))


def keys_of_account(account: Object) -> list[str]:
    """The Secrets that the account lists."""
    namespace = meta.namespace(account)
    return [f"{namespace}/{each['name']}" for each in account.get("secrets") or [] if each.get("name")]


def build(wiring: Wiring, period: timedelta) -> Controller[Seen]:
    """The controller, woken by Secrets and by accounts that list some."""
    reconciler = LegacyTokenCleanerReconciler(wiring.client, wiring.informers, period)
    controller = wiring.controller(
        "legacy-serviceaccount-token-cleaner", "legacy_serviceaccount_token_cleaner", reconciler
    )
    controller.watch(wiring.informers.informer(SECRETS))
    controller.watch(wiring.informers.informer(SERVICE_ACCOUNTS), keys_of_account)
    return controller
