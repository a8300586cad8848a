"""attach: a client with a container's own program, through the kubelet's port."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kubelet.conftest import TestNode
from tests.kubelet.test_server import SUCCESS, Command, Port, command, port

__all__ = ["port"]


async def start(node: TestNode, **spec: Any) -> str:
    """Run pod `p` with a container `c`; the container's id."""
    await node.create("p", restartPolicy="Never", containers=[{"name": "c", "image": "run", **spec}])
    pod = await node.wait("p", "Running")
    (container,) = node.runtime.containers_of(pod["metadata"]["uid"])
    return container.id


async def until_shown(client: Command, text: bytes) -> None:
    while text not in client.channels.get(1, b""):
        assert await client.receive(), client.channels


def log_of(node: TestNode, container_id: str) -> list[str]:
    return [line.split(" ", 3)[3] for line in node.runtime.log_path(container_id).read_text().splitlines()]


async def test_a_terminal_is_that_of_the_containers_shell(node: TestNode, port: Port) -> None:
    container_id = await start(node, args=["sh"], stdin=True, tty=True)
    async with command(port, "/attach/default/p/c?input=1&output=1&tty=1") as client:
        await client.send(4, b'{"Width":132,"Height":43}')
        await client.send(0, b"stty size\r")
        await until_shown(client, b"43 132\r\n")
    # Who left may come back, and another may look on.
    async with (
        command(port, "/attach/default/p/c?input=1&output=1&tty=1") as client,
        command(port, "/attach/default/p/c?output=1&tty=1") as other,
    ):
        await client.send(0, b"exit 3\r")
        assert await client.finish() == SUCCESS
        assert await other.finish() == SUCCESS
    (container,) = node.runtime.containers_of((await node.get("p"))["metadata"]["uid"])
    assert (container.is_exited, container.exit_code) == (True, 3)
    assert "43 132" in log_of(node, container_id)


async def test_input_ends_with_the_first_client(node: TestNode, port: Port) -> None:
    container_id = await start(node, command=["cat"], stdin=True, stdinOnce=True)
    async with command(port, "/attach/default/p/c?input=1&output=1&error=1") as client:
        await client.send(0, b"hello\n")
        await client.send(255, b"\0")
        assert await client.finish() == SUCCESS
    assert client.channels[1] == b"hello\n"
    assert log_of(node, container_id) == ["hello"]


async def test_who_only_looks_ends_no_input(node: TestNode, port: Port) -> None:
    container_id = await start(node, command=["cat"], stdin=True)
    async with command(port, "/attach/default/p/c?output=1&error=1") as looking:
        async with command(port, "/attach/default/p/c?input=1&output=1&error=1") as client:
            await client.send(0, b"one\n")
            await until_shown(client, b"one\n")
            await client.send(255, b"\0")
        await until_shown(looking, b"one\n")
        node.runtime.print_line(container_id, "by itself")
        await until_shown(looking, b"by itself\n")
    assert node.runtime.containers_of((await node.get("p"))["metadata"]["uid"])[0].is_running


@pytest.mark.parametrize("stdin", [True, False])
async def test_a_container_without_a_program_reads_nothing(node: TestNode, port: Port, stdin: bool) -> None:
    container_id = await start(node, command=["/no/such"], stdin=stdin)
    async with command(port, "/attach/default/p/c?input=1&output=1") as client:
        await client.send(0, b"x")
        await node.runtime.stop_container(container_id, 0)
        assert await client.finish() == SUCCESS
