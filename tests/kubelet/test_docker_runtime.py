"""Pods on a real Docker Engine, in a network namespace of its own: the contract of all runtimes, and more."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

from kube.base.clock import SystemClock
from kubelet.runtime.docker import place, watch
from kubelet.runtime.docker.runtime import DockerRuntime
from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    Credentials,
    DNSConfig,
    Mount,
    PullFailure,
    Resources,
    RuntimeFailure,
    SandboxConfig,
    SecurityContext,
)
from tests.kubelet.runtime_contract import Bench, Client, RuntimeContract
from tests.support.engine import (
    ABSENT,
    IMAGE,
    NO_REGISTRY,
    PASSWORD,
    PROTECTED,
    PULLED,
    USER,
    WRONG_TAG,
    Engine,
    running,
)
from tests.support.wait import until_async

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

LOOPBACK = IPv4Network("127.224.1.0/24")
NODE_IP = "127.16.0.1"
pods = (f"pod-{number}" for number in itertools.count(1))


class Node:
    """A runtime, and the pods it is asked for."""

    def __init__(self, engine: Engine, folder: Path, pods: IPv4Network = LOOPBACK) -> None:
        self.engine, self.folder = engine, folder
        self.runtime = DockerRuntime(engine.endpoint, "d1", NODE_IP, pods, folder, SystemClock())
        self.ended: list[str] = []
        self.runtime.on_change(self.ended.append)

    async def sandbox(self, **config: Any) -> str:
        uid = next(pods)
        await self.runtime.run_pod_sandbox(SandboxConfig(uid, "default", f"name-of-{uid}", **config))
        return uid

    async def start(
        self, uid: str, *command: str, attempt: int = 0, name: str = "c", **config: Any
    ) -> Container:
        made = ContainerConfig(name, attempt, IMAGE, command, **config)
        container_id = await self.runtime.create_container(uid, made)
        await self.runtime.start_container(container_id)
        return self.now(uid, container_id)

    async def run(self, *command: str, **config: Any) -> Container:
        """A container of a pod of its own."""
        return await self.start(await self.sandbox(), *command, **config)

    def now(self, uid: str, container_id: str) -> Container:
        return next(each for each in self.runtime.containers_of(uid) if each.id == container_id)

    async def end(self, container: Container) -> Container:
        """When it has ended by itself."""

        def check() -> Container | None:
            now = self.now(container.pod_uid, container.id)
            return now if now.is_exited else None

        found = await until_async(f"{container.name} of {container.pod_uid} ends", check)
        assert found is not None
        return found

    def log(self, container: Container) -> list[str]:
        lines = self.runtime.log_path(container.id).read_text().splitlines()
        return [line.split(" ", 3)[3] for line in lines]

    async def output(self, *command: str, **config: Any) -> list[str]:
        """What a command in a container of its own prints."""
        return self.log(await self.end(await self.run(*command, **config)))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running(tmp_path_factory.mktemp("docker")) as started:
        yield started


@pytest.fixture
async def node(engine: Engine, tmp_path: Path) -> AsyncIterator[Node]:
    """Nothing of it is left afterwards."""
    made = Node(engine, tmp_path)
    with engine.namespace.entered():
        await made.runtime.start()
        yield made
        await made.runtime.stop()
        await place.clear(engine.endpoint, tmp_path)
    assert engine.docker("ps", "--all", "--quiet") == ""


KINDS = {
    "runs": {"command": ["sh", "-c", "trap 'exit 0' TERM; echo ready; while true; do sleep 0.05; done"]},
    "fails": {"command": ["sh", "-c", "echo hello; exit 3"]},
    "stubborn": {"command": ["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]},
}


class TestDocker(RuntimeContract):
    """What all runtimes promise."""

    @pytest.fixture
    async def bench(self, engine: Engine, tmp_path: Path) -> AsyncIterator[Bench]:
        def make() -> DockerRuntime:
            return DockerRuntime(engine.endpoint, "d1", "127.31.0.8", LOOPBACK, tmp_path, SystemClock())

        bench = Bench(make, {kind: {"image": IMAGE, **more} for kind, more in KINDS.items()})
        with engine.namespace.entered():
            await bench.start()
            yield bench
            await bench.close()
        assert engine.docker("ps", "--all", "--quiet") == ""


async def test_containers_of_a_pod_share_its_network_and_name(node: Node) -> None:
    uid = await node.sandbox(hostname="web-0", dns=DNSConfig(["10.0.0.1"], ["a", "b"], ["ndots:5"]))
    await node.start(uid, "httpd", "-f", "-p", "8080", "-h", "/etc", name="web")
    other = await node.start(
        uid, "sh", "-c", "hostname; cat /etc/resolv.conf; wget -qO- localhost:8080/group"
    )
    await node.end(other)
    resolv = ["nameserver 10.0.0.1", "search a b", "options ndots:5"]
    assert node.log(other) == ["web-0", *resolv, "root:x:0:", "nogroup:x:65534:"]
    reader, writer = await asyncio.open_connection(*node.runtime.address_of(uid, 8080))
    writer.write(b"GET /group HTTP/1.0\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()


async def test_an_end_is_announced_when_the_log_is_whole(node: Node) -> None:
    container = await node.run("sh", "-c", "seq 200000; exit 3")
    ended = await node.end(container)
    assert (ended.exit_code, ended.reason) == (3, "Error")
    assert node.log(container) == [str(number) for number in range(1, 200_001)]
    assert container.pod_uid in node.ended


async def test_what_does_not_fit_into_its_memory_is_killed(node: Node) -> None:
    limits = Resources(memory_limit_bytes=16 << 20)
    ended = await node.end(await node.run("sh", "-c", "x=a; while true; do x=$x$x; done", resources=limits))
    assert (ended.exit_code, ended.reason) == (137, "OOMKilled")


async def test_what_cannot_start_has_ended(node: Node) -> None:
    uid = await node.sandbox()
    with pytest.raises(RuntimeFailure, match=r'exec: "/absent": stat /absent: no such file or directory'):
        await node.start(uid, "/absent")
    (container,) = node.runtime.containers_of(uid)
    assert (container.exit_code, container.reason) == (128, "ContainerCannotRun")
    assert container.is_exited


async def test_limits_and_rights(node: Node) -> None:
    security = SecurityContext(
        run_as_user=1000,
        run_as_group=2000,
        supplemental_groups=(3000,),
        read_only_rootfs=True,
        no_new_privileges=True,
        drop_capabilities=("ALL",),
    )
    script = "id -u; id -G; touch /x 2>&1; grep -E 'NoNewPrivs|CapBnd' /proc/self/status"
    assert await node.output("sh", "-c", script, security=security) == [
        "1000",
        "2000 3000",
        "touch: /x: Read-only file system",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ]
    container = await node.run(
        "sleep",
        "1000",
        resources=Resources(512, 50_000, 100_000, 64 << 20, 900),
    )
    host = node.engine.inspect(container.id)["HostConfig"]
    said = ("CpuShares", "CpuQuota", "CpuPeriod", "Memory", "MemorySwap", "OomScoreAdj")
    assert [host[key] for key in said] == [512, 50_000, 100_000, 64 << 20, 64 << 20, 900]
    await node.runtime.update_resources(container.id, Resources(1024, 20_000, 100_000, 32 << 20))
    host = node.engine.inspect(container.id)["HostConfig"]
    assert [host[key] for key in said[:5]] == [1024, 20_000, 100_000, 32 << 20, 32 << 20]
    # Not every engine may start such a one.
    privileged = ContainerConfig("p", 0, IMAGE, security=SecurityContext(privileged=True))
    made = await node.runtime.create_container(container.pod_uid, privileged)
    assert node.engine.inspect(made)["HostConfig"]["Privileged"]


async def test_environment_folders_and_arguments(node: Node, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("read me\n")
    mounts = [
        Mount("/given", str(tmp_path / "given"), read_only=True),
        Mount("/made", str(tmp_path / "made")),
    ]
    container = await node.run(
        "sh",
        "-c",
        'cat /given; echo $GREETING "$@" $PWD > /made/out; echo x 2>&1 > /given',
        args=("name", "to", "you"),
        environment={"GREETING": "hello"},
        working_dir="/tmp",
        mounts=mounts,
    )
    await node.end(container)
    assert node.log(container)[0] == "read me"
    assert "Read-only file system" in node.log(container)[1]
    assert (tmp_path / "made/out").read_text() == "hello to you /tmp\n"


async def test_what_a_pod_may_share(node: Node) -> None:
    uid = await node.sandbox(
        share_process_namespace=True, sysctls={"net.ipv4.ip_unprivileged_port_start": "7"}
    )
    script = "ps -o comm,args | grep -c pause; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    container = await node.end(await node.start(uid, "sh", "-c", f"{script}; sleep 0.1 & exit 0"))
    assert node.log(container)[1:] == ["7"]
    assert int(node.log(container)[0]) >= 1
    host = await node.sandbox(host_network=True, host_pid=True, host_ipc=True)
    sandbox = node.runtime.sandbox_of(host)
    assert sandbox is not None
    assert sandbox.ip == NODE_IP
    await node.start(host, "httpd", "-f", "-p", f"{NODE_IP}:8099")
    await until_async("the node's own address answers", lambda: _connects(NODE_IP, 8099))


async def test_a_host_port_is_the_nodes(node: Node) -> None:
    uid = await node.sandbox(host_ports=[("", 8098, 8080, "TCP")])
    await node.start(uid, "httpd", "-f", "-p", "8080")
    await until_async("the node's port answers", lambda: _connects(NODE_IP, 8098))
    with pytest.raises(RuntimeFailure, match=r"port is already allocated|address already in use"):
        await node.sandbox(host_ports=[("", 8098, 80, "TCP")])


async def test_a_pod_network_that_is_none_of_the_loopback_is_a_bridge(engine: Engine, tmp_path: Path) -> None:
    node = Node(engine, tmp_path, IPv4Network("10.244.7.0/24"))
    with engine.namespace.entered():
        await node.runtime.start()
        uid = await node.sandbox()
        sandbox = node.runtime.sandbox_of(uid)
        assert sandbox is not None
        assert sandbox.ip == "10.244.7.2"
        await node.runtime.stop()
        await place.clear(engine.endpoint, tmp_path)
    assert "kubelite" not in engine.docker("network", "ls")


async def test_a_command_that_takes_too_long_is_killed(node: Node) -> None:
    container = await node.run("sleep", "1000")
    with pytest.raises(TimeoutError):
        await node.runtime.exec_sync(container.id, ["sleep", "777"], 0.3)
    running_now = await node.runtime.exec_sync(container.id, ["ps"], 30)
    assert b"777" not in running_now.output


async def test_a_command_with_a_terminal_hears_of_its_size(node: Node) -> None:
    container = await node.run("sleep", "1000")
    client = Client()
    # The engine takes no such size, as it may refuse the first one of a command that has just been started.
    client.size = (1 << 70, 1 << 70)
    shell = asyncio.ensure_future(node.runtime.exec(container.id, ["sh"], client, is_terminal=True))

    def shows(text: bytes) -> Any:
        client.type(b"stty size\n")
        return until_async(f"the terminal shows {text!r}", lambda: _asked_again(client, text))

    await client.sees(b"# ")
    client.size = (101, 33)
    await shows(b"33 101")
    client.size = (90, 20)
    await shows(b"20 90")
    client.type(b"exit 4\n")
    assert await shell == 4


def _asked_again(client: Client, text: bytes) -> bool:
    if text in client.shown:
        return True
    client.type(b"stty size\n")
    return False


async def test_a_shell_ends_when_its_client_leaves(node: Node) -> None:
    container = await node.run("sleep", "1000")
    client = Client(b"echo 'he'llo\n")
    shell = asyncio.ensure_future(node.runtime.exec(container.id, ["sh"], client, is_terminal=True))
    await client.sees(b"hello")
    shell.cancel()
    await asyncio.gather(shell, return_exceptions=True)

    async def has_ended() -> bool:
        processes = await node.runtime.exec_sync(container.id, ["ps", "-o", "args"], 30)
        return b"sh\n" not in processes.output

    await until_async("the shell has ended", has_ended)


async def test_a_loopback_dns_is_for_the_nodes_network_only(node: Node) -> None:
    dns = DNSConfig(["127.96.0.10"], ["default.svc.cluster.local"])
    host = await node.end(
        await node.start(await node.sandbox(host_network=True, dns=dns), "cat", "/etc/resolv.conf")
    )
    assert node.log(host) == ["nameserver 127.96.0.10", "search default.svc.cluster.local"]
    own = await node.end(await node.start(await node.sandbox(dns=dns), "cat", "/etc/resolv.conf"))
    assert "nameserver 127.96.0.10" not in node.log(own)


async def test_attached_to_a_containers_own_process(node: Node) -> None:
    reads = {"stdin": True, "stdin_once": True}
    container = await node.run("sh", "-c", "while read line; do echo got $line; done; echo end", **reads)
    watching = asyncio.ensure_future(
        node.runtime.attach(container.id, onlooker := _Onlooker(), is_terminal=False)
    )
    client = Client(b"a\n", b"b\n", b"")
    await until_async("the onlooker is attached", lambda: onlooker.is_asked)
    await node.runtime.attach(container.id, client, is_terminal=False)
    assert client.shown == b"got a\ngot b\nend\n"
    await watching
    assert (await node.end(container)).exit_code == 0


class _Onlooker(Client):
    """A client that does not type."""

    is_asked = False

    async def read(self) -> bytes:
        self.is_asked = True
        return b""


async def test_images(node: Node) -> None:
    runtime = node.runtime
    assert runtime.image_of(PULLED) is None
    pulled = await runtime.pull_image(PULLED)
    assert PULLED in pulled.names
    assert pulled.size_bytes > 1_000_000
    image = runtime.image_of(f"docker.io/library/{IMAGE}")
    assert image is not None
    with_password = await runtime.pull_image(PROTECTED, Credentials(USER, PASSWORD))
    assert PROTECTED in with_password.names
    await runtime.remove_image(pulled.id)
    assert runtime.image_of(PULLED) is None
    assert all("pause" not in name for each in runtime.list_images() for name in each.names)


@pytest.mark.parametrize(
    ("image", "credentials", "reason", "text"),
    [
        (ABSENT, None, "ErrImagePull", "manifest for 127.0.0.1:5000/absent:1 not found: manifest unknown"),
        (
            WRONG_TAG,
            None,
            "ErrImagePull",
            "manifest for 127.0.0.1:5000/busybox:2 not found: manifest unknown",
        ),
        (PROTECTED, None, "ErrImagePull", "no basic auth credentials"),
        (PROTECTED, Credentials(USER, "wrong"), "ErrImagePull", "unauthorized: authentication required"),
        (NO_REGISTRY, None, "ErrImagePull", "dial tcp 127.0.0.1:5999: connect: connection refused"),
        ("UPPER:1", None, "InvalidImageName", "invalid reference format: repository name must be lowercase"),
    ],
)
async def test_why_an_image_cannot_be_pulled(
    node: Node, image: str, credentials: Credentials | None, reason: str, text: str
) -> None:
    with pytest.raises(PullFailure) as caught:
        await node.runtime.pull_image(image, credentials)
    assert caught.value.reason == reason
    assert str(caught.value).startswith("Error response from daemon: ")
    assert text in str(caught.value)


COUNTING = "i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done"


async def test_a_returning_kubelet_goes_on_with_every_log(node: Node) -> None:
    container = await node.run("sh", "-c", COUNTING)
    await until_async("lines", lambda: len(node.log(container)) > 20)
    before = node.runtime.containers_of(container.pod_uid), node.runtime.list_sandboxes()
    await node.runtime.stop()
    with node.runtime.log_path(container.id).open("a") as torn:
        torn.write("2030-01-01T00")
    count = node.runtime.log_path(container.id).read_text().count("\n")
    node.runtime = DockerRuntime(node.engine.endpoint, "d1", NODE_IP, LOOPBACK, node.folder, SystemClock())
    await node.runtime.start()
    assert (node.runtime.containers_of(container.pod_uid), node.runtime.list_sandboxes()) == before
    await until_async("more lines", lambda: len(node.log(container)) > count + 20)
    await node.runtime.stop_container(container.id, 0)
    _assert_counts(node.log(container))


async def test_a_log_that_was_moved_aside_goes_on_in_a_new_file(node: Node) -> None:
    container = await node.run("sh", "-c", COUNTING)
    path = node.runtime.log_path(container.id)
    await until_async("lines", lambda: len(node.log(container)) > 10)
    aside = path.rename(path.with_name(f"{path.name}.20300101-000000"))
    await node.runtime.stop()
    node.runtime = DockerRuntime(node.engine.endpoint, "d1", NODE_IP, LOOPBACK, node.folder, SystemClock())
    await node.runtime.start()
    await until_async("more lines", lambda: path.exists() and len(node.log(container)) > 10)
    second = path.rename(path.with_name(f"{path.name}.20300101-000010"))
    await node.runtime.reopen_log(container.id)
    await until_async("yet more lines", lambda: len(node.log(container)) > 10)
    await node.runtime.stop_container(container.id, 0)
    text = aside.read_text() + second.read_text() + path.read_text()
    _assert_counts([line.split(" ", 3)[3] for line in text.splitlines()])


def _assert_counts(lines: list[str]) -> None:
    assert lines == [str(number) for number in range(len(lines))]


async def test_long_lines_and_terminals(node: Node) -> None:
    long = await node.end(await node.run("sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo end"))
    lines = [line.split(" ", 3) for line in node.runtime.log_path(long.id).read_text().splitlines()]
    assert [(line[2], len(line[3])) for line in lines] == [("P", 16384), ("P", 16384), ("F", 7232), ("F", 3)]
    typed = await node.end(await node.run("sh", "-c", "echo one; echo two >&2", is_terminal=True))
    assert node.log(typed) == ["one", "two"]


async def test_stats(node: Node) -> None:
    container = await node.run("sh", "-c", "while true; do :; done")
    await node.runtime.exec_sync(container.id, ["sh", "-c", "head -c 100000 /dev/zero > /file"], 30)
    (found,) = await node.runtime.stats(container.pod_uid)
    assert found.container_id == container.id
    assert found.cpu_nanoseconds > 0
    assert found.memory_bytes > 0
    assert found.files_bytes >= 100_000


async def test_nodes_on_one_engine_do_not_see_each_other(node: Node, tmp_path_factory: Any) -> None:
    container = await node.run("sleep", "1000")
    other = Node(node.engine, tmp_path_factory.mktemp("other"))
    await other.runtime.start()
    assert other.runtime.list_sandboxes() == []
    await other.runtime.stop()
    await place.clear(node.engine.endpoint, other.folder)
    assert node.engine.inspect(container.id)["State"]["Running"]


async def test_a_removed_pod_leaves_nothing(node: Node) -> None:
    container = await node.run("sleep", "1000")
    node.engine.docker("rm", "--force", container.id)
    await until_async("it is forgotten", lambda: not node.runtime.containers_of(container.pod_uid))
    assert container.pod_uid in node.ended
    await node.runtime.stop_pod_sandbox(container.pod_uid)
    await node.runtime.remove_pod_sandbox(container.pod_uid)
    assert node.runtime.list_sandboxes() == []
    assert list((node.folder / "docker/pods").iterdir()) == []


async def test_an_engine_that_was_killed_comes_back(node: Node) -> None:
    container = await node.run("sh", "-c", f"trap 'exit 0' TERM; {COUNTING}")
    await until_async("lines", lambda: len(node.log(container)) > 10)
    node.engine.kill()
    await until_async("it is missed", lambda: node.runtime.problem() is not None)
    missing = f"Cannot connect to the Docker daemon at {node.engine.endpoint}. Is the docker daemon running?"
    assert node.runtime.problem() == missing
    with pytest.raises(RuntimeFailure, match="Cannot connect to the Docker daemon"):
        await node.sandbox()
    assert node.now(container.pod_uid, container.id).is_running
    await asyncio.to_thread(node.engine.launch)
    await node.end(container)
    await until_async("it is back", lambda: node.runtime.problem() is None)
    _assert_counts(node.log(container))
    sandbox = node.runtime.sandbox_of(container.pod_uid)
    assert sandbox is not None
    assert not sandbox.ready
    again = await node.runtime.run_pod_sandbox(SandboxConfig(container.pod_uid, "default", "again"))
    assert again.ready
    restarted = await node.start(container.pod_uid, "sleep", "1000", attempt=1)
    assert [each.id for each in node.runtime.containers_of(container.pod_uid)] == [container.id, restarted.id]


async def test_containers_may_survive_their_engine(node: Node) -> None:
    node.engine.kill()
    await asyncio.to_thread(node.engine.launch, "--live-restore")
    await until_async("it is back", lambda: node.runtime.problem() is None)
    container = await node.run("sh", "-c", COUNTING)
    node.engine.kill()
    await until_async("it is missed", lambda: node.runtime.problem() is not None)
    await asyncio.to_thread(node.engine.launch, "--live-restore")
    await until_async("it is back", lambda: node.runtime.problem() is None)
    count = len(node.log(container))
    await until_async("more lines", lambda: len(node.log(container)) > count + 20)
    assert node.now(container.pod_uid, container.id).is_running
    await node.runtime.stop_container(container.id, 0)
    _assert_counts(node.log(container))


async def test_an_engine_that_hangs_is_missed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "PING_SECONDS", 0.1)
    await node.runtime.stop()
    node.runtime = DockerRuntime(node.engine.endpoint, "d1", NODE_IP, LOOPBACK, node.folder, SystemClock())
    await node.runtime.start()
    with node.engine.paused():
        await until_async("it is missed", lambda: node.runtime.problem() is not None)
    await until_async("it is back", lambda: node.runtime.problem() is None)


async def _connects(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    writer.close()
    return True
