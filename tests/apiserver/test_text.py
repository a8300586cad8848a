"""Text tests of the small cores: what a URL asks for, how an answer is written, what a rule allows."""

from __future__ import annotations

import base64
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml
from starlette.datastructures import QueryParams

from apiserver.authentication.user import User
from apiserver.authorization.rbac import Policy, uncovered
from apiserver.filters.request_info import request_info
from apiserver.handlers.continue_token import Token
from apiserver.handlers.list_options import ListOptions
from apiserver.request import RequestInfo
from kube.api.errors import StatusError
from kube.api.negotiation import negotiate, negotiate_stream
from kube.api.resources import by_name
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
            return accept(case.input, case.option("stream", ""))
        case "list" | "watch":
            lines = case.input.splitlines() or [""]
            return "\n".join(f"{line}: {options(case, line)}".lstrip(": ") for line in lines)
        case "token":
            return "\n".join(f"{line}: {token(line)}" for line in case.input.splitlines())
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


def accept(text: str, stream: str) -> str:
    try:
        wanted = (negotiate_stream if stream else negotiate)(text.replace("\n", ""), TARGETS)
    except StatusError as error:
        return f"{error.code} {error.reason}: {error.message}"
    return f"{wanted.media_type} {wanted.target} {wanted.version}"


def options(case: Case, query: str) -> str:
    """What the query parameters of a list or watch of `resource [name]` say, but for what they leave out."""
    resource = by_name(case.args[0])
    assert resource is not None
    read = ListOptions.for_list if case.command == "list" else ListOptions.for_watch
    try:
        found = read(resource, QueryParams(query), *case.args[1:])
    except StatusError as error:
        return f"{error.code} {error.reason}: {error.message}"
    shown = {"labels": str(found.labels), "fields": str(found.fields), "version": found.version}
    shown |= {"match": found.match, "exact": found.is_exact, "limit": found.limit, "token": found.token}
    shown |= {"timeout": found.timeout_seconds, "bookmarks": found.bookmarks, "initial": found.initial_events}
    # No version, or no word on initial events, is another thing than 0 or False.
    told = {
        key: value
        for key, value in shown.items()
        if value or (value is not None and key in ("version", "initial"))
    }
    return " ".join(f"{key}={value}" for key, value in told.items()) or "the newest of all"


def token(text: str) -> str:
    """The token that the text is, or, if it is JSON, the one that holds it."""
    written = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") if text[0] in '{["' else text
    try:
        return repr(Token.parse(written))
    except StatusError as error:
        return f"{error.code} {error.message}"


def may(policy: Policy, line: str) -> str:
    user, info = asked(line)
    return policy.reason(user, info) or "no"


def asked(line: str) -> tuple[User, RequestInfo]:
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
    return User(name, tuple(groups)), info
