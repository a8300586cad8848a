"""Core: which processes a cluster has, as `topology.yaml` says it.

A row is a component with its count (a kubelet row: its nodes) and flags for all of them; a node may be a
mapping with a name, a runtime and flags of its own; `fleet` is one process that plays many pretended nodes,
fleet-0 and on; `store: etcd` makes the members those of a real etcd instead of ours; `network: routed` gives
everything addresses that containers with a network of their own can reach. A flag's value that begins with
`./` is a file beside the topology's. A mistake in the file is a `TopologyError` whose text names the row and
what may stand there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.layout import NETWORKS

# Ports are handed out in decades (layout.py), and node addresses end in one byte.
COUNT_MAX = 9
NODES_MAX = 250
# Each has a /24 of the fleet's network (layout.py).
FLEET_MAX = 1024
FLEET = "fleet"

COUNTED = ("etcd", "apiserver", "controller-manager", "scheduler", "proxy", "metrics-server")
# All proxies of a machine would listen on the same addresses; a metrics server says where it is, and knows of
# no other.
ALONE = ("proxy", "metrics-server")
# Ours, or whatever `etcd` is on the PATH.
STORES = ("etcdlite", "etcd")
# What is one word, not a row, and what it may say; the first if it says nothing.
WORDS = {"store": STORES, "network": tuple(NETWORKS)}
NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

Flags = Mapping[str, str]


class TopologyError(ValueError):
    """The topology file says something that cannot be started."""


@dataclass(frozen=True, slots=True)
class Topology:
    """How many of each component, the nodes' names in the order of addresses, and flags by component."""

    etcd: int
    apiserver: int
    controller_manager: int
    scheduler: int
    nodes: tuple[str, ...]
    proxy: int = 0
    flags: Mapping[str, Flags] = field(default_factory=dict)
    store: str = STORES[0]
    network: str = WORDS["network"][0]
    node_flags: Mapping[str, Flags] = field(default_factory=dict)
    fleet: int = 0
    metrics_server: int = 0

    def kubelet_flags(self, node: str) -> Flags:
        """What the file says to the kubelet of a node; its own flags win."""
        return {**self.flags.get("kubelet", {}), **self.node_flags.get(node, {})}

    @property
    def all_nodes(self) -> tuple[str, ...]:
        """The nodes of the kubelets, and those of the fleet."""
        return (*self.nodes, *(f"{FLEET}-{index}" for index in range(self.fleet)))


def located(document: Any, folder: Path) -> Any:
    """A parsed file, with the place of each file that it names by `./`."""
    if isinstance(document, dict):
        return {key: located(value, folder) for key, value in document.items()}
    if isinstance(document, list):
        return [located(value, folder) for value in document]
    is_beside = isinstance(document, str) and document.startswith("./")
    return str(folder / document) if is_beside else document


def parse(document: object) -> Topology:
    """The topology a parsed YAML document describes."""
    if not isinstance(document, Mapping):
        raise TopologyError(f"the file must be a mapping of components, not {type(document).__name__}")
    rows = {str(name): _row(str(name), row) for name, row in document.items() if name not in WORDS}
    counts = {name: _count(name, rows.get(name, {})) for name in COUNTED}
    if counts["etcd"] < 1:
        raise TopologyError("etcd: a cluster needs at least one store member")
    nodes, fleet = _nodes(rows.get("kubelet", {})), _fleet(rows.get(FLEET, {}))
    if fleet and (mixed := [name for name in nodes if f"{name}-".startswith(f"{FLEET}-")]):
        raise TopologyError(f"kubelet: {mixed[0]} is the name of a node of the fleet")
    return Topology(
        etcd=counts["etcd"],
        apiserver=counts["apiserver"],
        controller_manager=counts["controller-manager"],
        scheduler=counts["scheduler"],
        nodes=tuple(nodes),
        proxy=counts["proxy"],
        flags={name: _flags(name, row) for name, row in rows.items() if row.get("flags")},
        store=_word(document, "store"),
        network=_word(document, "network"),
        node_flags={name: flags for name, flags in nodes.items() if flags},
        fleet=fleet,
        metrics_server=counts["metrics-server"],
    )


def _row(name: str, row: object) -> Mapping[str, object]:
    """One component's row, with the keys it may have."""
    known = (*COUNTED, "kubelet", FLEET)
    allowed = {"count", "flags"} if name in COUNTED else {"nodes", "flags"}
    if name not in known:
        raise TopologyError(f"{name}: no such component; known are {', '.join(known)}")
    if not isinstance(row, Mapping):
        raise TopologyError(f"{name}: must be a mapping with {' and '.join(sorted(allowed))}")
    if unknown := sorted(set(map(str, row)) - allowed):
        raise TopologyError(f"{name}: unknown {', '.join(unknown)}; it takes {' and '.join(sorted(allowed))}")
    return row


def _word(document: Mapping[object, object], name: str) -> str:
    word = document.get(name, WORDS[name][0])
    if word not in WORDS[name]:
        raise TopologyError(f"{name}: must be {' or '.join(WORDS[name])}, not {word!r}")
    return str(word)


def _count(name: str, row: Mapping[str, object]) -> int:
    count, maximum = row.get("count", 0), 1 if name in ALONE else COUNT_MAX
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= maximum:
        raise TopologyError(f"{name}: count must be a number from 0 to {maximum}, not {count!r}")
    return count


def _fleet(row: Mapping[str, object]) -> int:
    """How many nodes the fleet has."""
    nodes = row.get("nodes", 0)
    if not isinstance(nodes, int) or isinstance(nodes, bool) or not 0 <= nodes <= FLEET_MAX:
        raise TopologyError(f"fleet: nodes must be a number from 0 to {FLEET_MAX}, not {nodes!r}")
    return nodes


def _nodes(row: Mapping[str, object]) -> dict[str, Flags]:
    """The nodes' names, in order, with the flags of each."""
    nodes = row.get("nodes", [])
    if not isinstance(nodes, list) or len(nodes) > NODES_MAX:
        raise TopologyError(f"kubelet: nodes must be a list of at most {NODES_MAX} names")
    found = [_node(node) for node in nodes]
    if len(dict(found)) != len(found):
        raise TopologyError("kubelet: a node name stands twice")
    return dict(found)


def _node(node: object) -> tuple[str, Flags]:
    """One node: its name, or a mapping with more."""
    row = node if isinstance(node, Mapping) else {"name": node}
    name = row.get("name")
    if not isinstance(name, str) or not NODE_NAME.fullmatch(name):
        raise TopologyError(f"kubelet: {name!r} is no node name (lower-case letters, digits and dashes)")
    if unknown := sorted(set(map(str, row)) - {"name", "runtime", "flags"}):
        raise TopologyError(
            f"kubelet: {name}: unknown {', '.join(unknown)}; it takes name, runtime and flags"
        )
    runtime = {"container-runtime": str(row["runtime"])} if "runtime" in row else {}
    return name, {**_flags(f"kubelet: {name}", {"flags": row.get("flags", {})}), **runtime}


def _flags(name: str, row: Mapping[str, object]) -> Flags:
    flags = row["flags"]
    if not isinstance(flags, Mapping):
        raise TopologyError(f"{name}: flags must be a mapping of flag names to values")
    return {str(key): _flag_value(value) for key, value in flags.items()}


def _flag_value(value: object) -> str:
    """YAML's true and false become the words that command lines take."""
    return str(value).lower() if isinstance(value, bool) else str(value)
