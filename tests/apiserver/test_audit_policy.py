"""Text tests of the audit policy: what a file says of which request, and which mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from apiserver.audit.policy import Decision, Policy
from apiserver.audit.policy_file import PolicyError, read
from tests import datadriven
from tests.apiserver.test_text import asked
from tests.datadriven import Case

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent / "testdata" / "audit"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    policies: dict[str, Policy] = {}
    datadriven.run(path, request, lambda case: handle(case, policies))


def handle(case: Case, policies: dict[str, Policy]) -> str:
    if case.command == "policy":
        try:
            policies["now"], unknown = read(yaml.safe_load(case.input))
        except PolicyError as error:
            return str(error).replace(", rules", ",\nrules")
        return "\n".join(unknown) or "ok"
    assert case.command == "decide"
    return "\n".join(f"{line}: {decide(policies['now'], line)}" for line in case.input.splitlines())


def decide(policy: Policy, line: str) -> str:
    user, info = asked(line)
    return describe(policy.decide(user if user.name != "-" else None, info))


def describe(decision: Decision) -> str:
    omitted = [f"without {stage}" for stage in sorted(decision.omit_stages)]
    omitted += ["without managedFields"] if decision.omit_managed_fields else []
    return ", ".join([decision.level.wire, *omitted])


def test_the_policy_that_is_shipped_has_no_mistakes() -> None:
    policy, unknown = read(yaml.safe_load((ROOT / "deploy" / "audit-policy.yaml").read_text()))
    assert unknown == []
    assert (
        decide(policy, "bob get :secrets a s") == "Metadata, without RequestReceived, without managedFields"
    )
    assert decide(policy, "bob update apps:deployments a web").startswith("Request,")
    assert decide(policy, "system:node:node1,system:nodes update coordination.k8s.io:leases a l").startswith(
        "None"
    )
