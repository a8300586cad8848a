"""Shell: the runtimes a node may have, by the word of `--container-runtime`.

Each is imported when it is chosen: a node of pretended containers needs no Docker client.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from ipaddress import IPv4Network
from pathlib import Path

import yaml

from kube.base.clock import Clock
from kube.base.run import StartupError
from kubelet.runtime.interface import Runtime


@dataclass(frozen=True, slots=True)
class Place:
    """What a runtime is told of its node. root_dir: where it may keep files, as `--root-dir` says; endpoint:
    where it is, as `--container-runtime-endpoint` says, or empty; networks: those of a fleet, by node.
    """

    node_name: str
    node_ip: str
    pod_network: IPv4Network
    root_dir: Path
    clock: Clock
    chance: random.Random
    endpoint: str = ""
    networks: Mapping[str, IPv4Network] = field(default_factory=dict)

    def new_id(self) -> str:
        """An id as container runtimes give them."""
        return f"{self.chance.getrandbits(256):064x}"


def make(name: str, place: Place) -> Runtime:
    """The runtime of that name; StartupError where this machine cannot have it."""
    try:
        return RUNTIMES[name](place)
    except OSError as error:
        raise StartupError(f"--root-dir {place.root_dir}: {error.strerror}") from error


async def clear(name: str, root_dir: Path, endpoint: str) -> None:
    """End and remove every pod that a node's runtime runs, after its kubelet has ended for good."""
    if name in CLEARERS:
        from kubelet.volumes.volumes import remove

        await CLEARERS[name](root_dir, endpoint)
        remove(root_dir / "pods")


def _fake(place: Place) -> Runtime:
    from kubelet.runtime.fake import FakeRuntime
    from kubelet.runtime.fake_records import Records
    from kubelet.runtime.stages import Stages

    table = yaml.safe_load((files("kubelet") / "stages" / "images.yaml").read_text())
    records = Records(place.root_dir / "fake", is_kept=not place.networks)
    records.open()
    return FakeRuntime(
        Stages.parse(table),
        records,
        place.pod_network,
        place.node_ip,
        place.clock,
        place.new_id,
        place.networks,
    )


def _process(place: Place) -> Runtime:
    from kubelet.runtime.process.records import Records
    from kubelet.runtime.process.runtime import ProcessRuntime

    records = Records(place.root_dir / "process")
    records.open()
    return ProcessRuntime(records, place.pod_network, place.node_ip, place.clock, place.new_id)


def _docker(place: Place) -> Runtime:
    from kubelet.runtime.docker.runtime import DockerRuntime

    return DockerRuntime(
        place.endpoint, place.node_name, place.node_ip, place.pod_network, place.root_dir, place.clock
    )


RUNTIMES: Mapping[str, Callable[[Place], Runtime]] = {
    "fake": _fake,
    "process": _process,
    "docker": _docker,
}


async def _clear_process(root_dir: Path, endpoint: str) -> None:
    from kubelet.runtime.process import clearing

    await clearing.clear(root_dir / "process")


async def _clear_docker(root_dir: Path, endpoint: str) -> None:
    from kubelet.runtime.docker import place

    await place.clear(endpoint, root_dir)


# Of those whose pods are more than data.
CLEARERS: Mapping[str, Callable[[Path, str], Awaitable[None]]] = {
    "process": _clear_process,
    "docker": _clear_docker,
}
