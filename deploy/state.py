"""Shell: what a data dir remembers: `cluster.json` for good, `run/state.json` while processes live.

`cluster.json` holds the cluster's number, ports and topology, so that a later `up` starts the same cluster.
`run/state.json` names every process by pid and start time, so that a supervisor which did not start them can
adopt them and `down` can end them. Both are written beside and renamed: a reader sees the old or the new.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import LaunchError
from deploy.identity import Identity
from deploy.layout import Layout, run_dir
from deploy.topology import FLEET, Topology, TopologyError, parse


@dataclass(frozen=True, slots=True)
class Record:
    """What stays the same over the life of a data dir."""

    number: int
    port_base: int
    topology: Topology

    def layout(self, data_dir: Path) -> Layout:
        return Layout(data_dir, self.port_base, self.number, self.topology.network)


def load_record(data_dir: Path) -> Record | None:
    """The record of a data dir that has been used before."""
    document = _read(data_dir / "cluster.json")
    if document is None:
        return None
    try:
        return Record(document["number"], document["portBase"], parse(document["topology"]))
    except (KeyError, TopologyError) as error:
        raise LaunchError(
            f"{data_dir / 'cluster.json'} is damaged ({error}): mend it, or start anew with --wipe"
        ) from error


def save_record(data_dir: Path, record: Record) -> None:
    """Remember the cluster for the next `up`."""
    document = {
        "number": record.number,
        "portBase": record.port_base,
        "topology": topology_document(record.topology),
    }
    _write(data_dir / "cluster.json", document)


def topology_document(topology: Topology) -> dict[str, Any]:
    """The topology in the form `topology.parse` reads."""
    counted = {
        "etcd": topology.etcd,
        "apiserver": topology.apiserver,
        "controller-manager": topology.controller_manager,
        "scheduler": topology.scheduler,
        "proxy": topology.proxy,
        "metrics-server": topology.metrics_server,
    }
    document: dict[str, Any] = {name: {"count": count} for name, count in counted.items()}
    document["store"], document["network"] = topology.store, topology.network
    document["kubelet"] = {"nodes": [_node_document(topology, name) for name in topology.nodes]}
    if topology.fleet:
        document[FLEET] = {"nodes": topology.fleet}
    for name, flags in topology.flags.items():
        document.setdefault(name, {})["flags"] = dict(flags)
    return document


def _node_document(topology: Topology, name: str) -> str | dict[str, Any]:
    flags = topology.node_flags.get(name)
    return {"name": name, "flags": dict(flags)} if flags else name


def load_running(data_dir: Path) -> dict[str, Identity]:
    """The processes written down as running, by name; whether they still live is for the caller to ask."""
    document = _read(run_dir(data_dir) / "state.json") or {}
    return {name: Identity(**fields) for name, fields in document.items()}


def save_running(data_dir: Path, running: dict[str, Identity]) -> None:
    """Write down who runs now."""
    document = {name: dataclasses.asdict(identity) for name, identity in running.items()}
    _write(run_dir(data_dir) / "state.json", document)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LaunchError(f"{path} is damaged ({error}): remove it, or start anew with --wipe") from error
    if not isinstance(document, dict):
        raise LaunchError(f"{path} is damaged (no mapping): remove it, or start anew with --wipe")
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(document, indent=1) + "\n")
    partial.replace(path)
