"""Core: what is special about DaemonSets: one pod a node, replaced one way or the other, never both.

After: k8s pkg/apis/apps/validation/validation.go, ValidateDaemonSetSpec;
pkg/registry/apps/daemonset/strategy.go
"""

from __future__ import annotations

from typing import Any

from apiserver.registry import formats, selectors
from apiserver.registry.pods import pod_template
from apiserver.registry.strategy import Errors, Strategy
from apiserver.registry.workloads import workload_status
from apiserver.registry.workloads.deployment import same_selector
from kube.api import meta
from kube.api.errors import FieldError
from kube.api.labels import Selector
from kube.api.meta import Object

TYPES = ("RollingUpdate", "OnDelete")
GENERATION = "deprecated.daemonset.template.generation"


def begin(o: Object) -> None:
    """The template's generation, which old clients read from an annotation."""
    o["metadata"].setdefault("annotations", {}).setdefault(GENERATION, "1")


def change(new: Object, old: Object) -> None:
    """A changed template has the next generation."""
    if meta.get(new, "spec", "template") != meta.get(old, "spec", "template"):
        annotations = new["metadata"].setdefault("annotations", {})
        annotations[GENERATION] = str(int(meta.annotations(old).get(GENERATION, "0")) + 1)


def validate(o: Object) -> Errors:
    """What is wrong with a DaemonSet."""
    spec = o.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    errors = selectors.label_selector(selector, "spec.selector")
    labels = meta.labels(template)
    if selector is None or (not errors and not Selector.from_label_selector(selector).matches(labels)):
        errors.append(selectors.not_matching(labels))
    if selector is not None and selectors.is_empty(selector):
        text = "empty selector is invalid for daemonset"
        errors.append(FieldError.invalid("spec.selector", {}, text))
    errors += pod_template.of_controller(template, "spec.template", "DaemonSet")
    errors += formats.non_negative(spec.get("minReadySeconds"), "spec.minReadySeconds")
    errors += _strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
    return errors + formats.non_negative(spec.get("revisionHistoryLimit"), "spec.revisionHistoryLimit")


def _strategy(strategy: Any, path: str) -> Errors:
    kind, rolling = strategy.get("type") or "", strategy.get("rollingUpdate")
    if kind not in TYPES:
        shown = {"Type": kind, "RollingUpdate": rolling}
        return [FieldError.not_supported(path, shown, TYPES)]
    if kind == "OnDelete":
        return []
    at, away, more = f"{path}.rollingUpdate", rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors: Errors = []
    for check in (formats.number_or_percent, formats.at_most_all):
        errors += check(away, f"{at}.maxUnavailable") + check(more, f"{at}.maxSurge")
    if formats.amount_of(away) and formats.amount_of(more):
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(FieldError.invalid(f"{at}.maxSurge", more, text))
    elif not formats.amount_of(away) and not formats.amount_of(more):
        errors.append(FieldError.required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors


STRATEGY = Strategy(
    counts_generation=True,
    is_complete=True,
    prepare_create=begin,
    prepare_update=change,
    validate=validate,
    validate_update=same_selector,
    subresources={
        "status": workload_status.rule(
            of_all="currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady "
            "updatedNumberScheduled numberAvailable numberUnavailable"
        )
    },
)
