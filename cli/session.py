"""Shell: a command's connection to the API server, from its kubeconfig."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from cli.api import Api
from cli.errors import CliError
from kube.api import meta
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.client.config import ClientConfig

HERE = Path(".kubelite/admin.kubeconfig")


@dataclass(frozen=True, slots=True)
class Session:
    """The API, and the namespace commands work in; None stands for all of them."""

    api: Api
    namespace: str | None

    def namespace_of(self, resource: Resource) -> str | None:
        return self.namespace if resource.namespaced else None

    def namespace_for(self, resource: Resource, o: Object) -> str | None:
        """The object's own namespace goes before the command's."""
        return meta.namespace(o) or self.namespace_of(resource)


def session(context: click.Context, namespace: str | None = None, *, all_namespaces: bool = False) -> Session:
    """The session that the command line and the environment describe."""
    config = ClientConfig.load(_kubeconfig(context.find_root().params["kubeconfig"]))
    return Session(Api(config), None if all_namespaces else namespace or config.namespace)


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
