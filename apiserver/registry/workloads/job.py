"""Core: what is special about Jobs: pods that are to end, selected by the Job's own uid.

The selector and its labels are made here and never change. What else may change is in `job_update.py`, what a
status may say in `job_status.py`, the rules for failed and succeeded pods in `job_policies.py`.

After: k8s pkg/registry/batch/job/strategy.go; pkg/apis/batch/validation/validation.go, ValidateJob
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, names, selectors
from apiserver.registry.pods import pod_template
from apiserver.registry.strategy import Errors, Strategy
from apiserver.registry.workloads import job_policies, job_status, job_update
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.labels import Selector
from kube.api.meta import Object

RESTART_POLICIES = ("OnFailure", "Never")
MODES = ("NonIndexed", "Indexed")
REPLACEMENTS = ("Failed", "TerminatingOrFailed")
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
UID, NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID, OLD_NAME = "controller-uid", "job-name"
MANAGER_BYTES_MAX = 63
# How large the status of a Job with an index for each pod can grow.
PARALLELISM_MAX = 100_000
FAILED_INDEXES_MAX = 100_000
MANY_COMPLETIONS = 100_000
MANY_PARALLELISM_MAX = 10_000
MANY_FAILED_INDEXES_MAX = 10_000


def begin(o: Object) -> None:
    """Make the selector, unless the client makes his own (manualSelector)."""
    spec = o.setdefault("spec", {})
    if spec.get("manualSelector"):
        return
    template = spec.setdefault("template", {}).setdefault("metadata", {})
    # What a client set is left for validation to refuse.
    template["labels"] = _own_labels(o) | (template.get("labels") or {})
    selector = spec.setdefault("selector", {})
    selector["matchLabels"] = {UID: meta.uid(o)} | (selector.get("matchLabels") or {})
    # As defaults do, which come too early for the labels made here.
    if not meta.labels(o):
        o["metadata"]["labels"] = dict(template["labels"])


def _own_labels(o: Object) -> dict[str, str]:
    return {UID: meta.uid(o), NAME: meta.name(o), OLD_UID: meta.uid(o), OLD_NAME: meta.name(o)}


def validate(o: Object) -> Errors:
    """What is wrong with a Job."""
    spec = o.get("spec") or {}
    errors = spec_errors(spec, "spec")
    selector, labels = spec.get("selector"), meta.labels(spec.get("template") or {})
    if selector is None:
        return [*errors, FieldError.required("spec.selector"), selectors.not_matching(labels)]
    wrong = selectors.label_selector(selector, "spec.selector")
    if not wrong and not Selector.from_label_selector(selector).matches(labels):
        wrong.append(selectors.not_matching(labels))
    return errors + wrong


def validate_create(o: Object) -> Errors:
    """What is wrong with a Job only when it is new."""
    spec, name = o.get("spec") or {}, meta.name(o)
    errors = [] if spec.get("manualSelector") else _generated(o, spec)
    if spec.get("completionMode") == "Indexed" and (spec.get("completions") or 0) > 0:
        longest = f"{name}-{spec['completions'] - 1}"
        if names.dns_label(longest):
            text = f"will not able to create pod with invalid DNS label: {longest}"
            errors.append(FieldError.invalid("metadata.name", name, text))
    return errors


def _generated(o: Object, spec: Any) -> Errors:
    """The selector and the labels are those that were made for this Job."""
    labels = meta.labels(spec.get("template") or {})
    errors: Errors = []
    wanted = _own_labels(o)
    for key in (OLD_UID, OLD_NAME, UID, NAME):
        if labels.get(key) != wanted[key]:
            path = f"spec.template.metadata.labels[{key}]"
            errors.append(FieldError.invalid(path, dict(sorted(labels.items())), f"must be '{wanted[key]}'"))
    selector = spec["selector"]
    readable = not selectors.label_selector(selector, "")
    if readable and not Selector.from_label_selector(selector).matches(wanted):
        text = "`selector` not auto-generated"
        errors.append(FieldError.invalid("spec.selector", selector, text))
    return errors


def spec_errors(spec: Any, path: str) -> Errors:
    """What is wrong with a JobSpec, but for its selector."""
    errors: Errors = []
    for field in COUNTS:
        errors += formats.non_negative(spec.get(field), f"{path}.{field}")
    if "maxFailedIndexes" in spec and "backoffLimitPerIndex" not in spec:
        text = "when maxFailedIndexes is specified"
        errors.append(FieldError.required(f"{path}.backoffLimitPerIndex", text))
    if "managedBy" in spec:
        errors += _manager(spec["managedBy"], f"{path}.managedBy")
    mode = spec.get("completionMode")
    errors += formats.optional_choice(mode, f"{path}.completionMode", MODES)
    errors += _indexed(spec, path) if mode == "Indexed" else _not_indexed(spec, path)
    if "podFailurePolicy" in spec:
        errors += job_policies.failure(spec, f"{path}.podFailurePolicy")
    if "successPolicy" in spec:
        errors += job_policies.success(spec, f"{path}.successPolicy")
    replacements = ("Failed",) if "podFailurePolicy" in spec else REPLACEMENTS
    errors += formats.optional_choice(
        spec.get("podReplacementPolicy"), f"{path}.podReplacementPolicy", replacements
    )
    return errors + _template(spec, path)


def _template(spec: Any, path: str) -> Errors:
    template = spec.get("template") or {}
    errors = pod_template.check(template, f"{path}.template")
    policy = meta.get(template, "spec", "restartPolicy", default="")
    at = f"{path}.template.spec.restartPolicy"
    if policy in ("", "Always"):
        errors.append(FieldError.required(at, 'valid values: "OnFailure", "Never"'))
    elif policy not in RESTART_POLICIES:
        errors.append(FieldError.not_supported(at, policy, RESTART_POLICIES))
    elif "podFailurePolicy" in spec and policy != "Never":
        text = 'only "Never" is supported when podFailurePolicy is specified'
        errors.append(FieldError.invalid(at, policy, text))
    return errors


def _manager(name: str, path: str) -> Errors:
    domain, slash, rest = name.partition("/")
    errors: Errors = []
    if not name:
        return [FieldError.required(path)]
    if not slash or not domain or not rest:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        return [FieldError.invalid(path, name, text)]
    errors += [FieldError.invalid(path, domain, each) for each in names.dns_subdomain(domain)]
    if len(name) > MANAGER_BYTES_MAX:
        errors.append(FieldError.too_long(path, MANAGER_BYTES_MAX))
    return errors


def _not_indexed(spec: Any, path: str) -> Errors:
    text = "requires indexed completion mode"
    fields = [field for field in ("backoffLimitPerIndex", "maxFailedIndexes") if field in spec]
    if spec.get("completionMode") not in (None, "NonIndexed"):
        return []
    return [FieldError.invalid(f"{path}.{field}", spec[field], text) for field in fields]


def _indexed(spec: Any, path: str) -> Errors:
    total, wide, failed = spec.get("completions"), spec.get("parallelism") or 0, spec.get("maxFailedIndexes")
    errors: Errors = []
    if total is None:
        errors.append(FieldError.required(f"{path}.completions", "when completion mode is Indexed"))
    if wide > PARALLELISM_MAX:
        text = f"must be less than or equal to {PARALLELISM_MAX} when completion mode is Indexed"
        errors.append(FieldError.invalid(f"{path}.parallelism", wide, text))
    if failed is not None and total is not None and failed > total:
        text = "must be less than or equal to completions"
        errors.append(FieldError.invalid(f"{path}.maxFailedIndexes", failed, text))
    if failed is not None and failed > FAILED_INDEXES_MAX:
        text = f"must be less than or equal to {FAILED_INDEXES_MAX}"
        errors.append(FieldError.invalid(f"{path}.maxFailedIndexes", failed, text))
    if (total or 0) > MANY_COMPLETIONS and "backoffLimitPerIndex" in spec:
        errors += _many(wide, failed, path)
    return errors


def _many(wide: int, failed: int | None, path: str) -> Errors:
    errors: Errors = []
    if failed is None:
        text = f"must be specified when completions is above {MANY_COMPLETIONS}"
        errors.append(FieldError.required(f"{path}.maxFailedIndexes", text))
    for field, value, most in (
        ("parallelism", wide, MANY_PARALLELISM_MAX),
        ("maxFailedIndexes", failed or 0, MANY_FAILED_INDEXES_MAX),
    ):
        if value > most:
            text = f"must be less than or equal to {most} when completions are above {MANY_COMPLETIONS} "
            text += "and used with backoff limit per index"
            errors.append(FieldError.invalid(f"{path}.{field}", value, text))
    return errors


STRATEGY = Strategy(
    counts_generation=True,
    is_complete=True,
    orphans_by_default=True,
    prepare_create=begin,
    validate=validate,
    validate_create=validate_create,
    validate_update=job_update.changes,
    subresources={"status": job_status.changes},
)
