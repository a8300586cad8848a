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
