"""Containers as processes: what becomes of them when something dies, and what they are given."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kubelet.runtime.interface import (
    Container,
    ContainerConfig,
    DNSConfig,
    Mount,
    Resources,
    RuntimeFailure,
    SecurityContext,
)
from kubelet.runtime.process import abilities, clearing, runtime
from kubelet.runtime.process.abilities import Abilities
from kubelet.runtime.process.shim import kernel
from tests.kubelet.process_bench import groups, process_bench, script
from tests.kubelet.runtime_contract import Bench, Client
from tests.support.wait import until_async

MIB = 1 << 20
# Some of what a container can have only root can give: the tests say what others see.
IS_ROOT = kernel.is_admin()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with process_bench(tmp_path) as bench:
        yield bench


async def start(bench: Bench, text: str, uid: str = "", **config: Any) -> Container:
    made = ContainerConfig(name="c", attempt=0, **script(text, **config))
    container_id = await bench.runtime.create_container(uid or await bench.pod(), made)
    await bench.runtime.start_container(container_id)
    return bench.now(container_id)


async def output(bench: Bench, text: str, uid: str = "", **config: Any) -> list[str]:
    """What a script in a container of its own prints."""
    ended = await bench.end(await start(bench, text, uid, **config))
    return [line.split(" ", 2)[2] for line in bench.log(ended)]


async def says(bench: Bench, container: Container, *command: str) -> str:
    return (await bench.runtime.exec_sync(container.id, command, 60)).output.decode()


def shim_of(folder: Path, container: Container) -> int:
    return int(json.loads((folder / container.pod_uid / "shim.json").read_text())["pid"])


def groups_of(container: Container) -> list[Path]:
    return list(groups(container.pod_uid))


def exists(*paths: str) -> bool:
    """Whether any of them is on the machine."""
    return any(Path(path).exists() for path in paths)


# When something dies.


async def test_the_killed_shim_takes_its_containers_along(bench: Bench, tmp_path: Path) -> None:
    container = await start(bench, "trap '' TERM; sleep 600 & sleep 600")
    inside = (await says(bench, container, "sh", "-c", "cat /proc/self/cgroup; cat /proc/1/stat")).split()
    assert inside
    os.kill(shim_of(tmp_path, container), signal.SIGKILL)
    killed = await bench.end(container)
    assert (killed.exit_code, killed.reason) == (137, "Error")
    assert "was killed" in killed.message
    assert container.pod_uid in bench.changed
    await until_async("its control groups are gone", lambda: not groups_of(container))


async def test_after_a_killed_shim_the_pod_goes_on_at_its_address(bench: Bench, tmp_path: Path) -> None:
    container = await bench.run("runs")
    os.kill(shim_of(tmp_path, container), signal.SIGKILL)
    await bench.end(container)
    again = await bench.run("runs", container.pod_uid, attempt=1)
    assert again.is_running
    assert bench.sandbox(container.pod_uid).ready


async def test_a_shim_that_was_killed_while_no_kubelet_looked(bench: Bench, tmp_path: Path) -> None:
    container = await bench.run("runs")
    await bench.runtime.stop()
    os.kill(shim_of(tmp_path, container), signal.SIGKILL)
    await bench.come_back()
    killed = await bench.end(container)
    assert (killed.exit_code, killed.reason) == (137, "Error")


async def test_a_shim_that_is_told_to_end_ends_its_pod_politely(bench: Bench, tmp_path: Path) -> None:
    container = await start(bench, "trap 'echo bye; exit 0' TERM; echo on; while :; do sleep 0.05; done")
    await until_async("it is on", lambda: bench.log(container) == ["stdout F on"])
    await clearing.clear(tmp_path)
    ended = await bench.end(container)
    assert (ended.exit_code, ended.reason) == (0, "Completed")
    assert bench.log(container) == ["stdout F on", "stdout F bye"]
    assert groups_of(container) == []


async def test_a_stopped_shim_is_cleared_by_force(bench: Bench, tmp_path: Path) -> None:
    container = await bench.run("stubborn")
    await bench.ready(container)
    os.kill(shim_of(tmp_path, container), signal.SIGSTOP)
    await clearing.clear(tmp_path)
    assert (await bench.end(container)).exit_code == 137
    assert groups_of(container) == []


async def test_a_shim_that_hangs_is_ended_by_a_kubelet_that_comes_back(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = await bench.run("stubborn")
    await bench.ready(container)
    os.kill(shim_of(tmp_path, container), signal.SIGSTOP)
    monkeypatch.setattr(runtime, "HELLO_SECONDS", 0.2)
    await bench.come_back()
    assert bench.now(container.id).exit_code == 137


async def test_what_a_container_leaves_behind_ends_with_it(bench: Bench) -> None:
    container = await start(bench, "setsid sleep 600 & echo started; exit 0")
    ended = await bench.end(container)
    assert ended.exit_code == 0
    assert groups_of(container) == [] or all(
        (path / "cgroup.procs").read_text() == "" for path in groups_of(container)
    )


# Starting.


async def test_a_container_needs_a_command(bench: Bench) -> None:
    config = ContainerConfig(name="c", attempt=0, image="nginx")
    with pytest.raises(RuntimeFailure, match='image "nginx" has no command here'):
        await bench.runtime.create_container(await bench.pod(), config)


@pytest.mark.parametrize(
    ("command", "config", "why"),
    [
        ("nope", {}, 'exec: "nope": executable file not found in $PATH'),
        ("/nope", {}, 'exec: "/nope": stat /nope: no such file or directory'),
        ("/etc/passwd", {}, 'exec: "/etc/passwd": permission denied'),
        (
            "sh",
            {"working_dir": "/etc/hosts"},
            'chdir to cwd ("/etc/hosts") set in config.json failed: not a dir',
        ),
        ("sh", {"security": SecurityContext(add_capabilities=["FLY"])}, "unknown capability: CAP_FLY"),
    ],
)
async def test_what_cannot_start_has_ended_and_says_why(
    bench: Bench, command: str, config: dict[str, Any], why: str
) -> None:
    made = ContainerConfig(name="c", attempt=0, image="x", command=[command], **config)
    container_id = await bench.runtime.create_container(await bench.pod(), made)
    with pytest.raises(RuntimeFailure) as failure:
        await bench.runtime.start_container(container_id)
    ended = bench.now(container_id)
    assert (ended.exit_code, ended.reason, ended.message) == (128, "StartError", str(failure.value))
    assert f"unable to start container process: error during container init: {why}" in ended.message
    assert ended.started_at is not None


async def test_it_has_its_variables_its_folder_and_its_pods_name(bench: Bench) -> None:
    lines = await output(
        bench,
        'echo "$A $B"; pwd; hostname; echo "$HOSTNAME"',
        await bench.pod(hostname="web-0"),
        environment={"A": "1", "B": "two words"},
        working_dir="/new/folder",
    )
    assert lines == ["1 two words", "/new/folder", "web-0", "web-0"]
    assert not exists("/new")


# Logs.


async def test_lines_of_both_streams_and_one_without_an_end(bench: Bench) -> None:
    ended = await bench.end(await start(bench, "echo out; echo err >&2; printf end"))
    assert sorted(bench.log(ended)) == ["stderr F err", "stdout F out", "stdout P end"]


async def test_a_log_that_was_moved_aside_is_gone_on_with_anew(bench: Bench) -> None:
    container = await start(bench, "echo before; read line; echo after; read line", stdin=True)
    path = bench.runtime.log_path(container.id)
    await until_async("it has written", lambda: path.read_text().endswith("before\n"))
    path.rename(path.with_suffix(".1"))
    await bench.runtime.reopen_log(container.id)
    client = Client(b"go\n")
    attached = asyncio.ensure_future(bench.runtime.attach(container.id, client, is_terminal=False))
    await client.sees(b"after")
    assert bench.log(container) == ["stdout F after"]
    client.type(b"end\n")
    await attached


# Streams.


async def test_the_input_of_one_who_was_attached_is_the_containers(bench: Bench) -> None:
    container = await start(bench, "cat", stdin=True, stdin_once=True)
    client = Client(b"one\n", b"")
    await bench.runtime.attach(container.id, client, is_terminal=False)
    assert client.shown == b"one\n"
    assert (await bench.end(container)).exit_code == 0
    assert bench.log(container) == ["stdout F one"]


async def test_a_client_that_leaves_takes_nothing_with_it(bench: Bench) -> None:
    container = await start(bench, "while read line; do echo got $line; done", stdin=True)
    first, second = Client(b"a\n"), Client(b"b\n")
    attached = asyncio.ensure_future(bench.runtime.attach(container.id, first, is_terminal=False))
    await first.sees(b"got a")
    attached.cancel()
    await asyncio.gather(attached, return_exceptions=True)
    again = asyncio.ensure_future(bench.runtime.attach(container.id, second, is_terminal=False))
    await second.sees(b"got b")
    await bench.runtime.stop_container(container.id, 0)
    await again


async def test_a_containers_terminal_follows_the_clients_window(bench: Bench) -> None:
    text = "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"
    container, client = await start(bench, text, stdin=True, is_terminal=True), Client(size=(100, 30))
    attached = asyncio.ensure_future(bench.runtime.attach(container.id, client, is_terminal=True))
    await client.sees(b"30 100\r\n")
    client.size = (90, 20)
    await client.sees(b"20 90\r\n")
    await bench.runtime.stop_container(container.id, 0)
    await attached


async def test_a_commands_terminal_is_one_and_follows_the_window(bench: Bench) -> None:
    container, client = await bench.run("runs"), Client(size=(100, 30))
    text = "trap 'stty size' WINCH; tty; stty size; while :; do sleep 0.05; done"
    command = asyncio.ensure_future(
        bench.runtime.exec(container.id, ["sh", "-c", text], client, is_terminal=True)
    )
    await client.sees(b"30 100\r\n")
    assert client.shown.startswith(b"/dev/pts/")
    client.size = (90, 20)
    await client.sees(b"20 90\r\n")
    client.type(b"\x03")
    assert await command == 130


async def test_a_client_that_leaves_ends_his_command(bench: Bench) -> None:
    container, client = await bench.run("runs"), Client()
    command = ["sh", "-c", "echo on; sleep 600.25"]
    running = asyncio.ensure_future(bench.runtime.exec(container.id, command, client, is_terminal=False))
    await client.sees(b"on")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    async def is_gone() -> bool:
        return "600.25" not in await says(
            bench, container, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
        )

    await until_async("the command has ended", is_gone)


async def test_everything_a_command_said_is_shown(bench: Bench) -> None:
    container = await bench.run("runs")
    done = await bench.runtime.exec_sync(container.id, ["sh", "-c", "head -c 3000000 /dev/zero"], 60)
    assert len(done.output) == 3_000_000


# The network.


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def fetch(address: tuple[str, int]) -> str:
    async def try_it() -> str:
        try:
            reader, writer = await asyncio.open_connection(*address)
        except ConnectionRefusedError:
            return ""
        try:
            writer.write(b"GET /name HTTP/1.0\r\n\r\n")
            return (await reader.read()).decode()
        finally:
            writer.close()
            await writer.wait_closed()

    return await until_async(f"{address} answers", try_it)


@pytest.mark.parametrize("bound", ["0.0.0.0", "127.0.0.1", "::", "::1"])
async def test_two_pods_on_one_port_answer_each_on_its_address(bench: Bench, bound: str) -> None:
    port = free_port()
    text = f"cd /tmp; echo I am $NAME > name; exec python3 -m http.server --bind {bound} {port}"
    one, other = [await start(bench, text, environment={"NAME": name}) for name in ("one", "other")]
    assert "I am one" in await fetch(bench.runtime.address_of(one.pod_uid, port))
    assert "I am other" in await fetch(bench.runtime.address_of(other.pod_uid, port))
    inside = f"import urllib.request as u; print(u.urlopen('http://localhost:{port}/name').read())"
    assert "I am one" in await says(bench, one, "python3", "-c", inside)
    neighbour = inside.replace("localhost", bench.sandbox(one.pod_uid).ip)
    assert "I am one" in await says(bench, other, "python3", "-c", neighbour)
    assert any(bench.sandbox(other.pod_uid).ip in line for line in bench.log(one)), "servers see who comes"
    with pytest.raises(ConnectionRefusedError), socket.socket() as outside:
        outside.connect(("127.0.0.1", port))


async def test_a_low_port_is_for_everybody(bench: Bench) -> None:
    """As with other runtimes; where the kubelet may not bind it, another stands in for it."""
    port = 200 + free_port() % 800
    container = await start(bench, f"cd /tmp; echo low > name; exec python3 -m http.server {port}")
    assert "low" in await fetch(bench.runtime.address_of(container.pod_uid, port))
    inside = f"import urllib.request as u; print(u.urlopen('http://localhost:{port}/name').read())"
    assert "low" in await says(bench, container, "python3", "-c", inside)


async def test_a_port_of_the_node_leads_to_the_pods(bench: Bench) -> None:
    port, node_port = free_port(), free_port()
    uid = await bench.pod(host_ports=[("", node_port, port, "TCP")])
    await start(bench, f"cd /tmp; head -c 3000000 /dev/zero > name; exec python3 -m http.server {port}", uid)
    await fetch(bench.runtime.address_of(uid, port))
    assert len(await fetch(("127.31.0.8", node_port))) > 3_000_000
    with pytest.raises(RuntimeFailure, match="Address already in use"):
        await bench.pod(host_ports=[("", node_port, port, "TCP")])
    assert [each.pod_uid for each in bench.runtime.list_sandboxes()] == [uid]


async def test_a_pod_on_the_nodes_network_binds_as_it_says(bench: Bench) -> None:
    port = free_port()
    uid = await bench.pod(host_network=True)
    await start(bench, f"exec python3 -m http.server --bind 127.0.0.1 {port}", uid)
    assert "404" in await fetch(("127.0.0.1", port))


# Volumes and files.


async def test_volumes_are_at_their_paths_and_the_machine_stays_as_it_was(
    bench: Bench, tmp_path: Path
) -> None:
    volume, file = tmp_path / "volume", tmp_path / "file"
    volume.mkdir()
    file.write_text("content\n")
    mounts = [
        Mount("/data", str(volume)),
        Mount("/etc/deep/er/config", str(file), read_only=True),
        Mount("/frozen", str(volume), read_only=True),
    ]
    lines = await output(
        bench,
        "echo x > /data/x; cat /etc/deep/er/config; ls /frozen; touch /frozen/y /etc/deep/er/config /etc/z",
        mounts=mounts,
    )
    assert lines[:2] == ["content", "x"]
    assert "Read-only file system" in lines[2]
    assert "Read-only file system" in lines[3]
    assert len(lines) == 4
    assert (volume / "x").exists()
    assert not exists("/data", "/etc/deep", "/frozen", "/etc/z")


async def test_a_volume_that_changes_is_seen_changed(bench: Bench, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    container = await start(bench, "while :; do sleep 0.05; done", mounts=[Mount("/v", str(volume))])
    (volume / "late").write_text("late")
    assert await says(bench, container, "cat", "/v/late") == "late"


async def test_a_read_only_root_has_writable_volumes(bench: Bench, tmp_path: Path) -> None:
    lines = await output(
        bench,
        "touch /v/ok && ls /v; touch /etc/no /no",
        mounts=[Mount("/v", str(tmp_path))],
        security=SecurityContext(read_only_rootfs=True),
    )
    assert "ok" in lines
    assert [line.endswith("Read-only file system") for line in lines[-2:]] == [True, True]


async def test_the_machines_settings_and_devices_are_out_of_reach(bench: Bench) -> None:
    writable = " ".join(
        f"[ -w {path} ] && echo {path};"
        for path in ("/proc/sys/vm/swappiness", "/sys/kernel", "/sys/fs/cgroup")
    )
    made = "mknod /zero c 1 5; head -c 1 /zero && echo a device;"
    assert await output(bench, f"exec 2>/dev/null; {writable} {made}") == []


async def test_a_volume_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(RuntimeFailure, match='error mounting "/absent" to rootfs at "/data": no such file'):
        await start(bench, "true", mounts=[Mount("/data", "/absent")])


async def test_names_are_resolved_as_the_pod_says(bench: Bench) -> None:
    dns = DNSConfig(servers=["127.96.0.10"], searches=["a.b", "b"], options=["ndots:5"])
    lines = await output(bench, "cat /etc/resolv.conf", await bench.pod(dns=dns))
    assert lines == ["nameserver 127.96.0.10", "search a.b b", "options ndots:5"]


async def test_where_nothing_can_be_mounted_volumes_are_links(tmp_path: Path) -> None:
    async def none(_: Path) -> Abilities:
        return Abilities(has_mounts=False, has_redirection=False)

    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "x").write_text("seen\n")
    async with process_bench(tmp_path / "pods", none) as bench:
        text = 'cat "$KUBELITE_MOUNTS/data/sub/x"; exit 0'
        assert await output(bench, text, mounts=[Mount("/data/sub", str(volume))]) == ["seen"]
        container = await bench.run("runs")
        assert await says(bench, container, "echo", "here") == "here\n"
    assert (volume / "x").exists()


# Users and limits.


async def test_it_runs_as_who_the_pod_says_with_the_rights_it_says(bench: Bench) -> None:
    security = SecurityContext(run_as_user=1234, run_as_group=2345, supplemental_groups=[3456])
    text = "id -u; id -g; id -G; grep -e CapEff -e NoNewPrivs /proc/self/status | tr '\\t' ' '"
    if not IS_ROOT:
        with pytest.raises(
            RuntimeFailure, match="cannot run as user 1234: the node's kubelet has not the rights of root"
        ):
            await start(bench, text, security=security)
        return
    everything = ["1234", "2345", "2345 3456", "CapEff: 0000000000000000", "NoNewPrivs: 0"]
    assert await output(bench, text, security=security) == everything
    assert (await output(bench, text, security=replace(security, no_new_privileges=True)))[-1].endswith("1")


@pytest.mark.parametrize(
    ("security", "mask"),
    [
        (SecurityContext(), "00000000a80425fb"),
        (SecurityContext(drop_capabilities=["ALL"]), "0000000000000000"),
        (
            SecurityContext(drop_capabilities=["ALL"], add_capabilities=["NET_BIND_SERVICE"]),
            "0000000000000400",
        ),
        (SecurityContext(add_capabilities=["SYS_TIME"]), "00000000aa0425fb"),
    ],
)
async def test_root_in_a_container_has_some_rights_of_root(
    bench: Bench, security: SecurityContext, mask: str
) -> None:
    text = "grep CapEff /proc/self/status | tr '\\t' ' '"
    assert await output(bench, text, security=security) == [
        f"CapEff: {mask if os.geteuid() == 0 else '0' * 16}"
    ]


async def test_containers_see_their_own_processes_or_those_of_their_pod(bench: Bench) -> None:
    assert (await output(bench, "echo $$; exit 0") == ["1"]) is IS_ROOT
    uid = await bench.pod(share_process_namespace=True)
    first = await start(bench, "exec sleep 600.125", uid)
    text = "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"
    assert "sleep 600.125" in "".join(await output(bench, text, uid))
    await bench.runtime.stop_container(first.id, 0)
    assert bench.now(first.id).exit_code == 137


async def test_memory_has_a_limit_and_who_passes_it_is_killed(bench: Bench, tmp_path: Path) -> None:
    """Where the machine has control groups for us; elsewhere the same container just ends."""
    can_limit = (await abilities.find(tmp_path / "trial")).cgroup is not None
    hungry = ["python3", "-c", f"print(len(bytearray({256 * MIB})))"]
    resources = Resources(memory_limit_bytes=48 * MIB)
    made = ContainerConfig(name="c", attempt=0, image="x", command=hungry, resources=resources)
    container_id = await bench.runtime.create_container(await bench.pod(), made)
    await bench.runtime.start_container(container_id)
    ended = await bench.end(bench.now(container_id))
    expected = (137, "OOMKilled") if can_limit else (0, "Completed")
    assert (ended.exit_code, ended.reason) == expected


async def test_what_it_uses_is_counted_and_its_limits_change(bench: Bench, tmp_path: Path) -> None:
    can_limit = (await abilities.find(tmp_path / "trial")).cgroup is not None
    container = await start(bench, "while :; do :; done", resources=Resources(memory_limit_bytes=64 * MIB))

    async def used() -> bool:
        stats = await bench.runtime.stats(container.pod_uid)
        assert [each.container_id for each in stats] == [container.id]
        return stats[0].cpu_nanoseconds > 0 and stats[0].memory_bytes > 0

    await until_async("it has used something", used)
    await bench.runtime.update_resources(container.id, Resources(memory_limit_bytes=32 * MIB))
    limits = [
        (path / name).read_text().strip()
        for path in groups_of(container)
        for name in ("memory.limit_in_bytes", "memory.max")
        if (path / name).exists()
    ]
    assert (str(32 * MIB) in limits) is can_limit
