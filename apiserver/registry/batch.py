"""Core: what is special about Jobs and CronJobs.

A Job selects its pods by its own uid, through a selector and labels that are made here and never change.

After: k8s pkg/registry/batch/job/strategy.go; pkg/apis/batch/validation/validation.go
"""

from __future__ import annotations

import re

from apiserver.registry import pod_template
from apiserver.registry.strategy import Errors, Strategy, immutable, within
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.labels import Selector
from kube.api.meta import Object

RESTART_POLICIES = ("OnFailure", "Never")
CONCURRENCY = ("Allow", "Forbid", "Replace")
CRON_FIELD = re.compile(r"[\d*/,\-?A-Za-z]+")
CRON_NAME_LENGTH_MAX = 52


def begin_job(o: Object) -> None:
    """Make the selector, unless the client makes his own (manualSelector)."""
    spec = o.setdefault("spec", {})
    if spec.get("manualSelector"):
        return
    uid, name = meta.uid(o), meta.name(o)
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    template["labels"] = (template.get("labels") or {}) | labels
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})


def validate_job(o: Object) -> Errors:
    """What is wrong with a Job."""
    errors = job_spec_errors(o.get("spec") or {}, "spec")
    spec = o.get("spec") or {}
    if not Selector.from_label_selector(spec.get("selector")).matches(
        meta.labels(spec.get("template") or {})
    ):
        text = "`selector` does not match template `labels`"
        labels = meta.labels(spec.get("template") or {})
        errors.append(FieldError.invalid("spec.template.metadata.labels", labels, text))
    return errors


def job_spec_errors(spec: Object, path: str) -> Errors:
    """What is wrong with a JobSpec."""
    errors: Errors = []
    for field in (
        "parallelism",
        "completions",
        "backoffLimit",
        "activeDeadlineSeconds",
        "ttlSecondsAfterFinished",
    ):
        errors += within(spec.get(field), f"{path}.{field}", 0)
    mode = spec.get("completionMode")
    if mode not in (None, "NonIndexed", "Indexed"):
        errors.append(FieldError.not_supported(f"{path}.completionMode", mode, ("Indexed", "NonIndexed")))
    if mode == "Indexed" and spec.get("completions") is None:
        text = "when completion mode is Indexed"
        errors.append(FieldError.required(f"{path}.completions", text))
    template = spec.get("template") or {}
    errors += pod_template.check(template, f"{path}.template")
    policy = meta.get(template, "spec", "restartPolicy", default="")
    at = f"{path}.template.spec.restartPolicy"
    if policy in ("", "Always"):
        errors.append(FieldError.required(at, 'valid values: "OnFailure", "Never"'))
    elif policy not in RESTART_POLICIES:
        errors.append(FieldError.not_supported(at, policy, RESTART_POLICIES))
    return errors


def job_changes(new: Object, old: Object) -> Errors:
    """Only how much is done at once, and when it is given up, may change."""
    fields = ["spec.selector", "spec.completionMode", "spec.podFailurePolicy", "spec.backoffLimitPerIndex"]
    if meta.get(new, "spec", "completionMode") != "Indexed":
        fields.append("spec.completions")
    if not (meta.get(old, "spec", "suspend") and meta.get(new, "spec", "suspend", default=False)):
        fields.append("spec.template")
    return immutable(new, old, *fields)


def validate_cron_job(o: Object) -> Errors:
    """What is wrong with a CronJob."""
    spec = o.get("spec") or {}
    errors: Errors = []
    if len(meta.name(o)) > CRON_NAME_LENGTH_MAX:
        text = f"must be no more than {CRON_NAME_LENGTH_MAX} characters"
        errors.append(FieldError.invalid("metadata.name", meta.name(o), text))
    errors += _schedule_errors(spec.get("schedule") or "")
    if (policy := spec.get("concurrencyPolicy")) not in CONCURRENCY:
        errors.append(FieldError.not_supported("spec.concurrencyPolicy", policy or "", CONCURRENCY))
    for field in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        errors += within(spec.get(field), f"spec.{field}", 0)
    job = spec.get("jobTemplate") or {}
    return errors + job_spec_errors(job.get("spec") or {}, "spec.jobTemplate.spec")


def _schedule_errors(schedule: str) -> Errors:
    if not schedule:
        return [FieldError.required("spec.schedule")]
    fields = schedule.split()
    if schedule.startswith("@"):
        return []
    if len(fields) != 5:
        text = f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
        return [FieldError.invalid("spec.schedule", schedule, text)]
    wrong = [each for each in fields if not CRON_FIELD.fullmatch(each)]
    return [FieldError.invalid("spec.schedule", schedule, f"failed to parse {each}") for each in wrong[:1]]


JOB = Strategy(
    counts_generation=True,
    orphans_by_default=True,
    prepare_create=begin_job,
    validate=validate_job,
    validate_update=job_changes,
)
CRON_JOB = Strategy(counts_generation=True, validate=validate_cron_job)
