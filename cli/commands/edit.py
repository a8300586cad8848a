"""Shell: `kl edit`: an object in $KUBE_EDITOR or $EDITOR; a refusal opens it again."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import click
import yaml

from cli import merge, output, targets
from cli.errors import CliError
from cli.output import qualified_name
from cli.session import Session, namespace_option, session
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource

HEADER = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


@click.command("edit")
@click.argument("words", nargs=-1, required=True)
@namespace_option
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], namespace: str | None) -> None:
    """Change an object in an editor: `kl edit deploy/nginx`."""
    wanted = targets.named(words)
    at = session(context, namespace)
    for resource, name in wanted:
        _edit(at, resource, name)


def _edit(at: Session, resource: Resource, name: str) -> None:
    place = at.namespace_of(resource)
    original = output.without_managed_fields(at.api.get(resource, place, name))
    before, why = output.as_yaml(original) + "\n", ""
    while True:
        after = _in_editor(HEADER + why + before, name)
        if not after.strip() or after == before:
            no = "valid changes were saved" if why else "changes made"
            click.echo(f"Edit cancelled, no {no}.", err=True)
            return
        try:
            patch = merge.diff(original, _parsed(after))
            if patch:
                at.api.patch(resource, place, name, patch)
        except (StatusError, CliError) as error:
            before, why = after, "".join(f"# {line}\n" for line in str(error).splitlines()) + "#\n"
            continue
        click.echo(f"{qualified_name(resource, name)} {'edited' if patch else 'skipped'}")
        return


def _parsed(text: str) -> Object:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CliError(f"the edited file is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise CliError("the edited file holds no object")
    return document


def _in_editor(text: str, name: str) -> str:
    """What the user made of the text, without comments."""
    editor = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="kl-edit-") as folder:
        path = Path(folder, f"{name}.yaml")
        path.write_text(text)
        try:
            subprocess.run([*shlex.split(editor), str(path)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CliError(f'there was a problem with the editor "{editor}"') from error
        lines = path.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("#"))
