"""Shell: reads the file of --admission-control-config-file: what single plug-ins are told.

    apiVersion: apiserver.config.k8s.io/v1
    kind: AdmissionConfiguration
    plugins:
    - name: PodSecurity
      configuration: {...}       or   path: a file beside this one

A wrong file keeps the server from starting; the message names the file and the field.

After: k8s staging/src/k8s.io/apiserver/pkg/admission/config.go, ReadAdmissionConfiguration
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from apiserver import codec
from kube.api.errors import FieldError, StatusError
from kube.base.startup import StartupError

FLAG = "--admission-control-config-file"
GROUP, KIND = "apiserver.config.k8s.io", "AdmissionConfiguration"
API_VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1alpha1")
FIELDS = {"apiVersion", "kind", "plugins"}
PLUGIN_FIELDS = {"name", "path", "configuration"}

T = TypeVar("T")
Read = Callable[[Mapping[str, Any]], tuple[T, Sequence[FieldError]]]


@dataclass(frozen=True, slots=True)
class Section:
    """What one plug-in is told, and in which file, below which field."""

    o: Any
    file: Path
    prefix: str


class AdmissionConfiguration:
    """The sections of the file, by plug-in."""

    def __init__(self, sections: dict[str, Section]) -> None:
        self._sections = sections

    @classmethod
    def load(cls, path: str, known: Sequence[str]) -> AdmissionConfiguration:
        """Read the file, if there is one; known: the plug-ins that can be configured."""
        if not path:
            return cls({})
        file = Path(path)
        o, where = _document(file), f"{FLAG} {file}"
        if not isinstance(o, dict) or o.get("apiVersion") not in API_VERSIONS or o.get("kind") != KIND:
            raise StartupError(f"{where}: must have kind {KIND}, apiVersion {' or '.join(API_VERSIONS)}")
        _only(o, FIELDS, where, "")
        plugins = o.get("plugins") or []
        if not isinstance(plugins, list):
            raise StartupError(f"{where}: plugins: must be a list")
        sections: dict[str, Section] = {}
        for index, plugin in enumerate(plugins):
            name, section = _plugin(file, plugin, f"plugins[{index}]", known)
            if name in sections:
                raise StartupError(f"{where}: {FieldError.duplicate(f'plugins[{index}].name', name)}")
            sections[name] = section
        return cls(sections)

    def of(self, plugin: str, read: Read[T], default: T) -> T:
        """What the plug-in is told, as `read` understands it; StartupError where it finds mistakes."""
        section = self._sections.get(plugin)
        if section is None or section.o is None:
            return default
        if not isinstance(section.o, dict):
            raise StartupError(
                f"{FLAG} {section.file}: {section.prefix.rstrip('.') or plugin}: must be an object"
            )
        configuration, found = read(section.o)
        if found:
            texts = "; ".join(f"{section.prefix}{each}" for each in found)
            raise StartupError(f"{FLAG} {section.file}: {texts}")
        return configuration


def _plugin(file: Path, plugin: Any, field: str, known: Sequence[str]) -> tuple[str, Section]:
    """The name of a plug-in, and what it is told."""
    where = f"{FLAG} {file}"
    if not isinstance(plugin, dict):
        raise StartupError(f"{where}: {field}: must be an object")
    _only(plugin, PLUGIN_FIELDS, where, f"{field}.")
    name = plugin.get("name")
    if not isinstance(name, str) or name not in known:
        raise StartupError(f"{where}: {FieldError.not_supported(f'{field}.name', name, known)}")
    if not (other := plugin.get("path")):
        return name, Section(plugin.get("configuration"), file, f"{field}.configuration.")
    if plugin.get("configuration") is not None:
        raise StartupError(f"{where}: {field}: path and configuration exclude each other")
    beside = file.parent / str(other)
    return name, Section(_document(beside), beside, "")


def _only(o: dict[str, Any], known: set[str], where: str, prefix: str) -> None:
    for key in o:
        if key not in known:
            raise StartupError(f"{where}: {prefix}{key}: no such field; there are {', '.join(sorted(known))}")


def _document(file: Path) -> Any:
    """The one YAML or JSON document of a file."""
    try:
        o, twice = codec.read_yaml(file.read_bytes(), KIND)
    except OSError as error:
        raise StartupError(f"cannot read {FLAG} {file}: {error.strerror}") from error
    except StatusError as error:
        raise StartupError(f"{FLAG} {file}: {error.message}") from error
    if twice:
        raise StartupError(f"{FLAG} {file}: {codec.yaml_mistakes(twice)}")
    return o
