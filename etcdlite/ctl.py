"""Shell: a small etcdctl of our own: get, put, del, watch, status, members, snapshot.

Flags and their environment variables (ETCDCTL_ENDPOINTS, ETCDCTL_CACERT, ETCDCTL_CERT, ETCDCTL_KEY) are
etcdctl's, and so are the outputs, where both can do a thing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable

import click

from etcdlite.client import Client, ClientError, prefix_end
from etcdlite.ctl_snapshot import snapshot
from etcdlite.pb import kv_pb2

Action = Callable[[Client], Awaitable[None]]


@click.group(context_settings={"auto_envvar_prefix": "ETCDCTL"})
@click.option("--endpoints", default="127.0.0.1:2379", help="URLs of members, by comma.")
@click.option("--cacert", default="")
@click.option("--cert", default="")
@click.option("--key", default="")
@click.option("--command-timeout", type=float, default=5.0, help="Seconds.")
@click.pass_context
def main(
    context: click.Context, endpoints: str, cacert: str, cert: str, key: str, command_timeout: float
) -> None:
    """Talk to a store that speaks etcd v3."""

    def run(action: Action) -> None:
        async def with_client() -> None:
            async with Client(endpoints.split(","), cacert, cert, key, timeout=command_timeout) as client:
                await action(client)

        try:
            asyncio.run(with_client())
        except (ClientError, OSError) as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)

    context.obj = run


@main.command()
@click.argument("key")
@click.argument("value")
@click.pass_obj
def put(run: Callable[[Action], None], key: str, value: str) -> None:
    """Write a key."""

    async def action(client: Client) -> None:
        await client.put(key.encode(), value.encode())
        click.echo("OK")

    run(action)


@main.command()
@click.argument("key")
@click.option("--prefix", is_flag=True, help="Every key that begins so.")
@click.option("--keys-only", is_flag=True)
@click.option("--rev", type=int, default=0, help="As of this revision.")
@click.pass_obj
def get(run: Callable[[Action], None], key: str, prefix: bool, keys_only: bool, rev: int) -> None:
    """Read a key, or a range."""

    async def action(client: Client) -> None:
        answer = await client.range_(*_range(key, prefix), keys_only=keys_only, revision=rev)
        for kv in answer.kvs:
            _show(kv.key, b"" if keys_only else kv.value)

    run(action)


@main.command("del")
@click.argument("key")
@click.option("--prefix", is_flag=True)
@click.pass_obj
def delete(run: Callable[[Action], None], key: str, prefix: bool) -> None:
    """Delete a key, or a range; prints how many went."""

    async def action(client: Client) -> None:
        click.echo((await client.delete_range(*_range(key, prefix))).deleted)

    run(action)


@main.command()
@click.argument("key")
@click.option("--prefix", is_flag=True)
@click.option("--rev", type=int, default=0, help="From this revision on.")
@click.pass_obj
def watch(run: Callable[[Action], None], key: str, prefix: bool, rev: int) -> None:
    """Show changes as they happen, until interrupted."""

    async def action(client: Client) -> None:
        async for response in client.watch(*_range(key, prefix), start_revision=rev):
            for event in response.events:
                click.echo(kv_pb2.Event.EventType.Name(event.type))
                _show(event.kv.key, event.kv.value)

    run(action)


@main.command()
@click.pass_obj
def status(run: Callable[[Action], None]) -> None:
    """How each member is, one a line."""

    async def action(client: Client) -> None:
        for endpoint in client.endpoints:
            answer = await client.status(endpoint)
            role = "leader" if answer.leader == answer.header.member_id else "follower"
            click.echo(
                f"{endpoint}, {answer.header.member_id:x}, {answer.version}, {answer.dbSize} B, {role}, "
                f"term {answer.raftTerm}, applied {answer.raftAppliedIndex}"
            )

    run(action)


@main.command()
@click.pass_obj
def members(run: Callable[[Action], None]) -> None:
    """Who belongs to the cluster."""

    async def action(client: Client) -> None:
        for member in (await client.member_list()).members:
            urls = ",".join(member.peerURLs), ",".join(member.clientURLs)
            click.echo(f"{member.ID:x}, {member.name or 'unstarted'}, {', '.join(urls)}")

    run(action)


main.add_command(snapshot)


def _range(key: str, prefix: bool) -> tuple[bytes, bytes]:
    return key.encode(), prefix_end(key.encode()) if prefix else b""


def _show(*values: bytes) -> None:
    for value in values:
        sys.stdout.buffer.write(value + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
