"""Jobs as text: the Job, its pods and its past in shorthand + now -> what is done."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from controllers.job import untracking
from controllers.job.backoff import History
from controllers.job.indexes import Indexes
from controllers.job.job_pods import COMPLETION_INDEX, FINALIZER, INDEX_FAILURES, INDEX_IGNORED_FAILURES
from controllers.job.plan import Seen, claimed, plan
from controllers.job.template import pod_for
from kube.api import defaults, meta
from kube.api.actions import Action, Create
from kube.api.meta import Object
from tests import datadriven
from tests.controllers.rendering import render
from tests.controllers.test_plans import START, made

TESTDATA = Path(__file__).parent / "testdata" / "job"
LABELS = {"job": "work"}
SPEC = {
    "mode": "completionMode",
    "limit": "backoffLimit",
    "limit_per_index": "backoffLimitPerIndex",
    "max_failed": "maxFailedIndexes",
    "deadline": "activeDeadlineSeconds",
    "replace": "podReplacementPolicy",
    "failure": "podFailurePolicy",
    "success": "successPolicy",
}
PLAIN = ("parallelism", "completions", "suspend", "managedBy")


def job(short: dict[str, Any]) -> Object:
    """The Job `work`, with the defaults of the server; rules of its policies stand without their frame."""
    spec: Object = {part: short[part] for part in PLAIN if part in short}
    spec |= {full: short[part] for part, full in SPEC.items() if part in short}
    for policy in ("podFailurePolicy", "successPolicy"):
        if policy in spec:
            spec[policy] = {"rules": spec[policy]}
    template = {"containers": [{"name": "c", "image": "i"}], "restartPolicy": short.get("restart", "Never")}
    spec |= {
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": template},
    }
    defaults.job_spec(spec)
    status = (
        {"startTime": meta.format_time(START - timedelta(seconds=short["started"]))}
        if "started" in short
        else {}
    )
    known = [
        {"type": kind, "status": "True", "reason": f"Why{kind}", "message": "because"}
        for kind in short.get("conditions", ())
    ]
    status |= {"conditions": known} if known else {}
    return made({"name": "work", **short}, spec=spec, status=status | short.get("status", {}))


def pod(short: dict[str, Any]) -> Object:
    """A pod of the Job: phase, index, failures and ignored of its index, exit (code), ended (seconds ago)."""
    marks = {COMPLETION_INDEX: "index", INDEX_FAILURES: "failures", INDEX_IGNORED_FAILURES: "ignored"}
    annotations = {name: str(short[part]) for name, part in marks.items() if part in short}
    full = {"labels": LABELS, "owners": ["work!"], "finalizers": [FINALIZER], "annotations": annotations}
    status: Object = {"phase": short.get("phase", "Running"), "conditions": short.get("conditions", [])}
    state: Object = {}
    if "ended" in short or "exit" in short:
        ended = START - timedelta(seconds=short.get("ended", 3600))
        state = {"terminated": {"exitCode": short.get("exit", 0), "finishedAt": meta.format_time(ended)}}
    status["containerStatuses"] = [{"name": "c", "state": state, "restartCount": short.get("restarts", 0)}]
    found = made(full | short, spec={}, status=status)
    for reference in found["metadata"].get("ownerReferences", ()):
        reference |= {"apiVersion": "batch/v1", "kind": "Job"}
    return found


def gather(seen: dict[str, Any]) -> Seen:
    found = Seen(job(seen.get("job", {})), [pod(each) for each in seen.get("pods", [])])
    for part in ("may_adopt", "expectations_met"):
        if part in seen:
            setattr(found, part, seen[part])
    history = History()
    gone = [pod(each) for each in seen.get("gone", [])]
    found.failures = history.note("default/work", found.job, gone + claimed(found)[0])
    return found


def shown(action: Action, seen: Seen) -> str:
    text = render([action], {meta.uid(seen.job): seen.job})
    if isinstance(action, Create):
        index = meta.annotations(action.object).get(INDEX_FAILURES)
        return text.split("\n")[0] + (f" after {index} failures" if index is not None else "")
    return text


def handle(case: datadriven.Case) -> str:
    short = yaml.safe_load(case.input) if case.input else {}
    now = START + timedelta(seconds=float(case.option("now", "0")))
    match case.command:
        case "indexes":
            one, other = (Indexes.parse(each, short["of"]) for each in (short["one"], short.get("other", "")))
            free = one.first_missing(short.get("count", 3), short["of"])
            return f"{len(one)}: {one} | {one | other} & {one & other} missing {free}"
        case "pod":
            of = job(short.get("job", {}))
            replaced = pod(short["replaced"]) if "replaced" in short else None
            return str(yaml.safe_dump(pod_for(of, short.get("index"), replaced), sort_keys=False))
        case "stray":
            owner = job(short["job"]) if "job" in short else None
            return render(untracking.plan(pod(short["pod"]), owner), {})
    seen = gather(short)
    return "\n".join(shown(each, seen) for each in plan(seen, now)) or "nothing"


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_plan(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, handle)
