"""ValidatingAdmissionPolicies: the examples of Kubernetes' documentation, and refusals in its words."""

from __future__ import annotations

import re
from typing import Any

import orjson

from apiserver.authentication.user import User
from tests.support.api_server import Answer, Api, serving

GROUP = "/apis/admissionregistration.k8s.io/v1"
POLICIES, BINDINGS = f"{GROUP}/validatingadmissionpolicies", f"{GROUP}/validatingadmissionpolicybindings"
SPACE = "/api/v1/namespaces/default"
DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"
RULE = {"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"]}
RULES = {"resourceRules": [{**RULE, "operations": ["CREATE", "UPDATE"]}]}
CONFIG_MAPS = {
    "resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
    ]
}
LIMIT = {"expression": "object.spec.replicas <= 5"}


def policy(name: str = "p", *validations: Any, rules: Any = RULES, **spec: Any) -> Any:
    checks = {"validations": list(validations)} if validations else {}
    return {"metadata": {"name": name}, "spec": {"matchConstraints": rules, **checks, **spec}}


def binding(name: str = "b", to: str = "p", *actions: str, **spec: Any) -> Any:
    of = {"policyName": to, "validationActions": list(actions or ("Deny",)), **spec}
    return {"metadata": {"name": name}, "spec": of}


