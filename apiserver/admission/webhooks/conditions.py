"""Core: the matchConditions of a webhook: expressions (CEL) that must all be true of a request.

    holds(conditions, request, user) -> True: the webhook is asked, False: it is not; else ConditionError

`request` is the AdmissionRequest that the webhook would get, with object and oldObject in it. Whoever can
evaluate CEL hands such a function to the plug-ins (apiserver/main.py). Until then nobody knows, which is
what Kubernetes makes of an expression that fails: the request is refused, or where failurePolicy is Ignore,
the webhook is left out.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions/matcher.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apiserver.authentication.user import User


class ConditionError(Exception):
    """It cannot be told whether a condition is true."""


Conditions = Sequence[Mapping[str, str]]
Holds = Callable[[Conditions, Mapping[str, Any], User], bool]


def unknown(_conditions: Conditions, _request: Mapping[str, Any], _user: User) -> bool:
    """What holds where nobody evaluates expressions."""
    raise ConditionError("matchConditions are not evaluated by this API server")
