"""Text tests of the node's admission: `node` is the node, `ask` lets a pod in or says why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet.pod.admission import Admitted
from tests import datadriven
from tests.datadriven import Case

FILES = sorted((Path(__file__).parent / "testdata" / "admission").glob("*.txt"))


class World:
    def __init__(self) -> None:
        self.admitted = Admitted()
        self.node_object: dict[str, Any] = {}

    def handle(self, case: Case) -> str:
        return str(getattr(self, case.command)(case))

    def node(self, case: Case) -> str:
        self.node_object = {"metadata": {"name": "n1"}, **yaml.safe_load(case.input)}
        return ""

    def ask(self, case: Case) -> str:
        """A pod with that uid, of this spec; static if that is said."""
        annotations = {"kubernetes.io/config.source": "file"} if "static" in case.args else {}
        labels = {"kubernetes.io/os": case.options["os"]} if "os" in case.options else {}
        metadata = {"name": "p", "uid": case.args[0], "annotations": annotations, "labels": labels}
        pod = {"metadata": metadata, "spec": {"nodeName": "n1", **yaml.safe_load(case.input or "{}")}}
        refusal = self.admitted.refusal(pod, self.node_object)
        if refusal is None:
            self.admitted.add(pod)
            return ", ".join(f"{name}={amount}" for name, amount in self.admitted.total.items())
        return f"{refusal.reason}\n{refusal.status_message}"

    def leave(self, case: Case) -> str:
        self.admitted.remove(case.args[0])
        return ", ".join(f"{name}={amount}" for name, amount in self.admitted.total.items())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, World().handle)
