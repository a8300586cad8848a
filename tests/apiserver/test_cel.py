"""CEL as Kubernetes has it: what is no expression, what expressions come to, and what they cost a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from apiserver.admission.chain import CREATE, Attributes
from apiserver.admission.policies.inputs import asked_about, inputs
from apiserver.authentication.user import User
from apiserver.cel import checking
from apiserver.cel.conditions import Match, MatchConditions, inputs_of
from apiserver.cel.evaluation import Run
from apiserver.cel.evaluator import OUT_OF_BUDGET, QUESTIONS_MAX, Evaluator, NoAnswer
from apiserver.cel.jobs import Job
from apiserver.cel.library.authorization import DECISIONS, Decisions
from apiserver.cel.questions import asker
from apiserver.request import RequestInfo
from kube.api.resources import PODS
from tests import datadriven
from tests.datadriven import Case
from tests.support.wait import until_async

FOLDER = Path(__file__).parent / "testdata" / "cel"
USER = User("jane", ("dev",), "7", {"scopes": ["a"]})
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "here"}, "spec": {"n": 3}}


def told(o: Any = POD, namespace: Any = None) -> dict[str, Any]:
    attributes = Attributes(CREATE, PODS, "here", "p", USER)
    return inputs(asked_about(attributes, o, None), PODS, namespace)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    given: dict[str, Any] = {}
    datadriven.run(path, request, lambda case: handle(case, given))


def handle(case: Case, given: dict[str, Any]) -> str:
    """object, params, variables: what they are from now on; eval: what each line is worth; its arguments are
    the paths that may be got; check: whether the input is an expression.
    """
    if case.command in ("object", "params", "variables"):
        given[case.command] = yaml.safe_load(case.input)
        return "ok"
    if case.command == "check":
        return checked(case, given)
    assert case.command == "eval"
    return "\n".join(f"{line} => {value(line, given, case)}" for line in case.input.splitlines())


def value(text: str, given: dict[str, Any], case: Case) -> str:
    job: Job = {
        "inputs": {**told(given.get("object", POD)), "params": given.get("params")},
        "has_params": "params" in given,
        "variables": list((given.get("variables") or {}).items()),
    }
    decisions = Decisions({json.dumps({"path": path, "verb": "get"}): True for path in case.args})
    token = DECISIONS.set(decisions)
    result = Run(job).result(text, ())
    DECISIONS.reset(token)
    if decisions.asked:
        return f"asks {', '.join(decisions.asked)}"
    if "error" in result:
        return "error: " + result["error"].removeprefix(f"expression '{text}' resulted in error: ")
    return json.dumps(result["value"], sort_keys=True)


def checked(case: Case, given: dict[str, Any]) -> str:
    problem = checking.check(
        {
            "expression": case.input,
            "wanted": [each for each in case.option("wanted", "").split(",") if each],
            "has_params": "params" in case.args,
            "has_authorizer": "authorizer" in case.args,
            "variables": list(given["variables"].items()) if "variables" in given else None,
        }
    )["problem"]
    return problem or "ok"


@pytest.fixture
async def evaluator() -> AsyncIterator[Evaluator]:
    made = Evaluator()
    yield made
    await made.close()


class Rights:
    """An authorizer that allows one verb, and remembers what it was asked."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self.asked: list[tuple[str, RequestInfo]] = []

    def allows(self, user: User, info: RequestInfo) -> bool:
        self.asked.append((user.name, info))
        return info.verb == self.verb


def condition(*expressions: str) -> MatchConditions:
    return MatchConditions([{"name": f"c{i}", "expression": each} for i, each in enumerate(expressions)])


async def test_match_conditions_of_a_webhook(evaluator: Evaluator) -> None:
    async def match(*expressions: str) -> Match:
        return await condition(*expressions).match(evaluator, told(), asker(Rights("get"), USER))

    assert await match() == Match(True)
    assert await match("object.spec.n == 3", "request.userInfo.groups == ['dev']") == Match(True)
    assert await match("object.spec.n == 3", "object.spec.n == 4") == Match(False)
    # One that is false settles it, whatever becomes of the others.
    assert await match("object.nope == 1", "false") == Match(False)
    missing = "expression 'object.nope == 1' resulted in error: no such key: nope"
    assert await match("object.nope == 1", "true") == Match(False, missing)
    found = await match("object.nope == 1", "[1][2] == 1")
    other = "expression '[1][2] == 1' resulted in error: index out of bounds: 2"
    assert found == Match(False, f"[{missing}, {other}]")


