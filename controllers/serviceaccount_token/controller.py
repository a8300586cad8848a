"""Shell: looks at a token's Secret when it or its ServiceAccount changes."""

from __future__ import annotations

from datetime import datetime

from controllers.live import find
from controllers.serviceaccount_token.plan import Seen, plan
from controllers.serviceaccount_token.signer import Signer
from controllers.wiring import Wiring
from kube.api import meta
from kube.api.actions import Action
from kube.api.lasting_tokens import ACCOUNT_NAME, TYPE
from kube.api.meta import Object
from kube.api.resources import SECRETS, SERVICE_ACCOUNTS
from kube.client.informer import InformerFactory
from kube.client.rest import Client
from kube.controller.controller import Controller

INDEX = "service account"


class ServiceAccountTokenReconciler:
    """Observes and plans for one Secret."""

    def __init__(
        self, client: Client, informers: InformerFactory, signer: Signer, root_ca: str | None
    ) -> None:
        self._client, self._signer, self._root_ca = client, signer, root_ca
        self._secrets = informers.informer(SECRETS)
        self._accounts = informers.informer(SERVICE_ACCOUNTS)
        self._secrets.add_index(INDEX, account_index)

    async def observe(self, key: str) -> Seen | None:
        secret = self._secrets.store.get(key)
        if secret is None or secret.get("type") != TYPE:
            return None
        [account_key] = account_index(secret)
        account = self._accounts.store.get(account_key) or await self._live(account_key)
        return Seen(secret, account, self._root_ca, self._signer.sign)

    def plan(self, seen: Seen, now: datetime) -> list[Action]:
        return plan(seen, now)

    def keys_of_account(self, account: Object) -> list[str]:
        """The Secrets that name the account."""
        return [meta.key(each) for each in self._secrets.store.by_index(INDEX, meta.key(account))]

    async def _live(self, key: str) -> Object | None:
        """The account itself: a Secret may be seen before the account it was made for."""
        return await find(self._client, SERVICE_ACCOUNTS, *meta.split_key(key))


def account_index(secret: Object) -> list[str]:
    """The key of the account whose token a Secret holds."""
    if secret.get("type") != TYPE:
        return []
    return [f"{meta.namespace(secret)}/{meta.annotations(secret).get(ACCOUNT_NAME, '')}"]


def build(wiring: Wiring, signer: Signer, root_ca: str | None) -> Controller[Seen]:
    """The controller, woken by Secrets and ServiceAccounts."""
    reconciler = ServiceAccountTokenReconciler(wiring.client, wiring.informers, signer, root_ca)
    controller = wiring.controller("tokens-controller", "serviceaccount_tokens_secret", reconciler)
    controller.watch(wiring.informers.informer(SECRETS))
    controller.watch(wiring.informers.informer(SERVICE_ACCOUNTS), reconciler.keys_of_account)
    return controller
