"""Shell: the flags that say what the node is: what it has, what is kept back, its labels and taints.

`--config` names a file in the form of a KubeletConfiguration; flags win over it. Fields of it that have no
flag here are left alone.

After: k8s cmd/kubelet/app/options/options.go; staging/src/k8s.io/kubelet/config/v1beta1/types.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import yaml

from kube.api.meta import Object
from kube.base.flags import DURATION
from kubelet import node_capacity
from kubelet.node_capacity import Amounts, Threshold
from kubelet.pod.backoff import Backoff

F = TypeVar("F", bound=Callable[..., Any])

MAX_PODS = 110
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
# A field of the file, and its flag.
FIELDS = {
    "maxPods": "max_pods",
    "systemReserved": "system_reserved",
    "kubeReserved": "kube_reserved",
    "evictionHard": "eviction_hard",
    "registerWithTaints": "register_with_taints",
    "staticPodPath": "pod_manifest_path",
    "nodeStatusUpdateFrequency": "node_status_update_frequency",
    "nodeLeaseDurationSeconds": "node_lease_duration_seconds",
    "containerLogMaxSize": "container_log_max_size",
    "containerLogMaxFiles": "container_log_max_files",
    "crashLoopBackOff": "crash_loop_back_off_max",
    "port": "port",
    "clusterDNS": "cluster_dns",
    "clusterDomain": "cluster_domain",
}


@dataclass(frozen=True, slots=True)
class NodeFlags:
    """What the flags say; fake_capacity: of a pretended node, over the usual."""

    max_pods: int
    system_reserved: Amounts
    kube_reserved: Amounts
    eviction_hard: Mapping[str, Threshold]
    fake_capacity: Amounts
    labels: Mapping[str, str]
    taints: list[Object]
    backoff: Backoff
    static_pods: Path | None
    processes: Path | None
    cluster_dns: tuple[str, ...] = ()
    cluster_domain: str = "cluster.local"


def node_flags(function: F) -> F:
    """Give a command the flags; they come as one value, `node`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def gather(options: Mapping[str, Any]) -> NodeFlags:
    """The values of the flags in one."""
    return NodeFlags(
        options["max_pods"],
        options["system_reserved"],
        options["kube_reserved"],
        options["eviction_hard"],
        options["fake_capacity"],
        options["node_labels"],
        options["register_with_taints"],
        Backoff(
            min(options["crash_loop_back_off_initial"], options["crash_loop_back_off_max"]),
            options["crash_loop_back_off_max"],
        ),
        options["pod_manifest_path"],
        options["process_path"],
        tuple(filter(None, options["cluster_dns"].split(","))),
        options["cluster_domain"],
    )


def _read_by(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str], Any]:
    def read(_context: click.Context, _parameter: click.Parameter, text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return read


def parse_labels(text: str) -> dict[str, str]:
    """`a=b,c=d`."""
    parts = [part.partition("=") for part in text.split(",") if part]
    if any(not equals for _, equals, _ in parts):
        raise ValueError(f"{text!r} is not of the form a=b,c=d")
    return {name: value for name, _, value in parts}


def parse_taints(text: str) -> list[Object]:
    """`key=value:NoSchedule,other:NoExecute`."""
    found = []
    for part in filter(None, text.split(",")):
        pair, _, effect = part.rpartition(":")
        key, _, value = pair.partition("=")
        if not key or effect not in EFFECTS:
            raise ValueError(f"{part!r} is not of the form key=value:NoSchedule")
        found.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return found


def _config(context: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    """Make the file's fields the defaults of the flags."""
    if path is None:
        return
    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise click.BadParameter(f"{path}: {error}") from error
    if not isinstance(document, dict) or document.get("kind") != "KubeletConfiguration":
        raise click.BadParameter(f"{path}: no KubeletConfiguration")
    said = {FIELDS[name]: _as_flag(name, value) for name, value in document.items() if name in FIELDS}
    context.default_map = {**(context.default_map or {}), **said}


def _as_flag(name: str, value: Any) -> Any:
    """A field's value as its flag has it."""
    if name == "registerWithTaints":
        return ",".join(f"{each['key']}={each.get('value', '')}:{each['effect']}" for each in value)
    if name == "clusterDNS":
        return ",".join(value)
    if name == "crashLoopBackOff":
        return value.get("maxContainerRestartPeriod")
    if isinstance(value, Mapping):
        sign = "<" if name == "evictionHard" else "="
        return ",".join(f"{key}{sign}{amount}" for key, amount in value.items())
    return value


_AMOUNTS = _read_by(node_capacity.parse_amounts)
_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_config,
        help="A KubeletConfiguration; flags win over it.",
    ),
    click.option(
        "--pod-manifest-path",
        type=click.Path(path_type=Path),
        help="A folder of static pods, a file each.",
    ),
    click.option(
        "--process-path",
        type=click.Path(path_type=Path),
        help="A folder of processes that somebody else runs, to be shown as pods.",
    ),
    click.option("--cluster-dns", default="", help="The addresses of the cluster's DNS servers: a,b."),
    click.option("--cluster-domain", default="cluster.local", show_default=True, help="Its DNS domain."),
    click.option("--max-pods", default=MAX_PODS, show_default=True, help="How many pods may run here."),
    click.option(
        "--system-reserved", default="", callback=_AMOUNTS, help="Kept from pods: cpu=1,memory=1Gi."
    ),
    click.option("--kube-reserved", default="", callback=_AMOUNTS, help="The same, for Kubernetes itself."),
    click.option(
        "--eviction-hard",
        default=node_capacity.EVICTION_HARD,
        show_default=True,
        callback=_read_by(node_capacity.parse_thresholds),
        help="What must be left of a real machine; less is pressure.",
    ),
    click.option(
        "--fake-capacity", default="", callback=_AMOUNTS, help="What a pretended node has: cpu=4,memory=8Gi."
    ),
    click.option(
        "--crash-loop-back-off-initial",
        type=DURATION,
        default="10s",
        show_default=True,
        help="How long a container that has crashed twice waits, and an image that could not be pulled.",
    ),
    click.option(
        "--crash-loop-back-off-max",
        type=DURATION,
        default="5m",
        show_default=True,
        help="How long it waits at most: crashLoopBackOff.maxContainerRestartPeriod of the file.",
    ),
    click.option("--node-labels", default="", callback=_read_by(parse_labels), help="Labels of a new node."),
    click.option(
        "--register-with-taints",
        default="",
        callback=_read_by(parse_taints),
        help="Taints of a new node: key=value:NoSchedule.",
    ),
)
