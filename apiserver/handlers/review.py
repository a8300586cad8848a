"""Shell: the questions one can POST: who am I, whose is this token, may someone do this. They are answered,
not stored.

After: k8s pkg/registry/authorization/*/rest.go, pkg/registry/authentication/*/storage.go
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from apiserver.admission.chain import CREATE
from apiserver.authentication.user import User
from apiserver.authorization.node import node_of
from apiserver.handlers.body import attributes, read_object
from apiserver.handlers.options import WriteOptions
from apiserver.handlers.respond import respond
from apiserver.request import ApiRequest, RequestInfo
from apiserver.server import Server
from kube.api import errors
from kube.api.errors import FieldError
from kube.api.meta import Object

RULE_PARTS = ("verbs", "apiGroups", "resources", "resourceNames")
EVERYTHING = (
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
)


async def review(server: Server, request: ApiRequest) -> Response:
    """Answer the question the kind asks."""
    options = WriteOptions.read("CreateOptions", request.query_params)
    question, _ = await read_object(request, options)
    await server.registry.admission.ask(attributes(request, CREATE, dry_run=options.dry_run), question)
    await server.cache.consistent()
    question["status"] = ANSWERS[request.kind.kind](server, request, question)
    return respond(question, 201)


def user_info(user: User) -> Object:
    """A user as reviews show him."""
    shown: Object = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        shown["uid"] = user.uid
    return shown | ({"extra": user.extra} if user.extra else {})


def self_subject(_: Server, request: ApiRequest, __: Object) -> Object:
    """Who the caller is."""
    return {"userInfo": user_info(request.caller)}


def token(server: Server, _: ApiRequest, question: Object) -> Object:
    """Whose a token is."""
    spec = question.get("spec") or {}
    if not spec.get("token"):
        raise errors.bad_request("token is required for TokenReview in authentication")
    audiences = spec.get("audiences") or [*server.tokens.audiences]
    user = server.authenticator.by_token(spec["token"], audiences)
    if user is None:
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": user_info(user), "audiences": audiences}


def own_access(server: Server, request: ApiRequest, question: Object) -> Object:
    """What the caller may do."""
    return _answer(server, request, question, request.caller)


def access(server: Server, request: ApiRequest, question: Object) -> Object:
    """What someone may do."""
    spec = question.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        text = "at least one of user or group must be specified"
        raise errors.invalid(request.kind.gvk, "", [FieldError.invalid("spec.user", "", text)])
    return _answer(server, request, question, User(spec.get("user") or "", tuple(spec.get("groups") or ())))


def local_access(server: Server, request: ApiRequest, question: Object) -> Object:
    """What someone may do in the namespace of the URL."""
    asked = (question.get("spec") or {}).get("resourceAttributes") or {}
    if asked.get("namespace", "") != request.info.namespace:
        text = f"must match metadata.namespace: {request.info.namespace}"
        found = FieldError.invalid("spec.resourceAttributes.namespace", asked.get("namespace", ""), text)
        raise errors.invalid(request.kind.gvk, "", [found])
    return access(server, request, question)


def _answer(server: Server, request: ApiRequest, question: Object, user: User) -> Object:
    spec = question.get("spec") or {}
    asked, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if (asked is None) == (path is None):
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        found = FieldError.invalid("spec.resourceAttributes", asked, text)
        raise errors.invalid(request.kind.gvk, "", [found])
    info = (
        _resource_info(asked or {})
        if path is None
        else RequestInfo(path.get("path", ""), path.get("verb", ""))
    )
    decision = server.authorizer.decide(user, info)
    return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})


def _resource_info(asked: Mapping[str, Any]) -> RequestInfo:
    return RequestInfo(
        "",
        asked.get("verb", ""),
        asked.get("group", ""),
        asked.get("version", ""),
        asked.get("namespace", ""),
        asked.get("resource") or "*",
        asked.get("name", ""),
        asked.get("subresource", ""),
        _field_selector(asked.get("fieldSelector") or {}),
    )


def _field_selector(asked: Mapping[str, Any]) -> str:
    """The selector as a URL would have it; of requirements, those that ask for one value."""
    if raw := asked.get("rawSelector"):
        return str(raw)
    terms = (
        f"{each.get('key')}={each['values'][0]}"
        for each in asked.get("requirements") or []
        if each.get("operator") == "In" and len(each.get("values") or []) == 1
    )
    return ",".join(terms)


def own_rules(server: Server, request: ApiRequest, question: Object) -> Object:
    """Every rule that holds for the caller in a namespace."""
    namespace = (question.get("spec") or {}).get("namespace") or ""
    if not namespace:
        raise errors.bad_request("no namespace on request")
    rules: Iterable[Mapping[str, Any]] = server.authorizer.policy().rules_for(request.caller, namespace)
    if request.caller.is_master:
        rules = EVERYTHING
    resources, urls = [], []
    for rule in rules:
        if "nonResourceURLs" in rule:
            urls.append({"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]})
        else:
            resources.append({part: rule[part] for part in RULE_PARTS if part in rule})
    told = {"resourceRules": resources, "nonResourceRules": urls, "incomplete": False}
    if node_of(request.caller) is not None:
        why = "node authorizer does not support user rule resolution"
        told |= {"incomplete": True, "evaluationError": why}
    return told


ANSWERS = {
    "SelfSubjectReview": self_subject,
    "TokenReview": token,
    "SelfSubjectAccessReview": own_access,
    "SubjectAccessReview": access,
    "LocalSubjectAccessReview": local_access,
    "SelfSubjectRulesReview": own_rules,
}
