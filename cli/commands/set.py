"""Shell: `kl set image`: gives containers of pods or pod templates another image."""

from __future__ import annotations

import click

from cli import targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import namespace_option, session
from kube.api import meta
from kube.api.meta import Object

KINDS = ("containers", "initContainers")


@click.group("set")
def command() -> None:
    """Change one property of objects."""


@command.command("image")
@click.argument("words", nargs=-1, required=True)
@namespace_option
@click.pass_context
def image(context: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Change images: `kl set image deploy/nginx nginx=nginx:1.28`, `*=` for all containers."""
    images = dict(word.split("=", 1) for word in words if "=" in word)
    if not images:
        raise CliError("at least one image update is required")
    wanted = targets.named([word for word in words if "=" not in word])
    at = session(context, namespace)
    for resource, name in wanted:
        place = at.namespace_of(resource)
        o = at.api.get(resource, place, name)
        path = ("spec",) if o["kind"] == "Pod" else ("spec", "template", "spec")
        patch = _patch(meta.get(o, *path, default={}), images)
        if any(patch.values()):
            for step in reversed(path):
                patch = {step: patch}
            at.api.patch(resource, place, name, patch, "strategic")
            click.echo(f"{qualified_name(resource, name)} image updated")


def _patch(spec: Object, images: dict[str, str]) -> Object:
    """The containers whose image becomes another one."""
    changed: Object = {}
    for wanted, new in images.items():
        hits = [
            (kind, each) for kind in KINDS for each in spec.get(kind) or () if wanted in ("*", each["name"])
        ]
        if not hits:
            raise CliError(f'unable to find container named "{wanted}"')
        for kind, each in hits:
            if each.get("image") != new:
                changed.setdefault(kind, []).append({"name": each["name"], "image": new})
    return changed