def deployment(replicas: int = 3, name: str = "x", **metadata: Any) -> Any:
    labels = {"app": "x"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": pod}
    return {"metadata": {"name": name, **metadata}, "spec": spec}


async def have(api: Api, *objects: Any) -> None:
    for o in objects:
        await api.ok("POST", BINDINGS if "policyName" in o["spec"] else POLICIES, o)
    await api.server.cache.consistent()


async def namespace(api: Api, name: str, **labels: str) -> None:
    await api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    await api.server.cache.consistent()


async def create(api: Api, o: Any, space: str = "default") -> Answer:
    return await api("POST", DEPLOYMENTS.format(space), o)


def denied(answer: Answer, code: int = 422, reason: str = "Invalid") -> str:
    assert (answer.code, answer.json["reason"]) == (code, reason), answer.body
    message: str = answer.json["message"]
    return message


BY = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: "


async def test_a_request_that_does_not_hold_is_denied_in_kubernetes_words(api: Api) -> None:
    await have(api, policy("p", LIMIT), binding())
    assert (await create(api, deployment(5))).code == 201
    answer = await create(api, deployment(6, "y"))
    text = f"{BY}failed expression: object.spec.replicas <= 5"
    assert denied(answer) == f'deployments.apps "y" is forbidden: {text}'
    assert answer.json["details"] == {
        "name": "y",
        "group": "apps",
        "kind": "deployments",
        "causes": [{"message": text}],
    }
    body = {"spec": {"replicas": 6}}
    patch = "application/merge-patch+json"
    answer = await api("PATCH", f"{DEPLOYMENTS.format('default')}/x", body, patch)
    assert denied(answer).endswith(text)


async def test_a_policy_without_a_binding_and_one_that_is_gone_do_nothing(api: Api) -> None:
    await have(api, policy("p", {"expression": "false"}))
    assert (await create(api, deployment())).code == 201
    await have(api, binding())
    assert (await create(api, deployment(1, "y"))).code == 422
    await api.ok("DELETE", f"{POLICIES}/p")
    await api.server.cache.consistent()
    assert (await create(api, deployment(1, "y"))).code == 201


async def test_parameters_a_namespace_and_messages_made_of_them(api: Api) -> None:
    """A limit for each environment; the parameters are ConfigMaps beside the Deployments."""
    limit = {
        "expression": "object.spec.replicas <= int(params.data.max)",
        "messageExpression": "'object.spec.replicas must be no greater than ' + params.data.max",
        "reason": "Forbidden",
    }
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    here = {"name": "limit", "parameterNotFoundAction": "Deny"}
    await namespace(api, "test", environment="test")
    await namespace(api, "elsewhere")
    for space, most in (("default", "3"), ("test", "5")):
        made = {"metadata": {"name": "limit"}, "data": {"max": most}}
        await api.ok("POST", f"/api/v1/namespaces/{space}/configmaps", made)
    await have(api, policy("p", limit, paramKind=kind), binding(paramRef=here))
    assert (await create(api, deployment(3))).code == 201
    message = denied(await create(api, deployment(4, "y")), 403, "Forbidden")
    assert message.endswith(f"{BY}object.spec.replicas must be no greater than 3")
    assert (await create(api, deployment(5), "test")).code == 201
    message = denied(await create(api, deployment(1), "elsewhere"))
    why = "no params found for policy binding with `Deny` parameterNotFoundAction"
    assert message.endswith(f"{BY}failed to configure binding: {why}")


async def test_parameters_by_selector_are_each_asked(api: Api) -> None:
    for name, most in (("one", "9"), ("two", "2"), ("three", "1")):
        labels = {"limits": "yes"} if name != "three" else {}
        made = {"metadata": {"name": name, "labels": labels}, "data": {"max": most}}
        await api.ok("POST", f"{SPACE}/configmaps", made)
    limit = {"expression": "object.spec.replicas <= int(params.data.max)"}
    chosen = {"selector": {"matchLabels": {"limits": "yes"}}, "parameterNotFoundAction": "Allow"}
    kind = {"apiVersion": "v1", "kind": "ConfigMap"}
    other = {"selector": {"matchLabels": {"limits": "none"}}, "parameterNotFoundAction": "Allow"}
    bound = binding(paramRef=chosen), binding("other", paramRef=other)
    await have(api, policy("p", limit, paramKind=kind), *bound)
    assert (await create(api, deployment(2))).code == 201
    assert BY in denied(await create(api, deployment(3, "y")))


async def test_an_unknown_kind_of_parameters_is_for_the_failure_policy(api: Api) -> None:
    kind = {"apiVersion": "rules.example.com/v1", "kind": "ReplicaLimit"}
    await have(api, policy("p", LIMIT, paramKind=kind), binding())
    why = "failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=ReplicaLimit'"
    said = f"ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: {why}"
    assert denied(await create(api, deployment())).endswith(said)


async def test_warnings_and_annotations_let_the_request_pass(api: Api) -> None:
    notes = [
        {"key": "replicas", "valueExpression": "'has ' + string(object.spec.replicas)"},
        {"key": "none", "valueExpression": "null"},
    ]
    await have(api, policy("p", LIMIT, auditAnnotations=notes), binding("b", "p", "Warn", "Audit"))
    told: list[dict[str, str]] = []
    api.server.registry.admission = Listening(api.server.registry.admission, told)  # type: ignore[assignment]
    answer = await create(api, deployment(6))
    assert answer.code == 201
    text = "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': "
    text += "failed expression: object.spec.replicas <= 5"
    assert answer.headers.getall("Warning") == [f'299 - "{text}"']
    [annotations] = told
    failure = orjson.loads(annotations.pop("validation.policy.admission.k8s.io/validation_failure"))
    assert failure == [
        {
            "message": "failed expression: object.spec.replicas <= 5",
            "policy": "p",
            "binding": "b",
            "expressionIndex": 0,
            "validationActions": ["Warn", "Audit"],
        }
    ]
    assert annotations == {"p/replicas": "has 6"}


class Listening:
    """The chain of plug-ins, and what it leaves for the audit log."""

    def __init__(self, chain: Any, told: list[dict[str, str]]) -> None:
        self.chain, self.told = chain, told

    async def admit(self, attributes: Any, o: Any, old: Any = None) -> None:
        await self.chain.admit(attributes, o, old)

    async def validate(self, attributes: Any, o: Any, old: Any = None) -> None:
        await self.chain.validate(attributes, o, old)
        self.told.append(dict(attributes.annotations))


async def test_errors_follow_the_failure_policy(api: Api) -> None:
    bad = {"expression": "object.spec.nope <= 5"}
    await have(api, policy("p", bad), binding())
    why = "expression 'object.spec.nope <= 5' resulted in error: no such key: nope"
    assert denied(await create(api, deployment())).endswith(f"{BY}{why}")
    await api.ok("DELETE", f"{POLICIES}/p")
    await have(api, policy("p", bad, failurePolicy="Ignore"))
    assert (await create(api, deployment())).code == 201


async def test_conditions_variables_and_the_authorizer(api: Api) -> None:
    """Nobody but those who may `bypass` runs images without a tag, and nodes are not asked."""
    conditions = [
        {"name": "not-a-node", "expression": "!('system:nodes' in request.userInfo.groups)"},
        {
            "name": "no-bypass",
            "expression": "!authorizer.group('apps').resource('deployments').namespace('default')"
            ".check('bypass').allowed()",
        },
    ]
    variables = [
        {"name": "containers", "expression": "object.spec.template.spec.containers"},
        {"name": "bad", "expression": "variables.containers.filter(c, !c.image.contains(':'))"},
        {"name": "unused", "expression": "object.spec.nope"},
    ]
    check = {
        "expression": "size(variables.bad) == 0 || variables.unused == 1",
        "messageExpression": "'without a tag: ' + variables.bad.map(c, c.name).join(', ')",
    }
    made = policy("p", check, matchConditions=conditions, variables=variables, failurePolicy="Fail")
    untagged = deployment(1, "y")
    untagged["spec"]["template"]["spec"]["containers"][0]["image"] = "i"
    await have(api, made, binding())
    # An administrator may do everything, so also bypass.
    assert (await create(api, untagged)).code == 201
    await api.ok("DELETE", f"{POLICIES}/p")
    check["expression"] = "size(variables.bad) == 0"
    await have(api, policy("p", check, matchConditions=conditions[:1], variables=variables))
    assert (await create(api, deployment())).code == 201
    untagged["metadata"]["name"] = "z"
    assert denied(await create(api, untagged)).endswith(f"{BY}without a tag: c")
    await api.ok("DELETE", f"{POLICIES}/p")
    check["expression"] += " || variables.unused == 1"
    await have(api, policy("p", check, matchConditions=conditions[:1], variables=variables))
    why = 'resulted in error: composited variable "unused" fails to evaluate: no such key: nope'
    assert denied(await create(api, untagged)).endswith(why)


async def test_the_authorizer_is_asked_about_whoever_asks() -> None:
    rule = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["create", "get", "list"]}
    role = {"metadata": {"name": "maker"}, "rules": [rule]}
    subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    kind = {"kind": "ClusterRole", "name": "maker", "apiGroup": "rbac.authorization.k8s.io"}
    bound = {"metadata": {"name": "maker"}, "subjects": [subject], "roleRef": kind}
    account = "authorizer.serviceAccount('default', 'default').path('/secrets')"
    checks = (
        {"expression": "authorizer.requestResource.check('create').allowed()", "message": "may not create"},
        {"expression": f"{account}.check('get').allowed()", "message": "the account may not"},
    )
    async with serving() as admin:
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        await admin.ok("POST", f"{rbac}/clusterroles", role)
        await admin.ok("POST", f"{rbac}/clusterrolebindings", bound)
        await have(admin, policy("p", *checks), binding())
        async with serving(admin.server.storage, User("jane", ("system:authenticated",))) as jane:
            await jane.server.cache.consistent()
            assert denied(await create(jane, deployment())).endswith(f"{BY}the account may not")


