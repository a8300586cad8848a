"""Text tests of the Pod Security Standards: a pod in, what it violates out, in Kubernetes' words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from apiserver.pod_security import configuration
from apiserver.pod_security.checks import NEWEST_MINOR, RULES, violations
from apiserver.pod_security.existing_pods import Survey, in_order
from apiserver.pod_security.levels import BASELINE, RESTRICTED, LevelVersion, Policy, policy_of, read_version
from apiserver.pod_security.pod import Pod
from apiserver.pod_security.pod_change import is_significant
from tests import datadriven
from tests.datadriven import Case

FOLDER = Path(__file__).parent / "testdata" / "pod_security"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)


def handle(case: Case) -> str:
    match case.command:
        case "baseline" | "restricted":
            return "\n".join(judged(case, version) for version in case.args or ["latest"])
        case "labels":
            return labels(case)
        case "existing":
            return existing(case)
        case "change":
            before, after = yaml.safe_load_all(case.input)
            return "judged again" if is_significant(pod(after), pod(before)) else "let be"
        case "configuration":
            read, found = configuration.read(yaml.safe_load(case.input))
            return "\n".join(map(str, found)) or said(read)
    raise AssertionError(case.command)


def said(read: configuration.Configuration) -> str:
    policy, exempt = read.defaults, (read.usernames, read.namespaces, read.runtime_classes)
    return (
        f"{policy.enforce} {policy.audit} {policy.warn} exempt: {' '.join(','.join(each) for each in exempt)}"
    )


def pod(o: dict) -> dict:
    """A pod in short: `annotations` beside what belongs into the spec; containers by name alone."""
    o = dict(o or {})
    for field in ("containers", "initContainers", "ephemeralContainers"):
        if field in o:
            o[field] = [{"name": each} if isinstance(each, str) else each for each in o[field]]
    return {"metadata": {"name": o.pop("name", "p"), **o.pop("metadata", {})}, "spec": o}


def judged(case: Case, version: str) -> str:
    """What is violated, a line each; where several versions are asked for, each begins with its name."""
    found = violations(
        Pod.of(pod(yaml.safe_load(case.input))), LevelVersion(case.command, read_version(version))
    )
    wanted = case.option("only", "")
    lines = [str(each) for each in found if each.reason.startswith(wanted)] or ["allowed"]
    return "\n".join(f"{version}: {line}" if len(case.args) > 1 else line for line in lines)


def labels(case: Case) -> str:
    said = dict(line.split("=") for line in case.input.splitlines())
    defaults = Policy(**{mode: LevelVersion(level) for mode, level in case.options.items()})
    policy, found = policy_of(
        {f"pod-security.kubernetes.io/{key}": value for key, value in said.items()}, defaults
    )
    return "\n".join([f"enforce={policy.enforce} audit={policy.audit} warn={policy.warn}", *map(str, found)])


def existing(case: Case) -> str:
    """Pods in short, with `controller`; looked at up to `limit`."""
    pods = []
    for each in yaml.safe_load(case.input):
        controller = each.pop("controller", None)
        owners = [{"controller": True, "uid": controller}] if controller else []
        pods.append(pod({**each, "metadata": {"ownerReferences": owners}}))
    ordered = in_order(pods, case.option("exempt", "").split(","))
    survey = Survey(LevelVersion(case.args[0]))
    for each in ordered[: int(case.option("limit", "3000"))]:
        survey.look_at(each)
    return "\n".join(survey.warnings("default", len(ordered))) or "nothing to say"


def test_the_table_is_in_order() -> None:
    """By level and then by name, as the texts name them; revisions from the oldest on."""
    assert list(RULES) == sorted(
        RULES, key=lambda rule: ((BASELINE, RESTRICTED).index(rule.level), rule.name)
    )
    for rule in RULES:
        assert [each.since for each in rule.revisions] == sorted({each.since for each in rule.revisions})
        assert rule.replaces in ("", *(each.name for each in RULES if each.level == BASELINE))
    assert NEWEST_MINOR == 35
