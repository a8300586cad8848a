"""Core: a webhook, read once from its configuration: what it is asked about, where it answers, what follows
when it does not.

    webhooks[n] of a configuration -> Hook(rules, selectors, target ...)

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/accessors.go
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apiserver.admission.webhooks.rules import Rule
from kube.api import meta
from kube.api.labels import Selector
from kube.api.meta import Object

TIMEOUT_SECONDS = 10
PORT = 443


@dataclass(frozen=True, slots=True)
class Target:
    """Where a webhook answers.

    url: as messages show it; behind a Service its host is the Service's name in the cluster.
    service: namespace and name, None where the URL is of the world outside.
    authority: the certificates it is trusted by, as PEM; empty: those of the system.
    """

    url: str
    service: tuple[str, str] | None
    authority: str


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook.

    position: among all webhooks of its kind, which the audit log tells.
    is_exact: asked about what the rules name alone, not about the same thing in other versions.
    has_side_effects: must not be called for a dry run.
    fails_open: goes on without it when it does not answer.
    is_called_again: after somebody has changed what it had seen.
    versions: of AdmissionReview, as it prefers them.
    """

    configuration: str
    name: str
    key: str
    position: int
    rules: tuple[Rule, ...]
    namespaces: Selector
    objects: Selector
    conditions: tuple[Mapping[str, str], ...]
    target: Target
    versions: tuple[str, ...]
    timeout_seconds: int
    is_exact: bool
    has_side_effects: bool
    fails_open: bool
    is_called_again: bool


def read(configurations: Iterable[Object]) -> tuple[Hook, ...]:
    """All webhooks of one kind of configuration, in the order of the configurations."""
    hooks: list[Hook] = []
    for configuration in configurations:
        name = meta.name(configuration)
        seen: list[str] = []
        for webhook in configuration.get("webhooks") or ():
            hooks.append(_hook(name, webhook, len(hooks), seen.count(webhook["name"])))
            seen.append(webhook["name"])
    return tuple(hooks)


def _hook(configuration: str, webhook: Mapping[str, Any], position: int, twin: int) -> Hook:
    return Hook(
        configuration,
        webhook["name"],
        f"{configuration}/{webhook['name']}/{twin}",
        position,
        tuple(Rule.read(each) for each in webhook.get("rules") or ()),
        Selector.from_label_selector(webhook.get("namespaceSelector") or {}),
        Selector.from_label_selector(webhook.get("objectSelector") or {}),
        tuple(webhook.get("matchConditions") or ()),
        _target(webhook["clientConfig"]),
        tuple(webhook.get("admissionReviewVersions") or ()),
        webhook.get("timeoutSeconds") or TIMEOUT_SECONDS,
        is_exact=webhook.get("matchPolicy") == "Exact",
        has_side_effects=webhook.get("sideEffects") not in ("None", "NoneOnDryRun"),
        fails_open=webhook.get("failurePolicy") == "Ignore",
        is_called_again=webhook.get("reinvocationPolicy") == "IfNeeded",
    )


def _target(config: Mapping[str, Any]) -> Target:
    authority = base64.b64decode(config.get("caBundle") or "").decode("ascii", "ignore")
    service = config.get("service")
    if not service:
        return Target(_without_last_slash(config["url"]), None, authority)
    namespace, name = service["namespace"], service["name"]
    base = f"https://{name}.{namespace}.svc:{service.get('port') or PORT}"
    return Target(_without_last_slash(base + (service.get("path") or "")), (namespace, name), authority)


def _without_last_slash(url: str) -> str:
    """The root has one, other paths none."""
    scheme, _, rest = url.partition("://")
    host, _, path = rest.rstrip("/").partition("/")
    return f"{scheme}://{host}/{path}"
