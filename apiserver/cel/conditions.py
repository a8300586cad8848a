"""Shell: match conditions: whether a webhook or a policy is asked about a request at all.

    conditions = MatchConditions(webhook.get("matchConditions") or [])
    match = await conditions.match(evaluator, inputs_of(request), asker(authorizer, user))

One condition that is false settles it, whatever becomes of the others. Without one, an error is for the
failure policy of whoever asks.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apiserver.cel.evaluator import Evaluator, NoAnswer
from apiserver.cel.jobs import Job


@dataclass(frozen=True, slots=True)
class Match:
    """`error` is empty, or why nobody knows."""

    matches: bool
    error: str = ""


class MatchConditions:
    """The conditions of one webhook; none costs nothing."""

    def __init__(self, conditions: Sequence[Mapping[str, Any]]) -> None:
        self._expressions = [(each.get("expression") or "").strip() for each in conditions]

    async def match(
        self, evaluator: Evaluator, inputs: dict[str, Any], decide: Callable[[str], bool]
    ) -> Match:
        """inputs: the variables by their names; decide: answers for the authorizer."""
        if not self._expressions:
            return Match(True)
        job: Job = {"inputs": inputs, "conditions": self._expressions}
        [answer] = await evaluator.evaluate([job], decide)
        if isinstance(answer, NoAnswer):
            return Match(False, str(answer))
        return Match(answer["matches"] and not answer["errors"], together(answer["errors"]))


def inputs_of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The variables, from an AdmissionRequest with its objects; of a webhook, none is the namespace's."""
    objects = {name: request.get(name) for name in ("object", "oldObject")}
    return {**objects, "request": {key: value for key, value in request.items() if key not in objects}}


def together(errors: Sequence[str]) -> str:
    """Several errors as one text."""
    distinct = list(dict.fromkeys(errors))
    return distinct[0] if len(distinct) == 1 else f"[{', '.join(distinct)}]" if distinct else ""
