"""Text tests of writes over HTTP: one conversation a file, with a server of its own.

POST configmaps?dryRun=All [type=merge] [show=data,metadata.generation]
the body, as YAML, or as it stands where its type is `yaml` or `raw`

A path that begins with no slash is in the namespace `default`, its first part a resource by any name.
Prints the code, the reason and message of a refusal with its causes, warnings, and what `show` asks for:
paths into the answer, or `owners`, for who owns fields.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from kube.api import meta, resources
from tests import datadriven
from tests.datadriven import Case
from tests.support.api_server import Answer, Api

FOLDER = Path(__file__).parent / "testdata" / "writes"
TYPES = {
    "json": "application/json",
    "raw": "application/json",
    "rawmerge": "application/merge-patch+json",
    "yaml": "application/yaml",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "jsonpatch": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}

CHANGING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "TIME"),
    (r'(resourceVersion\\*"?:\\*"?)[0-9]+', r"\1VERSION"),
    (
        r"\(([0-9]+)\) does not match the ResourceVersion in record \([0-9]+\)",
        r"(\1) does not match the ResourceVersion in record (VERSION)",
    ),
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
async def test_writes(path: Path, request: pytest.FixtureRequest, api: Api) -> None:
    answers = iter([await ask(api, case) for case in cases(path)])
    datadriven.run(path, request, lambda _: next(answers))


def cases(path: Path) -> list[Case]:
    return datadriven.parse(path.read_text())


async def ask(api: Api, case: Case) -> str:
    method, url, *rest = shlex.split(case.header[-1])
    options = dict(word.split("=", 1) for word in rest)
    kind = options.get("type", "json")
    body = None
    if case.input:
        raw = kind in ("yaml", "raw", "rawmerge", "apply")
        body = case.input.encode() if raw else orjson.dumps(yaml.safe_load(case.input))
    answer = await api(method, full_path(url), body, TYPES[kind], User_Agent="test/1")
    return described(answer, options.get("show", ""))


def full_path(url: str) -> str:
    if url.startswith("/"):
        return url
    path, mark, query = url.partition("?")
    word, *rest = path.split("/")
    resource = resources.by_name(word)
    assert resource is not None, word
    return "/".join([resource.path("default" if resource.namespaced else None), *rest]) + mark + query


def described(answer: Answer, show: str) -> str:
    lines = [f"warning: {each}" for each in answer.headers.getall("Warning", [])]
    o: Any = answer.json
    if answer.code >= 400:
        details = o.get("details") or {}
        lines.append(f"{answer.code} {o.get('reason', '')}: {o['message']}".rstrip())
        lines += [
            f"- {each.get('reason', '')} {each.get('field', '')}" for each in details.get("causes") or ()
        ]
        if "retryAfterSeconds" in details:
            lines.append(f"retry after {details['retryAfterSeconds']}")
    else:
        lines.append(f"{answer.code} {o['kind']}")
    for path in filter(None, show.split(",")):
        value = owners(o) if path == "owners" else at(o, path)
        text = yaml.safe_dump(value, default_flow_style=True, width=1000).replace("\n...", "").strip()
        lines.append(f"{path}: {text}")
    return masked("\n".join(lines))


def at(o: Any, path: str) -> Any:
    return meta.get(o, *(int(step) if step.isdigit() else step for step in path.split(".")))


def owners(o: Any) -> list[str]:
    """Who owns fields, through which door; without their order, which depends on the second."""
    entries = meta.get(o, "metadata", "managedFields", default=[])
    parts = ("manager", "operation", "subresource")
    return sorted(" ".join(each[part] for part in parts if part in each) for each in entries)


def masked(text: str) -> str:
    """The text without what no two runs have in common."""
    for expression, instead in CHANGING:
        text = re.sub(expression, instead, text)
    return text
