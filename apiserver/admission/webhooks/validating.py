"""Shell: the plug-in that lets webhooks judge what is written, all at the same time.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/validating/dispatcher.go
"""

from __future__ import annotations

import asyncio

from apiserver.admission.chain import Attributes
from apiserver.admission.webhooks.asking import Asking, Outcome, Question
from apiserver.admission.webhooks.configurations import Configurations
from apiserver.admission.webhooks.metrics import VALIDATING
from kube.api.meta import Object

FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io"


class ValidatingWebhooks:
    """The plug-in."""

    def __init__(self, configurations: Configurations, asking: Asking) -> None:
        self._configurations, self._asking = configurations, asking

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        named = self._configurations.named(attributes)
        if not named:
            return
        found = [
            await self._asking.question(hook, resource, attributes, o, old, is_settled=True)
            for hook, resource in named
        ]
        questions = [each for each in found if each is not None]
        outcomes = await asyncio.gather(*(self._judged(each, i) for i, each in enumerate(questions)))
        for outcome in outcomes:
            if outcome.refusal is not None:
                raise outcome.refusal

    async def _judged(self, question: Question, index: int) -> Outcome:
        outcome = await self._asking.outcome(question, VALIDATING, lambda _: None)
        if outcome.failed_open:
            annotations = question.view.attributes.annotations
            annotations.setdefault(f"{FAILED_OPEN}/round_0_index_{index}", question.hook.name)
        return outcome
