"""Shell: etcd's YAML configuration: its keys are the flags' names, but for two blocks about certificates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from etcdlite.errors import StartupError

BLOCKS = {"client-transport-security": "", "peer-transport-security": "peer-"}


def read(path: str) -> dict[str, Any]:
    """Flags by name; those without a value are left out."""
    import yaml  # here: few members have such a file, and every one would pay for the import

    try:
        found = yaml.safe_load(Path(path).read_text())
    except OSError as error:
        raise StartupError(f"--config-file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise StartupError(f"--config-file {path}: no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise StartupError(f"--config-file {path}: holds no settings (name: value, one a line)")
    return {name: value for name, value in flattened(found).items() if value not in (None, "")}


def flattened(found: dict[str, Any]) -> dict[str, Any]:
    """The settings of the blocks under the names of their flags."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if name in BLOCKS:
            flat |= {f"{BLOCKS[name]}{key}": inner for key, inner in (value or {}).items()}
        else:
            flat[name] = ",".join(value) if isinstance(value, list) else value
    return flat
