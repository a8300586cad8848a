"""Text tests of the cores: `object` makes a ConfigMap or Secret, `pod` the pod; `files` shows what a volume
holds; `config`, `sandbox`, `hosts`, `dns` what the runtime and the pod are told.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet.pod import naming
from kubelet.pod.config import container_config, sandbox_config
from kubelet.pod.downward import Surroundings
from kubelet.pod.failures import CannotConfigure
from kubelet.runtime.interface import ContainerConfig, DNSConfig, SandboxConfig
from kubelet.volumes.files import Missing, Sources, files, token_wishes
from tests import datadriven
from tests.datadriven import Case

DATA = Path(__file__).parent / "testdata"
FILES = sorted([*(DATA / "volumes").glob("*.txt"), *(DATA / "config").glob("*.txt")])
AROUND = Surroundings("10.9.0.1", "10.0.0.2", {"cpu": "8", "memory": "16Gi"})


class World:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Any] = {}
        self.pod_object: dict[str, Any] = {}

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def object(self, case: Case) -> str:
        """`object ConfigMap name`, with its data below."""
        kind, name = case.args
        self.objects[kind, name] = {"kind": kind, **yaml.safe_load(case.input)}
        return ""

    def pod(self, case: Case) -> str:
        """The pod's spec, and labels=a:b."""
        metadata: dict[str, Any] = {"name": case.option("name", "p"), "namespace": "n", "uid": "u"}
        if "labels" in case.options:
            metadata["labels"] = dict(each.split(":") for each in case.options["labels"].split(","))
        spec = {"containers": [{"name": "c", "image": "i"}], **(yaml.safe_load(case.input) or {})}
        self.pod_object = {"metadata": metadata, "spec": spec}
        return ""

    def files(self, case: Case) -> str:
        """A volume's files: mode, owner, path, content; or why there are none."""
        volume = {"name": "v", **yaml.safe_load(case.input)}
        tokens = {each: f"token for {each.audience or 'api'}" for each in token_wishes(volume)}
        try:
            made = files(volume, self.pod_object, Sources(self.objects, tokens, AROUND))
        except Missing as why:
            return f"missing: {why}"
        owners = {path: "-" if file.owner is None else file.owner for path, file in made.items()}
        return "\n".join(
            f"{file.mode:04o} {owners[path]} {path} {file.data!r}" for path, file in sorted(made.items())
        )

    def config(self, case: Case) -> str:
        """What the first container is made of, where it is not as usual."""
        container = self.pod_object["spec"]["containers"][0]
        try:
            made = container_config(self.pod_object, container, 0, {"A": "1"}, (), 16 << 30)
        except CannotConfigure as why:
            return f"{why.reason}: {why.message}"
        usual = ContainerConfig("", 0, "", environment={"A": "1"})
        return unusual(asdict(made), asdict(usual), ("name", "image"))

    def sandbox(self, case: Case) -> str:
        try:
            name = naming.sandbox_hostname(self.pod_object, "cluster.local")
        except ValueError as error:
            return f"refused: {error}"
        made = sandbox_config(self.pod_object, name, None)
        skipped = ("pod_uid", "name", "namespace")
        return unusual(asdict(made), asdict(SandboxConfig("", "", "")), skipped)

    def hosts(self, case: Case) -> str:
        text = naming.hosts_file(self.pod_object, "10.0.0.2", "cluster.local", "127.0.0.1\tnode\n")
        return text.removeprefix(naming.HEADER + naming.USUAL_HOSTS).replace("\t", " ")

    def dns(self, case: Case) -> str:
        servers = tuple(filter(None, case.option("servers", "").split(",")))
        of_node = DNSConfig(["8.8.8.8"], ["corp.example"], ["timeout:1"])
        made = naming.dns(self.pod_object, servers, "cluster.local", of_node)
        if made is None:
            return "the runtime's"
        parts = ("servers", made.servers), ("searches", made.searches), ("options", made.options)
        return "\n".join(f"{name}: {' '.join(words)}".rstrip() for name, words in parts)


def unusual(made: dict[str, Any], usual: dict[str, Any], skipped: tuple[str, ...]) -> str:
    lines = []
    for key, value in made.items():
        if isinstance(value, dict) and isinstance(usual[key], dict) and key in ("resources", "security"):
            inner = {each: it for each, it in value.items() if it != usual[key][each] and it not in ([], ())}
            lines += [f"{key}.{each}: {found}" for each, found in inner.items()]
        elif key not in skipped and value != usual[key] and (value or usual[key]):
            lines.append(f"{key}: {value}")
    return "\n".join(lines)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
