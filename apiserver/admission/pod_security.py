"""Shell: the Pod Security Standards, as the labels of each namespace demand them.

    a pod            refused if it violates what is enforced; else the client is warned, the audit log told
    its controller   warned and told alike, never refused: nothing runs yet
    a namespace      its labels must be readable; when it enforces more, the pods that are there are named

A change of a pod that changes nothing that matters is not looked at: what lives stays alive.

After: k8s staging/src/k8s.io/pod-security-admission/admission/admission.go and
plugin/pkg/admission/security/podsecurity/admission.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from apiserver.admission.chain import CREATE, UPDATE, Attributes
from apiserver.pod_security.checks import violations
from apiserver.pod_security.configuration import Configuration
from apiserver.pod_security.existing_pods import Survey, in_order
from apiserver.pod_security.levels import MODES, PREFIX, LevelVersion, Policy, policy_of
from apiserver.pod_security.pod import Pod, details
from apiserver.pod_security.pod_change import is_significant
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta, resources
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, PODS, Resource

EXISTING_PODS_MAX = 3000
EXISTING_PODS_SECONDS = 1.0
# So many at a time, and then it is somebody else's turn.
EXISTING_PODS_SLICE = 100

TEMPLATES: dict[Resource, tuple[str, ...]] = {
    resources.REPLICATION_CONTROLLERS: ("spec", "template"),
    resources.POD_TEMPLATES: ("template",),
    resources.REPLICA_SETS: ("spec", "template"),
    resources.DEPLOYMENTS: ("spec", "template"),
    resources.STATEFUL_SETS: ("spec", "template"),
    resources.DAEMON_SETS: ("spec", "template"),
    resources.JOBS: ("spec", "template"),
    resources.CRON_JOBS: ("spec", "jobTemplate", "spec", "template"),
}
# Any other subresource may change what runs.
HARMLESS = ("exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status")


class PodSecurity:
    """Asks the standards; the namespaces and pods are those of the cache."""

    NAME = "PodSecurity"

    def __init__(self, cache: WatchCache, configuration: Configuration) -> None:
        self._cache, self._configuration = cache, configuration

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if attributes.operation not in (CREATE, UPDATE):
            return
        resource, subresource = attributes.resource, attributes.subresource
        if resource is PODS:
            if subresource not in HARMLESS:
                await self._validate_pod(attributes, o, old)
        elif subresource:
            return
        elif resource is NAMESPACES:
            await self._validate_namespace(attributes, o, old)
        elif resource in TEMPLATES and (template := meta.get(o, *TEMPLATES[resource])) is not None:
            await self._validate_template(attributes, template)

    async def _validate_namespace(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        """Refuse labels that cannot be read, unless they were there before."""
        defaults = self._configuration.defaults
        policy, found = policy_of(meta.labels(o), defaults)
        before, found_before = policy_of(meta.labels(old or {}), defaults)
        if found and (old is None or found != found_before):
            raise errors.invalid(NAMESPACES.gvk, attributes.name, found)
        if attributes.name in self._configuration.namespaces:
            if old is None or _demands_more(policy.enforce, before.enforce):
                attributes.warnings.extend(self._ignored(attributes.name, policy, meta.labels(o)))
        elif old is not None and _demands_more(policy.enforce, before.enforce):
            attributes.warnings.extend(await self._existing_pods(attributes.name, policy.enforce))

    def _ignored(self, namespace: str, policy: Policy, labels: Mapping[str, str]) -> list[str]:
        """What an exempt namespace says in vain."""
        if policy.is_privileged or policy.is_equivalent(self._configuration.defaults):
            return []
        said = ", ".join(
            f"{mode}={level}"
            for mode, level in zip(MODES, (policy.enforce, policy.audit, policy.warn), strict=True)
            if not level.is_privileged and (PREFIX + mode in labels or f"{PREFIX}{mode}-version" in labels)
        )
        return [
            f'namespace "{namespace}" is exempt from Pod Security, and the policy ({said}) will be ignored'
        ]

    async def _existing_pods(self, namespace: str, level: LevelVersion) -> list[str]:
        """What is to say of the pods that are there; as many are looked at as there is time for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + EXISTING_PODS_SECONDS
        pods = []
        for count, entry in enumerate(list(self._cache.log(PODS).in_namespace(namespace)), 1):
            pods.append(entry.decode())
            if not count % EXISTING_PODS_SLICE:
                await asyncio.sleep(0)
        ordered = in_order(pods, self._configuration.runtime_classes)
        survey = Survey(level)
        for pod in ordered[:EXISTING_PODS_MAX]:
            survey.look_at(pod)
            if loop.time() >= deadline:
                break
            if not survey.looked_at % EXISTING_PODS_SLICE:
                await asyncio.sleep(0)
        return survey.warnings(namespace, len(ordered))

    async def _validate_pod(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        if self._is_exempt(attributes):
            return
        policy, found = policy_of(await self._labels(attributes.namespace), self._configuration.defaults)
        if policy.is_privileged and not found:
            _note(attributes, "enforce-policy", str(LevelVersion()))
        elif old is None or is_significant(o, old):
            self._evaluate(attributes, Pod.of(o), policy, found, enforce=True)

    async def _validate_template(self, attributes: Attributes, template: Object) -> None:
        if self._is_exempt(attributes):
            return
        policy, found = policy_of(await self._labels(attributes.namespace), self._configuration.defaults)
        if not (policy.warn.is_privileged and policy.audit.is_privileged) or found:
            self._evaluate(attributes, Pod.of(template), policy, found, enforce=False)

    def _is_exempt(self, attributes: Attributes) -> bool:
        """True for exempt namespaces and users; the audit log hears why."""
        for kind, name, exempt in (
            ("namespace", attributes.namespace, self._configuration.namespaces),
            ("user", attributes.user.name, self._configuration.usernames),
        ):
            if name in exempt:
                _note(attributes, "exempt", kind)
                return True
        return False

    async def _labels(self, namespace: str) -> Mapping[str, str]:
        entry = await self._cache.find(NAMESPACES, "", namespace)
        if entry is None:
            raise errors.internal(f'failed to lookup namespace "{namespace}"')
        return meta.labels(entry.decode())

    def _evaluate(
        self, attributes: Attributes, pod: Pod, policy: Policy, found: list[FieldError], *, enforce: bool
    ) -> None:
        if pod.spec.get("runtimeClassName") in self._configuration.runtime_classes:
            _note(attributes, "exempt", "runtimeClass")
            return
        if found:
            _note(attributes, "error", f"Failed to parse policy: {_together(found)}")
        said = {
            level: details(violations(pod, level)) for level in (policy.enforce, policy.audit, policy.warn)
        }
        if enforce:
            _note(attributes, "enforce-policy", str(policy.enforce))
        if why := said[policy.audit]:
            _note(attributes, "audit-violations", f'would violate PodSecurity "{policy.audit}": {why}')
        if enforce and (why := said[policy.enforce]):
            why = f'violates PodSecurity "{policy.enforce}": {why}'
            raise errors.forbidden(attributes.resource, attributes.name, why)
        if why := said[policy.warn]:
            attributes.warnings.append(f'would violate PodSecurity "{policy.warn}": {why}')


def _note(attributes: Attributes, key: str, value: str) -> None:
    attributes.annotations[PREFIX + key] = value


def _together(found: list[FieldError]) -> str:
    texts = [str(each) for each in found]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _demands_more(level: LevelVersion, before: LevelVersion) -> bool:
    """True where pods that are there may violate what is enforced now."""
    if level == before or level.is_privileged:
        return False
    return level.minor != before.minor or level.is_stricter_than(before)
