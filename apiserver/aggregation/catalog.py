"""Core: what the servers behind APIServices say that they serve, beside what is served here.

A group version whose server does not answer is there all the same, without resources and marked Stale:
clients then know that they do not know, and go on with all others.

After: k8s staging/src/k8s.io/kube-aggregator/pkg/apiserver/{handler_discovery,handler_apis}.go;
staging/src/k8s.io/apiserver/pkg/endpoints/installer.go, ConvertGroupVersionIntoToDiscovery
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from apiserver.aggregation.api_service import ApiService, GroupVersion, in_order
from kube.api import discovery
from kube.api.meta import Object

CURRENT, STALE = "Current", "Stale"

Services = Mapping[str, ApiService]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a group version that others serve.

    resources: as aggregated discovery has them.
    openapi: where its OpenAPI v3 document is, by its server's own index; empty: it has none.
    """

    resources: Sequence[Object] = ()
    is_current: bool = False
    openapi: str = ""


NOTHING = Known()


def resources_of(resource_list: Object, group: str, version: str) -> list[Object]:
    """The resources of an APIResourceList as aggregated discovery has them."""
    found: dict[str, Object] = {}
    for each in resource_list.get("resources") or ():
        plural, _, subresource = each["name"].partition("/")
        kind = {
            "group": each.get("group") or group,
            "version": each.get("version") or version,
            "kind": each.get("kind", ""),
        }
        scope = "Namespaced" if each.get("namespaced") else "Cluster"
        if subresource:
            parent = found.setdefault(plural, {"resource": plural, "scope": scope, "verbs": []})
            below = {"subresource": subresource, "responseKind": kind, "verbs": each.get("verbs") or []}
            parent.setdefault("subresources", []).append(below)
            continue
        entry: Object = {
            "resource": plural,
            "responseKind": kind,
            "scope": scope,
            "singularResource": each.get("singularName", ""),
            "verbs": each.get("verbs") or [],
        }
        entry |= {key: each[key] for key in ("shortNames", "categories") if each.get(key)}
        found[plural] = {**found.get(plural, {}), **entry}
    return list(found.values())


def items(local: Iterable[Object], services: Services, known: Mapping[str, Known]) -> list[Object]:
    """The items of an APIGroupDiscoveryList: those served here, and those of others."""
    versions: dict[GroupVersion, Object] = {
        (item["metadata"]["name"], each["version"]): each for item in local for each in item["versions"]
    }
    for service in _of_others(services):
        found = known.get(service.name, NOTHING)
        versions[service.group_version] = {
            "version": service.version,
            "freshness": CURRENT if found.is_current else STALE,
            "resources": list(found.resources) if found.is_current else [],
        }
    return [
        {
            "metadata": {"name": group, "creationTimestamp": None},
            "versions": [versions[group, version] for version in names],
        }
        for group, names in in_order(versions, services).items()
    ]


def groups(local: Iterable[GroupVersion], services: Services) -> list[Object]:
    """The APIGroups of an APIGroupList."""
    others = [each.group_version for each in _of_others(services)]
    ordered = in_order(dict.fromkeys([*local, *others]), services)
    return [discovery.group(name, versions) for name, versions in ordered.items()]


def openapi_paths(services: Services, known: Mapping[str, Known]) -> Object:
    """What of others belongs into the index of OpenAPI v3."""
    return {
        each.path.strip("/"): {"serverRelativeURL": found.openapi}
        for each in _of_others(services)
        if (found := known.get(each.name, NOTHING)).openapi
    }


def _of_others(services: Services) -> list[ApiService]:
    return [each for each in services.values() if each.service is not None and each.group]
