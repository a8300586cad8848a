"""Shell: no policy and no webhook is stored whose expressions do not compile.

Kubernetes does this among its other validation; here it comes after, for it is done beside the server.

After: k8s pkg/apis/admissionregistration/validation/validation.go, validateCELCondition
"""

from __future__ import annotations

from apiserver.admission.chain import CREATE, UPDATE, Attributes
from apiserver.admission.policies import expressions
from apiserver.cel.evaluator import Evaluator, NoAnswer
from kube.api import errors
from kube.api.errors import FieldError
from kube.api.meta import Object
from kube.api.resources import (
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_ADMISSION_POLICIES,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
)

EXPRESSIONS = {
    VALIDATING_ADMISSION_POLICIES: expressions.of_policy,
    MUTATING_WEBHOOK_CONFIGURATIONS: expressions.of_webhooks,
    VALIDATING_WEBHOOK_CONFIGURATIONS: expressions.of_webhooks,
}


class ExpressionCheck:
    """Has each expression compiled."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    async def validate(self, attributes: Attributes, o: Object, old: Object | None) -> None:
        of = EXPRESSIONS.get(attributes.resource)
        if of is None or attributes.subresource or attributes.operation not in (CREATE, UPDATE):
            return
        found: list[FieldError] = []
        for path, check in of(o):
            try:
                problem = await self._evaluator.problem(check)
            except NoAnswer as error:
                problem = f"compilation failed: {error}"
            if problem:
                found.append(FieldError.invalid(path, check["expression"], problem))
        if found:
            raise errors.invalid(attributes.resource.gvk, attributes.name, found)
