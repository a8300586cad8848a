"""Shell: `kl cp`: copies files and folders to and from a container that has a `tar`.

An archive goes through a file without a name here, so that nothing has to be done at once.

Absent: --retries.
After: k8s staging/src/k8s.io/kubectl/pkg/cmd/cp/cp.go.
"""

from __future__ import annotations

import io
import posixpath
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import click

from cli import pods
from cli.archives import pack, unpack
from cli.errors import CliError
from cli.remote_command import V4, V5, RemoteCommand, Streams
from cli.session import Session, namespace_option, session
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import PODS

FINISHED = ("Succeeded", "Failed")
FORM = "filespec must match the canonical format: [[namespace/]pod:]file/path"


@dataclass(frozen=True, slots=True)
class Place:
    """A path, here or in a pod."""

    namespace: str
    pod: str
    path: str

    @classmethod
    def parse(cls, text: str) -> Place:
        before, colon, path = text.partition(":")
        if not colon:
            return cls("", "", text)
        namespace, slash, pod = before.rpartition("/")
        if not pod or "/" in namespace or (slash and not namespace):
            raise CliError(FORM)
        return cls(namespace, pod, path)


@dataclass(frozen=True, slots=True)
class Container:
    """A container to run commands in."""

    at: Session
    pod: Object
    name: str

    def run(self, words: Sequence[str], streams: Streams) -> int:
        wanted = ["stdout", "stderr", *(["stdin"] if streams.keyboard is not None else [])]
        query = [("container", self.name), *(("command", word) for word in words)]
        path = PODS.path(meta.namespace(self.pod), meta.name(self.pod), "exec")
        query += [(each, "true") for each in wanted]
        return RemoteCommand(self.at.api.websocket(path, query, (V5, V4)), streams).run()


@click.command("cp")
@click.argument("words", nargs=-1, metavar="[[NAMESPACE/]POD:]SOURCE [[NAMESPACE/]POD:]TARGET")
@click.option("-c", "--container", help="Which container.  [default: the first]")
@click.option("--no-preserve", is_flag=True, help="Leave owners and permissions to the container.")
@namespace_option
@click.pass_context
def command(
    context: click.Context,
    words: tuple[str, ...],
    container: str | None,
    no_preserve: bool,
    namespace: str | None,
) -> None:
    """Copy files: `kl cp page.html web:/tmp/page.html`, `kl cp web:/var/log logs`."""
    if len(words) != 2:
        raise CliError("source and destination are required")
    source, target = Place.parse(words[0]), Place.parse(words[1])
    if source.pod and target.pod:
        raise CliError("one of src or dest must be a local file specification")
    if not source.path or not target.path:
        raise CliError("filepath can not be empty")
    if not source.pod and not target.pod:
        raise CliError("one of src or dest must be a remote file specification")
    if target.pod and not Path(source.path).exists():
        raise CliError(f"{source.path} doesn't exist in local filesystem")
    remote = source if source.pod else target
    inside = _container(session(context, remote.namespace or namespace), remote.pod, container)
    if source.pod:
        _download(inside, source.path, Path(target.path))
    else:
        _upload(inside, Path(source.path), target.path, no_preserve=no_preserve)


def _container(at: Session, name: str, container: str | None) -> Container:
    pod = at.api.get(PODS, at.namespace, name)
    phase = meta.get(pod, "status", "phase")
    if phase in FINISHED:
        raise CliError(f"cannot exec into a container in a completed pod; current phase is {phase}")
    return Container(at, pod, container or pods.chosen_container(pod))


def _upload(inside: Container, source: Path, target: str, *, no_preserve: bool) -> None:
    if inside.run(["test", "-d", target], Streams(None, io.BytesIO(), io.BytesIO())) == 0:
        target = posixpath.join(target, source.resolve().name)
    folder, name = posixpath.split(posixpath.normpath(target))
    words = ["tar", *(["--no-same-permissions", "--no-same-owner"] if no_preserve else []), "-xmf", "-"]
    with tempfile.TemporaryFile() as archive:
        pack(source, name, archive)
        archive.seek(0)
        streams = replace(Streams.own(has_input=False), keyboard=archive.fileno())
        _end(inside.run([*words, *(["-C", folder] if folder else [])], streams))


def _download(inside: Container, source: str, target: Path) -> None:
    prefix = _without_shortcuts(posixpath.normpath(source.strip("/")))
    with tempfile.TemporaryFile() as archive:
        out: IO[bytes] = sys.stdout.buffer
        code = inside.run(["tar", "cf", "-", source], Streams(None, archive, out))
        archive.seek(0)
        for warning in unpack(archive, "" if prefix == "." else prefix, target):
            click.echo(warning, err=True)
    _end(code)


def _without_shortcuts(path: str) -> str:
    """No way above the root."""
    while path.startswith("../"):
        path = path.removeprefix("../")
    return "" if path == ".." else path


def _end(code: int) -> None:
    if code:
        click.echo(f"command terminated with exit code {code}", err=True)
        sys.exit(code)
