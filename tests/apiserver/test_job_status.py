"""What a Job's status may take back: successes of indexes that the Job no longer has, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.registry.workloads import job_status


def texts(spec: dict[str, Any], field: str) -> list[str]:
    new, old = ({"spec": spec, "status": {field: number}} for number in (1, 3))
    return [error.message for error in job_status.changes(new, old)]


@pytest.mark.parametrize(
    "spec",
    [
        {"completionMode": "NonIndexed", "completions": 2, "parallelism": 2},
        {"completionMode": "Indexed", "completions": 3, "parallelism": 2},
    ],
    ids=["without indexes", "not all at once"],
)
def test_successes_are_not_taken_back(spec: dict[str, Any]) -> None:
    assert "cannot decrease the succeeded counter" in texts(spec, "succeeded")[0]


def test_a_job_made_smaller_has_succeeded_less() -> None:
    spec = {"completionMode": "Indexed", "completions": 2, "parallelism": 2}
    assert texts(spec, "succeeded") == []
    assert "cannot decrease the failed counter" in texts(spec, "failed")[0]
