"""Shell: asks one webhook about one request, if selectors and conditions choose it, and hears the answer.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/generic/webhook.go, ShouldCallHook;
webhook/predicates/{namespace,object}/matcher.go
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.admission.chain import CREATE, UPDATE, Attributes
from apiserver.admission.webhooks import answer, review
from apiserver.admission.webhooks.answer import Answer, Failed
from apiserver.admission.webhooks.caller import Caller
from apiserver.admission.webhooks.hook import Hook
from apiserver.admission.webhooks.metrics import ADMIT, CALLING, NO_ERROR, OURS, WebhookMetrics
from apiserver.admission.webhooks.view import View, labels
from apiserver.authorization.authorizer import Authorizer
from apiserver.cel.conditions import MatchConditions, inputs_of
from apiserver.cel.evaluator import Evaluator
from apiserver.cel.questions import asker
from apiserver.storage.watch_cache import WatchCache
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import NAMESPACES, Resource
from kube.base.logs import logger

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Question:
    """What a webhook is to be asked: the AdmissionRequest, and how the webhook sees its objects."""

    hook: Hook
    view: View
    request: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: why the request is refused, if it is; or that nobody answered, and nobody must."""

    refusal: StatusError | None = None
    failed_open: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """What it takes to ask; `evaluator` and `authorizer`: for conditions, `new_uid` names the questions."""

    cache: WatchCache
    caller: Caller
    metrics: WebhookMetrics
    evaluator: Evaluator
    authorizer: Authorizer
    new_uid: Callable[[], str]

    async def question(
        self,
        hook: Hook,
        resource: Resource,
        attributes: Attributes,
        o: Object,
        old: Object | None,
        *,
        is_settled: bool,
    ) -> Question | None:
        """The question for a webhook whose rules name the request; None where it is not chosen after all."""
        if not hook.namespaces.is_empty and not await self._is_in_chosen_namespace(hook, attributes, o):
            return None
        if not hook.objects.is_empty and not _is_chosen(hook, attributes, o, old):
            return None
        view = View.of(attributes, o, resource)
        asked = review.request(view, self.new_uid(), o, old, is_settled=is_settled)
        if hook.conditions and not await self._meets(hook, attributes, asked):
            return None
        return Question(hook, view, asked)

    async def outcome(self, question: Question, kind: str, take: Callable[[Answer], None]) -> Outcome:
        """Ask, let `take` make of the answer what can be made (or refuse), and count the call."""
        seconds = asyncio.get_running_loop().time
        began, code, why, outcome = seconds(), 200, "", Outcome()
        hook = question.hook
        try:
            said = await self._ask(question, may_patch=kind == ADMIT)
            if said.allowed:
                take(said)
            else:
                outcome = Outcome(answer.denial(hook.name, said))
                code, why = said.code, NO_ERROR
        except Failed as error:
            code, why = error.code, "" if hook.fails_open else CALLING
            outcome = self._failed(hook, kind, error)
        except StatusError as error:
            code, why, outcome = 0, OURS, Outcome(error)
        operation = question.view.attributes.operation
        self.metrics.called(hook.name, kind, operation, seconds() - began, code, why)
        return outcome

    def _failed(self, hook: Hook, kind: str, error: Failed) -> Outcome:
        goes_on = "failing open" if hook.fails_open else "failing closed"
        log.warning("a webhook does not answer", webhook=hook.name, policy=goes_on, error=error)
        if not hook.fails_open:
            return Outcome(answer.failure(hook.name, error))
        self.metrics.failed_open(hook.name, kind)
        return Outcome(failed_open=True)

    async def _ask(self, question: Question, *, may_patch: bool) -> Answer:
        """What the webhook says; raises Failed, and StatusError for a dry run that it cannot judge."""
        hook, attributes = question.hook, question.view.attributes
        if attributes.dry_run and hook.has_side_effects:
            raise answer.no_dry_run(hook.name)
        version = review.version_for(hook.versions)
        if not version:
            text = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
            raise Failed(f"could not create admission objects: {text}", 400)
        body = await self.caller.call(hook, orjson.dumps(review.review(version, question.request)))
        said = answer.read(body, question.request["uid"], version, may_patch=may_patch)
        attributes.warnings.extend(said.warnings)
        for key, value in said.annotations.items():
            attributes.annotations.setdefault(f"{hook.name}/{key}", value)
        return said

    async def _meets(self, hook: Hook, attributes: Attributes, asked: dict[str, Any]) -> bool:
        """Whether the matchConditions hold; StatusError 403 where that cannot be told."""
        decide = asker(self.authorizer, attributes.user)
        match = await MatchConditions(hook.conditions).match(self.evaluator, inputs_of(asked), decide)
        if not match.error or hook.fails_open:
            return match.matches
        raise errors.forbidden(attributes.requested or attributes.resource, attributes.name, match.error)

    async def _is_in_chosen_namespace(self, hook: Hook, attributes: Attributes, o: Object) -> bool:
        name = review.namespace(attributes)
        if not name:
            # What lies in no namespace is never left out on account of one.
            return True
        is_namespace = attributes.resource is NAMESPACES and not attributes.subresource
        if is_namespace and attributes.operation in (CREATE, UPDATE):
            return hook.namespaces.matches(meta.labels(o))
        return hook.namespaces.matches(await self._labels_of(name))

    async def _labels_of(self, namespace: str) -> dict[str, str]:
        entry = await self.cache.find(NAMESPACES, "", namespace)
        if entry is None:
            raise errors.not_found(NAMESPACES, namespace)
        return entry.labels


def _is_chosen(hook: Hook, attributes: Attributes, o: Object, old: Object | None) -> bool:
    """True when its selector chooses the object as it is or as it was."""
    seen = (labels(attributes, each) for each in (o, old))
    return any(each is not None and hook.objects.matches(each) for each in seen)
