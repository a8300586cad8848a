"""Shell: the plug-in that lets webhooks change what is written, one after the other.

    first round    each webhook whose rules, selectors and conditions choose the request
    second round   once anything was changed: those of them with reinvocationPolicy IfNeeded that were asked
                   before the change

The second round is that of the whole chain: the plug-ins of this server see what webhooks have made, too.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go and
reinvocationcontext.go
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from apiserver.admission.chain import Attributes
from apiserver.admission.webhooks import answer, patching
from apiserver.admission.webhooks.answer import Answer
from apiserver.admission.webhooks.asking import Asking, Question
from apiserver.admission.webhooks.configurations import Configurations
from apiserver.admission.webhooks.hook import Hook
from apiserver.admission.webhooks.metrics import ADMIT
from kube.api.meta import Object, deep_copy

NOTE = "MutatingAdmissionWebhook"
MUTATION, PATCH = "mutation.webhook.admission.k8s.io", "patch.webhook.admission.k8s.io"


@dataclass(slots=True)
class Again:
    """What the second round wants to know of the first.

    asked: webhooks that want to hear of changes after they were asked.
    due: those for whom there was one.
    left: the object as the webhooks left it.
    """

    asked: list[str] = field(default_factory=list)
    due: set[str] = field(default_factory=set)
    left: Object | None = None

    def changed(self) -> None:
        """Who was asked before is asked again."""
        self.due.update(self.asked)
        self.asked.clear()


class MutatingWebhooks:
    """The plug-in."""

    def __init__(self, configurations: Configurations, asking: Asking) -> None:
        self._configurations, self._asking = configurations, asking

    async def admit(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        named = self._configurations.named(attributes)
        if not named:
            return
        rounds = attributes.rounds
        again: Again = rounds.notes.setdefault(NOTE, Again())
        if rounds.number and o != again.left:
            again.changed()
        for hook, resource in named:
            question = await self._asking.question(hook, resource, attributes, o, old, is_settled=False)
            if question is None or (rounds.number and hook.key not in again.due):
                continue
            if await self._let_change(question, o, old):
                again.changed()
                rounds.is_needed = True
            if hook.is_called_again:
                again.asked.append(hook.key)
        if rounds.is_needed:
            again.left = deep_copy(o)

    async def _let_change(self, question: Question, o: Object, old: Object | None) -> bool:
        """Have one webhook asked and its patch carried out; True when that changed anything."""
        hook, changed = question.hook, False
        note = _Notes(question.view.attributes, hook)

        def take(said: Answer) -> None:
            nonlocal changed
            if not said.patch:
                return
            new = patching.patched(hook.name, question.view, said.patch, o, old)
            note.patched(said.patch)
            changed = new != o
            o.clear()
            o.update(new)

        outcome = await self._asking.outcome(question, ADMIT, take)
        note.mutated(changed)
        if outcome.failed_open:
            note.failed_open()
        if outcome.refusal is not None:
            raise outcome.refusal
        return changed


class _Notes:
    """What the audit log is told of one call."""

    def __init__(self, attributes: Attributes, hook: Hook) -> None:
        self._annotations, self._hook = attributes.annotations, hook
        self._place = f"round_{attributes.rounds.number}_index_{hook.position}"

    def failed_open(self) -> None:
        self._annotations.setdefault(f"failed-open.{MUTATION}/{self._place}", self._hook.name)

    def mutated(self, changed: bool) -> None:
        self._tell(MUTATION, {"mutated": changed})

    def patched(self, patch: list[Any]) -> None:
        self._tell(PATCH, {"patch": patch, "patchType": answer.JSON_PATCH})

    def _tell(self, prefix: str, what: dict[str, Any]) -> None:
        told = {"configuration": self._hook.configuration, "webhook": self._hook.name, **what}
        self._annotations.setdefault(f"{prefix}/{self._place}", orjson.dumps(told).decode())