async def test_match_conditions_take_the_request_of_a_webhook(evaluator: Evaluator) -> None:
    request = {**told()["request"], "uid": "1", "object": POD, "oldObject": None, "options": None}
    texts = ("object.spec.n == 3", "oldObject == null", "namespaceObject == null", "request.name == 'p'")
    found = await condition(*texts).match(evaluator, inputs_of(request), asker(Rights(""), USER))
    assert found == Match(True)


async def test_what_an_expression_asks_the_authorizer(evaluator: Evaluator) -> None:
    rights = Rights("get")
    texts = (
        "authorizer.group('apps').resource('deployments').subresource('scale').namespace('a').name('b')"
        ".check('get').allowed()",
        "!authorizer.requestResource.check('delete').allowed()",
        "authorizer.path('/metrics').check('get').allowed()",
        "authorizer.serviceAccount('a', 'b').group('').resource('pods').check('get').allowed()",
    )
    assert await condition(*texts).match(evaluator, told(), asker(rights, USER)) == Match(True)
    assert rights.asked == [
        ("jane", RequestInfo("", "get", "apps", "*", "a", "deployments", "b", "scale")),
        ("jane", RequestInfo("", "delete", "", "*", "here", "pods", "p")),
        ("jane", RequestInfo("/metrics", "get")),
        ("system:serviceaccount:a:b", RequestInfo("", "get", "", "*", "", "pods")),
    ]


async def test_the_authorizer_is_not_asked_without_end(evaluator: Evaluator) -> None:
    rights = Rights("get")
    asked = "authorizer.path('/' + string(x * 10 + y)).check('get').allowed()"
    text = f"[1,2,3,4,5,6].all(x, [1,2,3,4,5,6].all(y, {asked}))"
    found = await condition(text).match(evaluator, told(), asker(rights, USER))
    assert found == Match(False, OUT_OF_BUDGET)
    assert len(rights.asked) <= 36 + QUESTIONS_MAX


LARGE = {**POD, "spec": {"n": 3, "list": list(range(2000)), "text": "ab" * 700_000}}


def doubled(times: int) -> list[tuple[str, str]]:
    """Variables, each twice as long as the one before."""
    first = ("v0", "object.spec.text")
    return [first, *((f"v{i + 1}", f"variables.v{i} + variables.v{i}") for i in range(times))]


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        pytest.param([], "object.spec.list.all(x, !object.spec.text.matches('(a|b)*c'))", id="time"),
        pytest.param(doubled(12), "variables.v12 == ''", id="memory"),
    ],
)
async def test_what_takes_too_much_ends_with_its_process(
    evaluator: Evaluator, variables: Any, text: str
) -> None:
    job: Job = {"inputs": told(LARGE), "variables": variables, "validations": [(text, "")]}
    quick: Job = {"inputs": told(), "validations": [("true", "")]}
    before, found, after = await evaluator.evaluate([quick, job, quick], asker(Rights(""), USER))
    assert isinstance(found, NoAnswer)
    assert (
        before
        == after
        == {"matches": True, "errors": [], "validations": [{"value": True}], "annotations": []}
    )
    assert await condition("object.spec.n == 3").match(evaluator, told(), asker(Rights(""), USER)) == Match(
        True
    )


async def test_rounds_of_all_loops_are_counted_together(evaluator: Evaluator) -> None:
    text = "object.spec.list.all(x, object.spec.list.all(y, x + y >= 0))"
    found = await condition(text).match(evaluator, told(LARGE), asker(Rights(""), USER))
    why = "operation cancelled: actual cost limit exceeded"
    assert found == Match(False, f"expression '{text}' resulted in error: {why}")


async def test_who_waits_no_longer_leaves_nothing_to_the_next(evaluator: Evaluator) -> None:
    """Half an answer would be taken for the next one's."""
    slow = condition("object.spec.list.all(x, !object.spec.text.matches('(a|b)*c'))")
    waiting = asyncio.create_task(slow.match(evaluator, told(LARGE), asker(Rights(""), USER)))
    await until_async("a process at work", lambda: evaluator._worker is not None)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await condition("object.spec.n == 3").match(evaluator, told(), asker(Rights(""), USER)) == Match(
        True
    )


async def test_a_process_that_was_killed_is_replaced(evaluator: Evaluator) -> None:
    quick = condition("object.spec.n == 3")
    assert await quick.match(evaluator, told(), asker(Rights(""), USER)) == Match(True)
    worker = evaluator._worker
    assert worker is not None
    worker.process.kill()
    await until_async("its end", lambda: worker.process.poll() is not None)
    assert await quick.match(evaluator, told(), asker(Rights(""), USER)) == Match(True)
