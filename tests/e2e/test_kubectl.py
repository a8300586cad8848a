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
from tests.support.wait import until

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
    # What kubectl's libraries log; a short watch, for one, is said or not as the machine is busy.
    (r"^[IWE]\d{4} [\d:.]+ +\d+ \S+\.go:\d+\].*\n?", ""),
    (r"(\b|(?<=X509SHA256=))[0-9a-f]{64}\b", "ID"),
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


# What a watch is asked, and what it prints while an object comes, changes and goes, and another comes.
WATCHES = {
    ("-w", "--output-watch-events", "--no-headers"): [
        "ADDED one 0",
        "MODIFIED one 0",
        "MODIFIED one 1",
        "DELETED one 1",
        "ADDED last 0",
    ],
    ("--watch-only", "-o", "name"): ["configmap/one"] * 4 + ["configmap/last"],
    ("-w", "-l", "colour=blue", "--output-watch-events", "--no-headers"): [
        "ADDED one 0",
        "MODIFIED one 1",
        "DELETED one 1",
    ],
    ("-w", "-o", "jsonpath={.metadata.name}={.data.a}{'\\n'}"): ["one=", "one=", "one=b", "one=b", "last="],
}


def test_watches_print_what_happens(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """All watch at once; each has begun when it has printed a first line, about an object made for that."""
    here = ("-n", namespace)
    cluster.kubectl("wait", "--for=create", "configmap/kube-root-ca.crt", *here)
    outputs = [tmp_path / str(number) for number in range(len(WATCHES))]
    watching = []
    for output, words in zip(outputs, WATCHES, strict=True):
        with output.open("w") as out:
            command = ["kubectl", "get", "configmaps", *words, *here]
            watching.append(subprocess.Popen(command, env=cluster.env, stdout=out))
    try:
        until(
            "all have begun", lambda: poke(cluster, namespace) and all(each.read_text() for each in outputs)
        )
        cluster.kubectl("create", "configmap", "one", *here)
        cluster.kubectl("label", "configmap", "one", "colour=blue", *here)
        cluster.kubectl("patch", "configmap", "one", "-p", '{"data":{"a":"b"}}', *here)
        cluster.kubectl("delete", "configmap", "one", *here)
        cluster.kubectl("create", "configmap", "last", *here)
        for output, expected in zip(outputs, WATCHES.values(), strict=True):
            until(f"all of {expected}", lambda output=output, expected=expected: lines_of(output) == expected)
    finally:
        for process in watching:
            process.terminate()
            process.wait()


def poke(cluster: Cluster, namespace: str) -> bool:
    """Something for every watch to print, whatever it selects."""
    here = ("-n", namespace)
    cluster.kubectl("delete", "configmap", "poke", "--ignore-not-found", *here)
    cluster.kubectl("create", "configmap", "poke", *here)
    cluster.kubectl("label", "configmap", "poke", "colour=blue", *here)
    return True


def lines_of(output: Path) -> list[str]:
    """What a watch has printed, without ages, about the objects that count."""
    lines = (re.sub(r" +", " ", line).strip() for line in output.read_text().splitlines())
    kept = [line for line in lines if line and "poke" not in line and "kube-root-ca.crt" not in line]
    return [re.sub(r" (\d+[dhms])+$", "", line) for line in kept]
