"""Shell: which pod, and which container of it, a command on `web`, `deploy/web` or `svc/web` means.

After: k8s staging/src/k8s.io/kubectl/pkg/polymorphichelpers, pkg/cmd/util/podcmd/podcmd.go.
"""

from __future__ import annotations

from typing import Any

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session
from kube.api import conditions, meta
from kube.api.labels import Selector
from kube.api.meta import Object
from kube.api.resources import PODS

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def pods_of(at: Session, word: str) -> list[Object]:
    """The pod of that name, or those behind an object; CliError where there are none."""
    resource, name = targets.named([word if "/" in word else f"pods/{word}"])[0]
    o = at.api.get(resource, at.namespace_of(resource), name)
    if resource is PODS:
        return [o]
    selector = meta.get(o, "spec", "selector")
    if not selector:
        raise CliError(f"{qualified_name(resource, name)} selects no pods")
    has_terms = {"matchLabels", "matchExpressions"} & set(selector)
    labels = Selector.from_label_selector(selector) if has_terms else Selector.from_set(selector)
    pods: list[Object] = at.api.list(PODS, at.namespace, str(labels))["items"]
    if not pods:
        raise CliError(f"no pods behind {qualified_name(resource, name)}")
    return pods


def by_age(pod: Object) -> Any:
    """A running one before one that waits, the oldest of them first."""
    return meta.get(pod, "status", "phase") != "Running", meta.creation_time(pod)


def by_readiness(pod: Object) -> Any:
    """A ready one first; of several the one that has been ready longest."""
    ready = conditions.find(pod, "Ready") or {}
    return ready.get("status") != "True", str(ready.get("lastTransitionTime")), by_age(pod)


def chosen_container(pod: Object, *, is_quiet: bool = False) -> str:
    """The container that the pod's annotation names, else the first; a note where that was a choice."""
    name = meta.annotations(pod).get(DEFAULT_CONTAINER)
    everyone = _containers(pod)
    if name:
        if name not in {each.partition(" ")[0] for each in everyone}:
            raise CliError(
                f"container {name} is not valid for pod {meta.name(pod)} out of: {', '.join(everyone)}"
            )
        return str(name)
    if len(everyone) > 1 and not is_quiet:
        click.echo(f'Defaulted container "{everyone[0]}" out of: {", ".join(everyone)}', err=True)
    return everyone[0]


def container_names(pod: Object) -> list[str]:
    """All of them, in the order in which they start."""
    fields = ("initContainers", "containers", "ephemeralContainers")
    return [str(each["name"]) for field in fields for each in pod["spec"].get(field) or ()]


def container_spec(pod: Object, name: str) -> Object:
    """The container of that name; CliError where there is none."""
    fields = ("containers", "initContainers", "ephemeralContainers")
    everyone = [each for field in fields for each in pod["spec"].get(field) or ()]
    found = next((each for each in everyone if each["name"] == name), None)
    if found is None:
        raise CliError(f"container {name} not found in pod {meta.name(pod)}")
    return dict(found)


def _containers(pod: Object) -> list[str]:
    """All names, the kind of the unusual ones behind them."""
    kinds = (("containers", ""), ("ephemeralContainers", " (ephem)"), ("initContainers", " (init)"))
    return [each["name"] + kind for field, kind in kinds for each in pod["spec"].get(field) or ()]
