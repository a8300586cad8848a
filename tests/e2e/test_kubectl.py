"""The unmodified kubectl over its verbs: files of commands and what they print, in testdata/kubectl.

A case is a line for a shell, with input if it reads some; the lines after `----` are what it prints, errors
included, and its exit code if that is not 0. `file NAME` writes its input to a file. What differs from run to
run is a word: TIME, AGE, IP, UID, HASH, ID.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import datadriven
from tests.datadriven import Case
from tests.support.cluster import COMMAND_SECONDS, Cluster

pytestmark = pytest.mark.e2e

FOLDER = Path(__file__).parent / "testdata" / "kubectl"
# These change nodes or look at all namespaces: each has a cluster of its own.
ALONE = {"nodes", "namespaces"}
LETTERS = "[bcdfghjklmnpqrstvwxz2456789]"
CHANGING = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000( UTC)?", "TIME"),
    (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000", "TIME"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID"),
    (r"(LIVE|MERGED)-\d+", r"\1"),
    (r"^[IWE]\d{4} [\d:.]+ +\d+ ", ""),
    (r"\b[0-9a-f]{64}\b", "ID"),
    (rf"-{LETTERS}{{8,10}}-{LETTERS}{{5}}\b", "-HASH-ID"),
    (rf"-{LETTERS}{{8,10}}\b", "-HASH"),
    (r"(\"?resourceVersion\"?): \"\d+\"", r'\1: "N"'),
    (r"pod-template-hash=\w+", "pod-template-hash=HASH"),
    (r"\b127(\.\d+){3}\b", "IP"),
    (r"\b80:3\d{4}/", "80:PORT/"),
    (r"(?<=\s)(\d+[dhms])+\b(?! including)", "AGE"),
    (r"(?<=\S) {2,}(?=\S)", "   "),
    (r" +$", ""),
)


class Shell:
    """A folder, a namespace and a kubeconfig that names it; the commands of one file run there."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self._folder, self._namespace = folder, namespace
        config = folder / "kubeconfig"
        shutil.copy(cluster.env["KUBECONFIG"], config)
        self._env = {**cluster.env, "KUBECONFIG": str(config), "NAMESPACE": namespace}
        self.say("kubectl config set-context --current --namespace=$NAMESPACE", "")

    def handle(self, case: Case) -> str:
        """What a case prints."""
        if case.command == "file":
            path = self._folder / case.args[0]
            path.parent.mkdir(exist_ok=True)
            path.write_text(case.input + "\n")
            path.chmod(0o755)
            return ""
        return self.say(case.header[-1], case.input)

    def say(self, line: str, text: str) -> str:
        done = subprocess.run(
            ["bash", "-c", line],
            input=text + "\n",
            env=self._env,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return self._same(done.stdout + (f"exit {done.returncode}" if done.returncode else ""))

    def _same(self, text: str) -> str:
        """The text without what differs from run to run."""
        if self._namespace != "default":
            text = text.replace(self._namespace, "NAMESPACE")
        for pattern, word in CHANGING:
            text = re.sub(pattern, word, text, flags=re.MULTILINE)
        return text.rstrip("\n")


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_kubectl(path: Path, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    if path.stem in ALONE:
        shell = Shell(request.getfixturevalue("own_cluster"), "default", folder)
    else:
        shell = Shell(request.getfixturevalue("cluster"), request.getfixturevalue("namespace"), folder)
    datadriven.run(path, request, shell.handle)
