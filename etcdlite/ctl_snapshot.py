"""Shell: `python -m etcdlite.ctl snapshot save | status | restore`, with the words of etcdutl."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from etcdlite.client import Client
from etcdlite.errors import StartupError
from etcdlite.flags import parse_cluster
from etcdlite.restore import Plan
from etcdlite.restore import restore as restore_folder
from etcdlite.snapshot_file import NoSnapshot, SnapshotFile, check, write

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def snapshot() -> None:
    """Keep everything in a file of this store's own, and begin a new cluster from one."""


@snapshot.command()
@FILE
@click.pass_obj
def save(run: Callable[[Any], None], file: Path) -> None:
    """Save what one member holds."""

    async def action(client: Client) -> None:
        try:
            saved = await write(file, client.save_snapshot())
        except NoSnapshot as error:
            _fail(error)
        click.echo(f"Snapshot saved at {file}, revision {saved.head.revision}, {saved.size} B")

    run(action)


@snapshot.command()
@FILE
def status(file: Path) -> None:
    """Check a file, and say what it holds: hash, revision, keys, size."""
    found = _checked(file)
    click.echo(f"{found.digest[:8]}, {found.head.revision}, {found.key_count()}, {found.size} B")


@snapshot.command()
@FILE
@click.option("--data-dir", type=click.Path(path_type=Path), default=None, help="Default: <name>.etcd.")
@click.option("--name", default="default")
@click.option("--initial-cluster", default="", help="name=peer-url,... of every member of the new cluster.")
@click.option("--initial-cluster-token", default="etcd-cluster")
@click.option("--initial-advertise-peer-urls", default="http://localhost:2380")
@click.option("--bump-revision", type=click.IntRange(min=0), default=0, help="Raise the revision by so much.")
@click.option("--mark-compacted", is_flag=True, help="Compact at the raised revision: old watches end.")
def restore(file: Path, **options: Any) -> None:
    """Make a member's data folder: every member of the new cluster from the same file."""
    if options["mark_compacted"] and not options["bump_revision"]:
        _fail("--mark-compacted needs --bump-revision, or what is in the file could not be read")
    name, bump = options["name"], options["bump_revision"]
    data_dir = options["data_dir"] or Path(f"{name}.etcd")
    cluster = options["initial_cluster"] or f"{name}={options['initial_advertise_peer_urls']}"
    found = _checked(file)
    try:
        plan = Plan(
            data_dir,
            name,
            parse_cluster(cluster),
            options["initial_cluster_token"],
            bump,
            options["mark_compacted"],
        )
        identity = asyncio.run(restore_folder(found, plan))
    except (StartupError, OSError) as error:
        _fail(error)
    click.echo(
        f"restored revision {found.head.revision + bump} to {data_dir}: "
        f"member {identity.member_id:x} of cluster {identity.cluster_id:x}"
    )


def _checked(file: Path) -> SnapshotFile:
    try:
        return check(file)
    except NoSnapshot as error:
        _fail(error)


def _fail(error: object) -> NoReturn:
    click.echo(f"Error: {error}", err=True)
    sys.exit(1)
