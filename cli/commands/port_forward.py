"""Shell: `kl port-forward`: ports of this machine that lead to ports of a pod, until Ctrl-C.

Each connection has a WebSocket of its own, as the Python clients do it: channel 0 are its bytes, both ways,
channel 1 is what went wrong; the first message on each is the port. One loop serves them all by `select`.

Absent: the end of one direction alone, which this protocol cannot say; kubectl's has it.
After: k8s staging/src/k8s.io/kubectl/pkg/cmd/portforward/portforward.go.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import click

from cli import pods
from cli.errors import CliError
from cli.session import Session, namespace_option, session
from cli.websocket import BrokenOff, WebSocket
from kube.api import meta
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import PODS, SERVICES

V4 = "v4.channel.k8s.io"
DATA, ERROR = b"\x00", b"\x01"
CHUNK_BYTES = 32 * 1024
# With more than this on its way, no more is read from that side.
BACKLOG_BYTES_MAX = 256 * 1024
SERVICE_WORDS = (SERVICES.plural, SERVICES.singular, *SERVICES.short_names)
LOCALHOST = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Listener:
    """A port here, and the pod's that it leads to."""

    socket: socket.socket
    local: int
    remote: int

    def fileno(self) -> int:
        return self.socket.fileno()


class Bridge:
    """One connection. `left`: channels whose first message, the port, is still to come."""

    def __init__(self, local: socket.socket, remote: WebSocket) -> None:
        local.setblocking(False)
        self.local, self.remote = local, remote
        self.left = {DATA, ERROR}
        self.outgoing = b""
        self.has_ended = False

    def step(self, readable: Sequence[object], writable: Sequence[object]) -> None:
        """Do what can be done."""
        try:
            if self.remote in writable:
                self.remote.flush()
            if self.remote in readable or self.remote.has_unread:
                for message in self.remote.take():
                    self._take(message[:1], message[1:])
            if self.local in readable:
                data = self.local.recv(CHUNK_BYTES)
                self.has_ended = not data
                if data:
                    self.remote.send(DATA + data)
            if self.outgoing:
                self._flush()
        except (BrokenOff, OSError):
            self.has_ended = True
        self.has_ended |= self.remote.has_ended and not self.outgoing

    def close(self) -> None:
        self.local.close()
        self.remote.close()

    def _take(self, channel: bytes, data: bytes) -> None:
        if channel in self.left:
            self.left.discard(channel)
        elif channel == DATA:
            self.outgoing += data
        elif channel == ERROR:
            click.echo(data.decode(errors="replace"), err=True)

    def _flush(self) -> None:
        try:
            self.outgoing = self.outgoing[self.local.send(self.outgoing) :]
        except BlockingIOError:
            return


@click.command("port-forward")
@click.argument("words", nargs=-1, metavar="POD|TYPE/NAME [LOCAL:]REMOTE...")
@click.option(
    "--address", default="localhost", show_default=True, help="Where to listen, with commas between."
)
@namespace_option
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], address: str, namespace: str | None) -> None:
    """Reach ports of a pod: `kl port-forward web 8080:80`, `kl port-forward svc/web :80`."""
    if len(words) < 2:
        raise CliError("TYPE/NAME and list of ports are required for port-forward")
    at = session(context, namespace)
    pod = min(pods.pods_of(at, words[0]), key=pods.by_readiness)
    phase = meta.get(pod, "status", "phase")
    if phase != "Running":
        raise CliError(f"unable to forward port because pod is not running. Current status={phase}")
    pairs = [_pair(at, words[0], pod, text) for text in words[1:]]
    hosts = [host for each in address.split(",") for host in (LOCALHOST if each == "localhost" else [each])]
    listeners = [each for pair in pairs for each in _listen(hosts, *pair)]
    try:
        _serve(at, pod, listeners)
    except KeyboardInterrupt:
        return
    finally:
        for listener in listeners:
            listener.socket.close()


def _pair(at: Session, word: str, pod: Object, text: str) -> tuple[int, int]:
    """The port here and the pod's port that `8080:http`, `8080` or `:80` mean."""
    first, colon, second = text.partition(":")
    if colon and first and not first.isdecimal():
        raise CliError(f"error parsing local port '{first}': it is no number")
    asked = second if colon else first
    remote = _service_port(at, word, asked) if word.split("/")[0] in SERVICE_WORDS else asked
    number = int(remote) if remote.isdecimal() else _named_port(pod, remote)
    if first.isdecimal():
        return int(first), number
    return 0 if colon else number, number


def _service_port(at: Session, word: str, asked: str) -> str:
    """A Service's port is what stands behind it in the pod."""
    service = at.api.get(SERVICES, at.namespace, word.partition("/")[2])
    for port in service["spec"].get("ports") or ():
        if asked in (str(port["port"]), port.get("name")):
            headless = service["spec"].get("clusterIP") == "None"
            return str(port["port"] if headless else port.get("targetPort", port["port"]))
    raise CliError(f"Service {meta.name(service)} does not have a service port {asked}")


def _named_port(pod: Object, name: str) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return int(port["containerPort"])
    raise CliError(f"Pod '{meta.name(pod)}' does not have a named port '{name}'")


def _listen(hosts: Sequence[str], local: int, remote: int) -> list[Listener]:
    listeners: list[Listener] = []
    problem: OSError | None = None
    for host in hosts:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            # The second address gets the port that the system chose for the first.
            port = listeners[0].local if listeners else local
            bound = socket.create_server((host, port), family=family)
        except OSError as error:
            problem = error
            continue
        listener = Listener(bound, bound.getsockname()[1], remote)
        listeners.append(listener)
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"Forwarding from {shown}:{listener.local} -> {remote}")
    if not listeners:
        raise CliError(f"unable to listen on any of the requested ports: [{{{local} {remote}}}]: {problem}")
    return listeners


def _serve(at: Session, pod: Object, listeners: Sequence[Listener]) -> None:
    bridges: list[Bridge] = []
    try:
        while True:
            _step(at, pod, listeners, bridges)
    finally:
        for bridge in bridges:
            bridge.close()


def _step(at: Session, pod: Object, listeners: Sequence[Listener], bridges: list[Bridge]) -> None:
    """Wait until something can be done, and do it."""
    readers: list[Listener | WebSocket | socket.socket] = [*listeners]
    readers += [each.remote for each in bridges if len(each.outgoing) < BACKLOG_BYTES_MAX]
    readers += [each.local for each in bridges if each.remote.backlog < BACKLOG_BYTES_MAX]
    writers: list[WebSocket | socket.socket] = [each.remote for each in bridges if each.remote.backlog]
    writers += [each.local for each in bridges if each.outgoing]
    has_unread = any(each.remote.has_unread for each in bridges)
    readable, writable, _ = select.select(readers, writers, [], 0 if has_unread else None)
    for bridge in [*bridges]:
        bridge.step(readable, writable)
        if bridge.has_ended:
            bridge.close()
            bridges.remove(bridge)
    accepted = [_accept(at, pod, each) for each in listeners if each in readable]
    bridges += [each for each in accepted if each is not None]


def _accept(at: Session, pod: Object, listener: Listener) -> Bridge | None:
    local, _ = listener.socket.accept()
    click.echo(f"Handling connection for {listener.local}")
    path = PODS.path(meta.namespace(pod), meta.name(pod), "portforward")
    try:
        return Bridge(local, at.api.websocket(path, [("ports", str(listener.remote))], (V4,)))
    except (CliError, StatusError) as error:
        click.echo(f"error: {error}", err=True)
        local.close()
        return None