async def test_parameters_are_only_for_those_who_may_read_them() -> None:
    """A policy could show them in its message."""
    kind = {"apiVersion": "v1", "kind": "Secret"}
    every = {"apiGroups": ["admissionregistration.k8s.io"], "resources": ["*"], "verbs": ["*"]}
    role = {"metadata": {"name": "policies"}, "rules": [every]}
    subject = {"kind": "User", "name": "jane", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": "policies", "apiGroup": "rbac.authorization.k8s.io"}
    bound = {"metadata": {"name": "policies"}, "subjects": [subject], "roleRef": reference}
    secret = {"name": "s", "namespace": "kube-system", "parameterNotFoundAction": "Deny"}
    async with serving() as admin:
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        await admin.ok("POST", f"{rbac}/clusterroles", role)
        await admin.ok("POST", f"{rbac}/clusterrolebindings", bound)
        await have(admin, policy("theirs", LIMIT, paramKind=kind))
        async with serving(admin.server.storage, User("jane", ("system:authenticated",))) as jane:
            await jane.server.cache.consistent()
            refused = denied(await jane("POST", POLICIES, policy("p", LIMIT, paramKind=kind)))
            why = 'user "jane" must have "get" permission on all objects of the referenced paramKind '
            assert refused.endswith(f"spec.paramKind: Forbidden: {why}(kind=Secret, apiVersion=v1)")
            refused = denied(await jane("POST", BINDINGS, binding(to="theirs", paramRef=secret)))
            why = 'user "jane" does not have "get" permission on the object referenced by paramRef'
            assert refused.endswith(f"spec.paramRef: Forbidden: {why}")
            await have(jane, policy("p", LIMIT), binding())


async def test_matching_by_namespace_object_name_and_version(api: Api) -> None:
    await namespace(api, "prod", environment="prod")
    labelled = {"namespaceSelector": {"matchLabels": {"environment": "prod"}}}
    await have(api, policy("p", {"expression": "false"}, rules={**RULES, **labelled}), binding())
    assert (await create(api, deployment())).code == 201
    assert BY in denied(await create(api, deployment(), "prod"))
    skipped = {"excludeResourceRules": [{**RULE, "operations": ["*"], "resourceNames": ["y"]}]}
    picked = {"objectSelector": {"matchExpressions": [{"key": "skip", "operator": "DoesNotExist"}]}}
    await api.ok("DELETE", f"{POLICIES}/p")
    await have(api, policy("p", {"expression": "false"}, rules={**RULES, **skipped, **picked}))
    assert (await create(api, deployment(1, "y"))).code == 201
    assert (await create(api, deployment(1, "z", labels={"skip": ""}))).code == 201
    assert BY in denied(await create(api, deployment(1, "w")))


async def test_a_binding_narrows_its_policy(api: Api) -> None:
    await namespace(api, "prod", environment="prod")
    where = {"namespaceSelector": {"matchLabels": {"environment": "prod"}}}
    await have(api, policy("p", {"expression": "false"}), binding(matchResources=where))
    assert (await create(api, deployment())).code == 201
    assert BY in denied(await create(api, deployment(), "prod"))


async def test_a_deletion_shows_the_object_as_the_old_one(api: Api) -> None:
    check = {
        "expression": "request.operation != 'DELETE' || !has(oldObject.data.keep) && object == null",
        "message": "it is to be kept",
    }
    await have(api, policy("p", check, rules=CONFIG_MAPS), binding())
    for name, data in (("one", {}), ("two", {"keep": "yes"})):
        await api.ok("POST", f"{SPACE}/configmaps", {"metadata": {"name": name}, "data": data or {"a": "b"}})
    await api.ok("DELETE", f"{SPACE}/configmaps/one")
    assert denied(await api("DELETE", f"{SPACE}/configmaps/two")).endswith(f"{BY}it is to be kept")


async def test_a_scale_is_seen_as_such(api: Api) -> None:
    scale = {"resourceRules": [{**RULE, "operations": ["UPDATE"], "resources": ["deployments/scale"]}]}
    check = {
        "expression": "object.kind == 'Scale' && request.kind.kind == 'Scale' && "
        "request.subResource == 'scale' && object.spec.replicas <= oldObject.spec.replicas + 1",
        "message": "one at a time",
    }
    await have(api, policy("p", check, rules=scale), binding())
    await api.ok("POST", DEPLOYMENTS.format("default"), deployment(1))
    path = f"{DEPLOYMENTS.format('default')}/x/scale"
    merge = "application/merge-patch+json"
    await api.ok("PATCH", path, {"spec": {"replicas": 2}}, merge)
    assert denied(await api("PATCH", path, {"spec": {"replicas": 9}}, merge)).endswith(f"{BY}one at a time")


async def test_the_namespace_is_there_to_be_asked(api: Api) -> None:
    await namespace(api, "prod", environment="prod")
    check = {"expression": "namespaceObject.metadata.?labels.environment.orValue('') != 'prod'"}
    await have(api, policy("p", check), binding())
    assert (await create(api, deployment())).code == 201
    assert BY in denied(await create(api, deployment(), "prod"))


async def test_policies_do_not_apply_to_policies_and_questions(api: Api) -> None:
    everything = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    await have(api, policy("p", {"expression": "false"}, rules={"resourceRules": [everything]}), binding())
    assert (await create(api, deployment())).code == 422
    assert (await api("POST", f"{SPACE}/configmaps", {"metadata": {"name": "x"}})).code == 422
    asked = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    await api.ok("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", asked)
    await api.ok("DELETE", f"{BINDINGS}/b")
    await api.ok("DELETE", f"{POLICIES}/p")


async def test_an_expression_that_takes_too_long_ends_in_an_error_and_the_next_goes_on(api: Api) -> None:
    long = {"expression": "object.data.all(k, !object.data[k].matches('(a|b)*c'))"}
    await have(api, policy("p", long, rules=CONFIG_MAPS), binding())
    data = {f"k{index}": "ab" * 450 for index in range(500)}
    made = {"metadata": {"name": "small"}, "data": {"a": "b"}}
    assert (await api("POST", f"{SPACE}/configmaps", made)).code == 201
    nested = {"expression": "object.data.all(a, object.data.all(b, a != b + 'x'))"}
    await have(api, policy("q", nested, rules=CONFIG_MAPS), binding("c", "q"))
    message = denied(await api("POST", f"{SPACE}/configmaps", {"metadata": {"name": "big"}, "data": data}))
    assert message.endswith("resulted in error: operation cancelled: actual cost limit exceeded")
    made["metadata"]["name"] = "small-again"
    assert (await api("POST", f"{SPACE}/configmaps", made)).code == 201


async def test_what_is_no_expression_is_refused(api: Api) -> None:
    answer = await api("POST", POLICIES, policy("p", {"expression": "object.spec.replicas <="}))
    assert denied(answer).startswith(
        'ValidatingAdmissionPolicy.admissionregistration.k8s.io "p" is invalid: '
        'spec.validations[0].expression: Invalid value: "object.spec.replicas <=": compilation failed: '
        "ERROR: <input>:1:24: Syntax error: mismatched input '<EOF>' expecting "
    )
    wrong = policy("p", {"expression": "object.spec.replicas", "messageExpression": "1"})
    wrong["spec"]["variables"] = [{"name": "v", "expression": "params.x"}]
    wrong["spec"]["matchConditions"] = [{"name": "c", "expression": "variables.v == 1"}]
    wrong["spec"]["auditAnnotations"] = [{"key": "k", "valueExpression": "variables.nope"}]
    answer = await api("POST", POLICIES, wrong)
    causes = {each["field"]: each["message"] for each in answer.json["details"]["causes"]}
    said = {field: re.sub(r"\n.*", "", text, flags=re.DOTALL) for field, text in causes.items()}
    undeclared = "compilation failed: ERROR: <input>:1:1: undeclared reference to '{}' (in container '')"
    assert said == {
        "spec.variables[0].expression": f'Invalid value: "params.x": {undeclared.format("params")}',
        "spec.matchConditions[0].expression": 'Invalid value: "variables.v == 1": '
        + undeclared.format("variables"),
        "spec.validations[0].expression": 'Invalid value: "object.spec.replicas": must evaluate to bool but '
        "got dyn",
        "spec.validations[0].messageExpression": 'Invalid value: "1": must evaluate to string but got int',
        "spec.auditAnnotations[0].valueExpression": 'Invalid value: "variables.nope": compilation failed: '
        "ERROR: <input>:1:10: undefined field 'nope'",
    }


async def test_what_takes_too_long_to_compile_is_refused(api: Api) -> None:
    """Each of these doubles what is before it."""
    hostile = "optional.of(1)" + ".optMap(x, x)" * 25 + ".hasValue()"
    message = denied(await api("POST", POLICIES, policy("p", {"expression": hostile})))
    assert "spec.validations[0].expression: Invalid value: " in message
    assert "compilation failed: " in message
    await api.ok("POST", POLICIES, policy("p", LIMIT))


async def test_a_webhook_s_conditions_are_checked_too(api: Api) -> None:
    hook = {
        "name": "a.example.com",
        "clientConfig": {"url": "https://127.0.0.1/"},
        "rules": [{**RULE, "operations": ["CREATE"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": "c", "expression": "objet == null"}],
    }
    made = {"metadata": {"name": "w"}, "webhooks": [hook]}
    answer = await api("POST", f"{GROUP}/validatingwebhookconfigurations", made)
    assert "webhooks[0].matchConditions[0].expression: Invalid value: " in denied(answer)
    assert "undeclared reference to 'objet' (in container '')" in denied(answer)
