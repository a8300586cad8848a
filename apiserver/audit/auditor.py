"""Shell: asks the policy about each request, and hands the events of its stages to the log.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/filters/audit.go, pkg/audit/metrics.go;
staging/src/k8s.io/apimachinery/pkg/util/net/http.go, SourceIPs
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter
from starlette.types import Message, Send

from apiserver.audit import event
from apiserver.audit.event import RequestAudit
from apiserver.audit.log import AuditLog, Mode
from apiserver.audit.policy import Policy, Stage
from apiserver.authentication.user import User
from kube.api import errors
from kube.base.clock import Clock

if TYPE_CHECKING:
    from apiserver.request import ApiRequest


# Callers have few addresses, and are told of often.
ADDRESSES_MAX = 1024
# Messages that end an answer, unless they say that more comes.
LAST = ("http.response.body", "websocket.http.response.body", "websocket.close")


class AuditMetrics:
    """What is told and what is lost, under Kubernetes' names."""

    def __init__(self) -> None:
        self.events = Counter(
            "apiserver_audit_event",
            "Counter of audit events generated and sent to the audit backend.",
            registry=None,
        )
        self.errors = Counter(
            "apiserver_audit_error",
            "Counter of audit events that failed to be audited properly. "
            "Plugin identifies the plugin affected by the error.",
            ("plugin",),
            registry=None,
        )
        self.levels = Counter(
            "apiserver_audit_level",
            "Counter of policy levels for audit events (1 per request).",
            ("level",),
            registry=None,
        )
        self.rejected = Counter(
            "apiserver_audit_requests_rejected",
            "Counter of apiserver requests rejected due to an error in audit logging backend.",
            registry=None,
        )

    def register(self, registry: CollectorRegistry) -> None:
        """Show them among others."""
        for each in (self.events, self.errors, self.levels, self.rejected):
            registry.register(each)


@dataclass(slots=True)
class Auditor:
    """The policy and where its events go."""

    policy: Policy
    log: AuditLog
    clock: Clock
    metrics: AuditMetrics = field(default_factory=AuditMetrics)

    def begin(self, request: ApiRequest, user: User | None) -> RequestAudit:
        """What is to be told of a request, as far as it is known by now."""
        decision = self.policy.decide(user, request.info)
        self.metrics.levels.labels(decision.level.wire).inc()
        return event.begin(
            decision,
            audit_id=request.audit_id,
            uri=_uri(request),
            info=request.info,
            user=user,
            source_ips=source_ips(request),
            user_agent=request.headers.get("user-agent", ""),
            received_at=self.clock.now(),
            annotations=request.annotations,
        )

    async def received(self, audit: RequestAudit) -> None:
        """Tell that the request is here; StatusError 500 where it must not go on without that."""
        if not await self.tell(audit, Stage.RECEIVED) and self.log.mode is Mode.STRICT:
            self.metrics.rejected.inc()
            raise errors.internal("failed to store audit event")

    async def tell(self, audit: RequestAudit, stage: Stage) -> bool:
        """Tell that a stage is reached; False where that is lost."""
        line = audit.line(stage, self.clock.now())
        if line is None:
            return True
        self.metrics.events.inc()
        return await self.log.write(line)

    async def end(self, audit: RequestAudit) -> None:
        """Tell that it is over, once."""
        if not audit.is_over:
            audit.is_over = True
            await self.tell(audit, audit.last_stage)

    def ending(self, audit: RequestAudit, send: Send) -> Send:
        """A `send` whose last message waits until it is told that the request is over."""
        if audit.is_over:
            return send

        async def told(message: Message) -> None:
            if message["type"] in LAST and not message.get("more_body"):
                await self.end(audit)
            await send(message)

        return told


def _uri(request: ApiRequest) -> str:
    query = request.scope["query_string"].decode("latin-1")
    return str(request.scope["raw_path"].decode("latin-1")) + ("?" + query if query else "")


def source_ips(request: ApiRequest) -> list[str]:
    """Where it comes from: what proxies say, which anyone may write, and at the end who is connected."""
    told = request.headers.get("x-forwarded-for", "").split(",")
    found = [ip for each in told if (ip := _ip(each))]
    real = _ip(request.headers.get("x-real-ip", ""))
    if real and real not in found:
        found.append(real)
    peer = _ip(request.client.host) if request.client else ""
    if peer and found[-1:] != [peer]:
        found.append(peer)
    return found


@lru_cache(ADDRESSES_MAX)
def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        return ""
