"""Shell: what every filter and handler may use, in one place; main.py builds it.

After: k8s staging/src/k8s.io/apiserver/pkg/server/genericapiserver.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import aiohttp

from apiserver.admission.webhooks.caller import Caller
from apiserver.allocation.repair import Repairer
from apiserver.authentication.authenticator import Authenticator
from apiserver.authentication.request_header import RequestHeader
from apiserver.authentication.token_uses import TokenUses
from apiserver.authentication.tokens import Tokens
from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.evaluator import Evaluator
from apiserver.registry.registry import Registry
from apiserver.storage.interface import Storage
from apiserver.storage.watch_cache import WatchCache
from kube.base.clock import Clock

if TYPE_CHECKING:
    from apiserver.aggregation.aggregation import Aggregation
    from apiserver.audit.auditor import Auditor
    from apiserver.filters.metrics import Metrics
    from apiserver.flow_control.flow_control import FlowControl


@dataclass(slots=True)
class Server:
    """The parts of a running API server.

    kubelets: an HTTP session that shows our client certificate.
    backends: one for pods and what is behind Services, whose certificates nobody checks.
    address: host:port as clients reach it, told by discovery.
    repairer: looks after the addresses of Services.
    token_uses: writes down when lasting tokens are used.
    auditor: tells of requests what an audit policy wants told, if there is one.
    webhooks: calls those of admission.
    flow_control: gives requests their seats; None where all are let in at once.
    aggregation: the servers behind APIServices.
    request_header: which proxies may say for whom they ask, and where.
    evaluator: evaluates the expressions of policies, in a process of its own.
    stopping: set once the process is to end; every watch then ends.
    """

    storage: Storage
    cache: WatchCache
    registry: Registry
    tokens: Tokens
    authenticator: Authenticator
    authorizer: Authorizer
    metrics: Metrics
    kubelets: aiohttp.ClientSession
    backends: aiohttp.ClientSession
    clock: Clock
    chance: Random
    new_uid: Callable[[], str]
    address: str
    repairer: Repairer
    token_uses: TokenUses
    webhooks: Caller
    flow_control: FlowControl | None
    aggregation: Aggregation
    request_header: RequestHeader
    evaluator: Evaluator
    auditor: Auditor | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
