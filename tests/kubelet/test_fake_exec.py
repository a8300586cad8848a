"""Commands in containers of the fake runtime, over streams in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kubelet.runtime.fake import FakeRuntime
from kubelet.runtime.interface import ContainerConfig, RuntimeFailure
from tests.kubelet.test_fake_runtime import free_port, make_runtime, start
from tests.support.wait import until_async


class Typist:
    """A client's streams: `keys` are typed, what is shown is kept."""

    size = (132, 43)

    def __init__(self, *keys: bytes) -> None:
        self.keys: asyncio.Queue[bytes] = asyncio.Queue(maxsize=100)
        for key in keys:
            self.keys.put_nowait(key)
        self.shown = b""
        self.errors = b""

    async def read(self) -> bytes:
        return await self.keys.get()

    async def write(self, data: bytes) -> None:
        self.shown += data

    async def write_error(self, data: bytes) -> None:
        self.errors += data

    async def wait_shown(self, text: bytes) -> None:
        await until_async(f"{text!r} is shown", lambda: text in self.shown)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[FakeRuntime]:
    made = make_runtime(tmp_path)
    yield made
    await made.stop()
    await until_async("nobody is connected any more", lambda: len(asyncio.all_tasks()) == 1)


async def container(runtime: FakeRuntime, image: str = "run", **fields: object) -> str:
    return (await start(runtime, "web", ContainerConfig("c", 0, image, **fields))).id  # type: ignore[arg-type]


async def test_input_goes_through_a_program_until_it_ends(runtime: FakeRuntime) -> None:
    typist = Typist(b"one\n", b"two\n", b"")
    assert await runtime.exec(await container(runtime), ["cat"], typist, is_terminal=False) == 0
    assert (typist.shown, typist.errors) == (b"one\ntwo\n", b"")


async def test_a_command_finds_its_container(runtime: FakeRuntime) -> None:
    container_id = await container(runtime, environment={"COLOUR": "blue"}, command=["serve"], args=["-v"])
    typist = Typist()
    script = "echo $COLOUR; hostname; cat /etc/hosts | head -3; ps | head -2; nothing"
    assert await runtime.exec(container_id, ["sh", "-c", script], typist, is_terminal=False) == 127
    assert typist.shown.decode().splitlines() == [
        "blue",
        "web",
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "127.239.99.2\tweb",
        "PID   USER     TIME  COMMAND",
        "    1 root      0:00 serve -v",
    ]
    assert typist.errors == b"sh: nothing: not found\n"


async def test_the_page_is_served_from_within(runtime: FakeRuntime) -> None:
    port = free_port()
    typist = Typist()
    container_id = await container(runtime, "nginx", ports=[port])
    command = ["curl", f"localhost:{port}"]
    assert await runtime.exec(container_id, command, typist, is_terminal=False) == 0
    assert b"Welcome to nginx!" in typist.shown
    assert await runtime.exec(container_id, ["curl", "localhost:1"], typist, is_terminal=False) == 7


async def test_a_container_calls_from_its_pods_address(runtime: FakeRuntime) -> None:
    port = free_port()
    server = await start(runtime, "server", ContainerConfig("c", 0, "traefik/whoami", ports=[port]))
    server_ip, client = runtime.sandbox_of("server"), await container(runtime)
    client_ip = runtime.sandbox_of("web")
    assert server_ip is not None
    assert client_ip is not None
    typist = Typist()
    command = ["curl", f"{server_ip.ip}:{port}"]
    assert await runtime.exec(client, command, typist, is_terminal=False) == 0
    assert typist.shown.decode() == f"Hostname: server\nIP: {server_ip.ip}\n"
    last = runtime.log_path(server.id).read_text().splitlines()[-1]
    assert f' {client_ip.ip} - - "GET / HTTP/1.0"' in last
    await runtime.stop()


async def test_a_terminal_echoes_and_interrupts(runtime: FakeRuntime) -> None:
    typist = Typist()
    container_id = await container(runtime)
    running = asyncio.ensure_future(runtime.exec(container_id, ["sh"], typist, is_terminal=True))
    for awaited, keys in (
        (b"/ # ", b"stty size\r"),
        (b"43 132\r\n/ # ", b"sleep 1000\r"),
        (b"sleep 1000\r\n", b"\x03"),
        (b"^C\r\n/ # ", b"cat\r"),
        (b"cat\r\n", b"ab\x04"),
        (b"abab", b"\x04"),
        (b"abab/ # ", b"exit 3\r"),
    ):
        await typist.wait_shown(awaited)
        typist.keys.put_nowait(keys)
    assert await running == 3
    assert typist.errors == b""
    assert typist.shown.decode().split("\r\n") == [
        "/ # stty size",
        "43 132",
        "/ # sleep 1000",
        "^C",
        "/ # cat",
        "abab/ # exit 3",
        "",
    ]


async def test_a_command_ends_with_its_container(runtime: FakeRuntime) -> None:
    container_id = await container(runtime)
    sleeping = asyncio.ensure_future(
        runtime.exec(container_id, ["sleep", "1000"], Typist(), is_terminal=False)
    )
    await asyncio.sleep(0)
    await runtime.stop_container(container_id, 30)
    assert await sleeping == 137
    with pytest.raises(RuntimeFailure, match="is not running"):
        await runtime.exec(container_id, ["true"], Typist(), is_terminal=False)


async def test_a_container_can_be_ended_from_within(runtime: FakeRuntime) -> None:
    changed: list[str] = []
    runtime.on_change(changed.append)
    assert await runtime.exec(await container(runtime), ["kill", "1"], Typist(), is_terminal=False) == 137
    assert changed == ["web"]
    (ended,) = runtime.containers_of("web")
    assert (ended.is_exited, ended.exit_code) == (True, 0)


async def test_a_command_that_is_not_there(runtime: FakeRuntime) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await runtime.exec(await container(runtime), ["xyz"], Typist(), is_terminal=False)
    reason = 'exec: "xyz": executable file not found in $PATH: unknown'
    assert str(caught.value) == (
        'failed to exec in container: failed to start exec "id-3": OCI runtime exec failed: '
        f"exec failed: unable to start container process: {reason}"
    )
