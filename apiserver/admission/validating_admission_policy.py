"""Shell: asks the policies that cluster administrators have written in CEL.

    policy matches? -> binding matches? -> its parameters -> all expressions, evaluated beside the server
      -> deny, warn or tell the audit log, as the binding says

All that match are asked, so that each warning and annotation is there; the first denial is what the client
reads. Policies do not apply to policies, bindings and webhook configurations: nobody can lock himself out.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/dispatcher.go
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.admission.chain import Attributes
from apiserver.admission.policies import decisions
from apiserver.admission.policies.decisions import Denial
from apiserver.admission.policies.hooks import Hook, Hooks
from apiserver.admission.policies.inputs import asked_about, inputs
from apiserver.admission.policies.matching import Asked, by_labels, by_rules
from apiserver.admission.policies.params import Misconfigured, collect
from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.evaluator import Evaluator, NoAnswer
from apiserver.cel.jobs import Answer, Job
from apiserver.cel.questions import asker
from apiserver.storage.watch_cache import WatchCache
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, Resource

EXEMPT = {
    "admissionregistration.k8s.io": (
        "mutatingadmissionpolicies",
        "mutatingadmissionpolicybindings",
        "mutatingwebhookconfigurations",
        "validatingadmissionpolicies",
        "validatingadmissionpolicybindings",
        "validatingwebhookconfigurations",
    ),
    "authentication.k8s.io": ("selfsubjectreviews", "tokenreviews"),
    "authorization.k8s.io": (
        "localsubjectaccessreviews",
        "selfsubjectaccessreviews",
        "selfsubjectrulesreviews",
        "subjectaccessreviews",
    ),
}


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked about; namespace: the one it is in."""

    asked: Asked
    namespace: Object | None

    def is_chosen(self, constraints: Mapping[str, Any]) -> bool:
        return by_rules(constraints, self.asked) is not None and by_labels(
            constraints, self.asked, self.namespace
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A policy that concerns a request, with one binding and one object as parameters: what to evaluate.

    Without a job it is why there is nothing to evaluate; without a binding, the policy itself is at fault.
    """

    policy: Object
    binding: Object | None = None
    job: Job | None = None
    error: str = ""


class ValidatingAdmissionPolicy:
    """Asks what is bound; without policies it costs a look at the cache's position."""

    def __init__(self, cache: WatchCache, authorizer: Authorizer, evaluator: Evaluator) -> None:
        self._cache, self._authorizer, self._evaluator = cache, authorizer, evaluator
        self._hooks = Hooks(cache)

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        hooks = self._hooks.now()
        if not hooks or attributes.resource.plural in EXEMPT.get(attributes.resource.group, ()):
            return
        if steps := await self._steps(hooks, asked_about(attributes, o, old)):
            jobs = [each.job for each in steps if each.job is not None]
            decide = asker(self._authorizer, attributes.user)
            answers = iter(await self._evaluator.evaluate(jobs, decide) if jobs else ())
            findings = Findings(attributes)
            for step in steps:
                findings.note(step, None if step.job is None else next(answers))
            findings.tell()

    async def _steps(self, hooks: Sequence[Hook], asked: Asked) -> list[Step]:
        """All that is to be evaluated; whom a request does not concern costs no look at its namespace."""
        concerned = [
            (hook, resource)
            for hook in hooks
            if (resource := by_rules(hook.policy["spec"]["matchConstraints"], asked)) is not None
        ]
        if not concerned:
            return []
        request = Request(asked, self._namespace(asked.namespace))
        steps: list[Step] = []
        for hook, resource in concerned:
            if not by_labels(hook.policy["spec"]["matchConstraints"], asked, request.namespace):
                continue
            if hook.error:
                steps.append(Step(hook.policy, error=f"failed to configure policy: {hook.error}"))
                continue
            for binding in hook.bindings:
                if request.is_chosen(binding["spec"].get("matchResources") or {}):
                    steps += await self._bound(hook, binding, resource, request)
        return steps

    async def _bound(self, hook: Hook, binding: Object, resource: Resource, request: Request) -> list[Step]:
        reference, space = binding["spec"].get("paramRef"), request.asked.namespace
        try:
            params = await collect(self._cache, hook.params, reference, space)
        except Misconfigured as error:
            return [Step(hook.policy, binding, error=f"failed to configure binding: {error}")]
        is_namespace = request.asked.attributes.resource is NAMESPACES
        told = inputs(request.asked, resource, None if is_namespace else request.namespace)
        return [Step(hook.policy, binding, decisions.job(hook.policy, told, each)) for each in params]

    def _namespace(self, name: str) -> Object | None:
        entry = self._cache.get(NAMESPACES, "", name) if name else None
        return entry.decode() if entry is not None else None


class Findings:
    """What policies have said about a request: all warnings and annotations, and the first refusal."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes
        self._refusals: list[StatusError] = []
        self._annotations: dict[str, list[str]] = {}

    def note(self, step: Step, answer: Answer | NoAnswer | None) -> None:
        """What came of a step."""
        policy, binding = step.policy, step.binding
        if answer is None or binding is None:
            self._refuse(step, decisions.failed(policy, step.error))
        elif isinstance(answer, NoAnswer):
            self._act(policy, binding, decisions.failed(policy, str(answer)))
        else:
            self._act(policy, binding, decisions.denials(policy, answer))
            told, denials = decisions.audited(policy, answer)
            self._refuse(step, denials)
            for key, value in told.items():
                values = self._annotations.setdefault(f"{meta.name(policy)}/{key}", [])
                values += [] if value in values else [value]

    def tell(self) -> None:
        """Raise the first refusal, if there is one; the audit log hears of the annotations in any case."""
        for key, values in self._annotations.items():
            self._attributes.annotations.setdefault(key, ", ".join(values))
        if self._refusals:
            raise self._refusals[0]

    def _act(self, policy: Object, binding: Object, denials: list[Denial]) -> None:
        """Do with denials what the binding says."""
        attributes = self._attributes
        for denial in denials:
            for action in binding["spec"].get("validationActions") or []:
                if action == "Deny":
                    self._refusals.append(decisions.refusal(attributes, policy, binding, denial))
                elif action == "Warn":
                    attributes.warnings.append(decisions.warning(policy, binding, denial))
                else:
                    attributes.annotations.setdefault(decisions.FAILURE, decisions.failure(binding, denial))

    def _refuse(self, step: Step, denials: list[Denial]) -> None:
        """Deny, whatever the binding says: what the policy would say is not known."""
        refusals = (decisions.refusal(self._attributes, step.policy, step.binding, each) for each in denials)
        self._refusals += refusals
