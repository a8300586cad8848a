"""Text tests of the small cores: what a URL asks for, how an answer is written, what a rule allows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from starlette.datastructures import QueryParams

from apiserver.authentication.user import User
from apiserver.authorization.rbac import Policy, uncovered
from apiserver.filters.request_info import request_info
from apiserver.negotiation import negotiate
from apiserver.request import RequestInfo
from kube.api.errors import StatusError
from tests import datadriven
from tests.datadriven import Case

FOLDER = Path(__file__).parent / "testdata" / "text"
TARGETS = ("Table", "PartialObjectMetadata")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    policies: dict[str, Policy] = {}
    datadriven.run(path, request, lambda case: handle(case, policies))


def handle(case: Case, policies: dict[str, Policy]) -> str:
    match case.command:
        case "request":
            return describe(case.input)
        case "accept":
            return accept(case.input)
        case "policy":
            objects = list(yaml.safe_load_all(case.input))
            kinds = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
            policies["now"] = Policy.build(*([o for o in objects if o["kind"] == kind] for kind in kinds))
            return "ok"
        case "may":
            return "\n".join(f"{line}: {may(policies['now'], line)}" for line in case.input.splitlines())
        case "uncovered":
            own, wanted = yaml.safe_load_all(case.input)
            return "\n".join(str(rule) for rule in uncovered(own, wanted)) or "none"
    raise AssertionError(case.command)


def describe(text: str) -> str:
    lines = []
    for line in text.splitlines():
        method, url = line.split()
        path, _, query = url.partition("?")
        info = asdict(request_info(method, path, QueryParams(query)))
        del info["path"]
        lines.append(f"{line}: " + " ".join(f"{key}={value}" for key, value in info.items() if value))
    return "\n".join(lines)


def accept(text: str) -> str:
    try:
        wanted = negotiate(text.replace("\n", ""), TARGETS)
    except StatusError as error:
        return f"{error.code} {error.reason}"
    return f"{wanted.media_type} {wanted.target} {wanted.version}"


def may(policy: Policy, line: str) -> str:
    """`user[,group] verb group:plural[/sub] [namespace] [name]`, or a path in the resource's place."""
    who, verb, what, *rest = line.split()
    name, *groups = who.split(",")
    if what.startswith("/"):
        info = RequestInfo(what, verb)
    else:
        group, _, resource = what.partition(":")
        plural, _, subresource = resource.partition("/")
        namespace, object_name = (*rest, "", "")[:2]
        info = RequestInfo("", verb, group, "v1", namespace.strip("-"), plural, object_name, subresource)
    return "yes" if policy.allows(User(name, tuple(groups)), info) else "no"
