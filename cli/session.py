"""Shell: a command's connection to the API server, from its kubeconfig."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import orjson

from cli.errors import CliError
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.client.config import ClientConfig
from kube.client.rest import Client, ConnectionFailed

HERE = Path(".kubelite/admin.kubeconfig")


@dataclass(frozen=True, slots=True)
class Session:
    """A client, and the namespace commands work in; None stands for all of them."""

    client: Client
    namespace: str | None

    def namespace_of(self, resource: Resource) -> str | None:
        return self.namespace if resource.namespaced else None

    async def read(self, path: str, accept: str, **parameters: str) -> Object:
        """GET in a form of one's own, such as a Table."""
        answer = await self.client.request("GET", path, params=parameters, headers={"Accept": accept})
        document: Object = orjson.loads(answer.content)
        if answer.status_code >= 400:
            raise StatusError.from_status(document)
        return document


def run(
    context: click.Context,
    command: Callable[[Session], Awaitable[None]],
    namespace: str | None = None,
    *,
    all_namespaces: bool = False,
) -> None:
    """Carry out a command's coroutine with a session."""
    config = ClientConfig.load(_kubeconfig(context.find_root().params["kubeconfig"]))

    async def with_session() -> None:
        client = Client(config, "kl")
        try:
            await command(Session(client, None if all_namespaces else namespace or config.namespace))
        except ConnectionFailed:
            servers = ", ".join(config.servers)
            raise CliError(f"no API server answers at {servers}: is the cluster up?") from None
        finally:
            await client.close()

    asyncio.run(with_session())


def _kubeconfig(flag: str | None) -> Path:
    """The flag, $KUBECONFIG, the cluster started from this folder, or the user's own."""
    named = flag or os.environ.get("KUBECONFIG")
    if named:
        return Path(named)
    for path in (HERE, Path.home() / ".kube" / "config"):
        if path.exists():
            return path
    raise CliError(
        "no kubeconfig: start a cluster with deploy/up and source .kubelite/env, or use --kubeconfig"
    )


def namespace_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """The `-n` that commands on objects share."""
    return click.option("-n", "--namespace", help="The namespace to work in.")(function)
