"""Core: the parts of a description that pods and pod templates share: containers, volumes, scheduling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.describers.text import NONE, Writer, timestamp
from kube.api import meta
from kube.api.meta import Object

# Names shown for the volume sources people meet most; another is shown by its key.
VOLUME_TYPES = {
    "projected": "Projected (a volume that contains injected data from multiple sources)",
    "emptyDir": "EmptyDir (a temporary directory that shares a pod's lifetime)",
    "configMap": "ConfigMap (a volume populated by a ConfigMap)",
    "secret": "Secret (a volume populated by a Secret)",
    "hostPath": "HostPath (bare host directory volume)",
}


def write_containers(
    out: Writer, title: str, containers: Sequence[Object], statuses: Sequence[Object] | None, level: int
) -> None:
    """Each container, with its state where there is one: templates have none."""
    by_name = {status["name"]: status for status in statuses or ()}
    out.line(f"{title}:", level)
    # A pod's containers stand one level in; a template's a single space.
    indent = "  " if statuses is not None else " "
    for container in containers:
        out.line(f"{indent}{container['name']}:", level)
        _write_container(out, container, by_name.get(container["name"]), 2)


def _write_container(out: Writer, container: Object, status: Object | None, level: int) -> None:
    if status is not None:
        out.field("Container ID", status.get("containerID", ""), level)
    out.field("Image", container.get("image", ""), level)
    if status is not None:
        out.field("Image ID", status.get("imageID", ""), level)
    ports = container.get("ports") or []
    many = "s" if len(ports) > 1 else ""
    out.field(f"Port{many}", _ports(ports, "containerPort"), level)
    out.field(f"Host Port{many}", _ports(ports, "hostPort"), level)
    for key in ("command", "args"):
        if container.get(key):
            out.line(f"{key.capitalize()}:", level)
            for word in container[key]:
                out.line(word, level + 1)
    if status is not None:
        _write_status(out, status, level)
    for key in ("limits", "requests"):
        if amounts := meta.get(container, "resources", key):
            out.line(f"{key.capitalize()}:", level)
            for name, amount in sorted(amounts.items()):
                out.field(name, amount, level + 1)
    _write_environment(out, container.get("env") or [], level)
    _write_mounts(out, container.get("volumeMounts") or [], level)


def _ports(ports: Sequence[Object], key: str) -> str:
    return ", ".join(f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}" for port in ports) or NONE


def _write_status(out: Writer, status: Object, level: int) -> None:
    _write_state(out, "State", status.get("state") or {}, level)
    if status.get("lastState"):
        _write_state(out, "Last State", status["lastState"], level)
    out.field("Ready", bool(status.get("ready")), level)
    out.field("Restart Count", status.get("restartCount", 0), level)


def _write_state(out: Writer, title: str, state: Mapping[str, Any], level: int) -> None:
    kind: str = next(iter(state), "waiting")
    details: Mapping[str, Any] = state.get(kind, {})
    out.field(title, kind.capitalize(), level)
    if kind != "running" and details.get("reason"):
        out.field("Reason", details["reason"], level + 1)
    if details.get("message"):
        out.field("Message", details["message"], level + 1)
    if kind == "terminated":
        out.field("Exit Code", details.get("exitCode", 0), level + 1)
    if kind != "waiting":
        out.field("Started", timestamp(details.get("startedAt")), level + 1)
    if kind == "terminated":
        out.field("Finished", timestamp(details.get("finishedAt")), level + 1)


def _write_environment(out: Writer, variables: Sequence[Object], level: int) -> None:
    out.line("Environment:" if variables else f"Environment:\t{NONE}", level)
    for variable in variables:
        out.field(variable["name"], _environment_value(variable), level + 1)


def _environment_value(variable: Object) -> str:
    """The value, or where it comes from."""
    sources: Mapping[str, Any] = variable.get("valueFrom") or {}
    source = next(iter(sources), "")
    reference = sources.get(source)
    if reference is None:
        return str(variable.get("value", ""))
    match source:
        case "fieldRef":
            return f" ({reference.get('apiVersion', 'v1')}:{reference['fieldPath']})"
        case "resourceFieldRef":
            return f" ({reference['resource']})"
        case _:
            where = "in secret" if source == "secretKeyRef" else "of config map"
            optional = str(bool(reference.get("optional"))).lower()
            return (
                f"<set to the key '{reference['key']}' {where} '{reference['name']}'>\tOptional: {optional}"
            )


def _write_mounts(out: Writer, mounts: Sequence[Object], level: int) -> None:
    out.line("Mounts:" if mounts else f"Mounts:\t{NONE}", level)
    for mount in sorted(mounts, key=lambda each: str(each["mountPath"])):
        mode = "ro" if mount.get("readOnly") else "rw"
        out.line(f"{mount['mountPath']} from {mount['name']} ({mode})", level + 1)


def write_volumes(out: Writer, volumes: Sequence[Object], level: int) -> None:
    """Each volume with its type."""
    out.line("Volumes:" if volumes else f"Volumes:\t{NONE}", level)
    for volume in volumes:
        kind = next((key for key in volume if key != "name"), "emptyDir")
        source = volume.get(kind) or {}
        out.line(f"{volume['name']}:", level + 1)
        out.field("Type", VOLUME_TYPES.get(kind, kind), level + 2)
        for title, value in _volume_fields(kind, source):
            out.field(title, value, level + 2)
        for piece in source.get("sources") or []:
            _write_projected(out, piece, level + 2)


def _volume_fields(kind: str, source: Object) -> list[tuple[str, str]]:
    """What kubectl tells of the sources people meet most."""
    optional = str(bool(source.get("optional"))).lower()
    match kind:
        case "emptyDir":
            return [("Medium", source.get("medium", "")), ("SizeLimit", source.get("sizeLimit", "<unset>"))]
        case "configMap":
            return [("Name", source.get("name", "")), ("Optional", optional)]
        case "secret":
            return [("SecretName", source.get("secretName", "")), ("Optional", optional)]
        case "hostPath":
            return [("Path", source.get("path", "")), ("HostPathType", source.get("type", ""))]
        case _:
            return []


def _write_projected(out: Writer, piece: Object, level: int) -> None:
    if token := piece.get("serviceAccountToken"):
        out.field("TokenExpirationSeconds", token.get("expirationSeconds", 3600), level)
    for key in ("configMap", "secret"):
        if source := piece.get(key):
            title = key[0].upper() + key[1:]
            out.field(f"{title}Name", source.get("name", ""), level)
            optional = source.get("optional")
            out.field(f"{title}Optional", "<nil>" if optional is None else str(optional).lower(), level)
    if "downwardAPI" in piece:
        out.field("DownwardAPI", "true", level)


def write_scheduling(out: Writer, spec: Object, level: int = 0) -> None:
    """Where the pod may go."""
    out.mapping("Node-Selectors", spec.get("nodeSelector") or {}, "=", level)
    tolerations = [_toleration(each) for each in spec.get("tolerations") or []] or [NONE]
    out.field("Tolerations", tolerations[0], level)
    for each in tolerations[1:]:
        out.line(f"\t{each}", level)


def _toleration(toleration: Object) -> str:
    """`node.kubernetes.io/not-ready:NoExecute op=Exists for 300s`."""
    text = toleration.get("key", "")
    if toleration.get("value"):
        text += f"={toleration['value']}"
    if toleration.get("effect"):
        text += f":{toleration['effect']}"
    if toleration.get("operator") == "Exists":
        text += " op=Exists" if text else "op=Exists"
    seconds = toleration.get("tolerationSeconds")
    return text if seconds is None else f"{text} for {seconds}s"
