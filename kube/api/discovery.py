"""Core: says which resources there are, in the two shapes clients ask for.

Aggregated: one APIGroupDiscoveryList for `/api` and one for `/apis`, each with every version and resource.
Legacy: APIVersions, APIGroups and one APIResourceList a group version; kubectl drain and most other clients
still need these. All are read off a table of resources; in which order groups and versions are preferred is
the caller's affair.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/discovery.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from kube.api.gvk import format_api_version
from kube.api.meta import Object
from kube.api.resources import Resource, Subresource

Groups = dict[str, dict[str, list[Resource]]]


def by_group(resources: Sequence[Resource]) -> Groups:
    """Group -> version -> resources, in the order of the table; `""` is the core group."""
    groups: Groups = {}
    for resource in resources:
        groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
    return groups


def _kind(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}


def _aggregated_subresource(subresource: Subresource) -> Object:
    return {
        "subresource": subresource.name,
        "responseKind": _kind(subresource.group, subresource.version, subresource.kind),
        "verbs": list(subresource.verbs),
    }


def _aggregated_resource(resource: Resource) -> Object:
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _kind(resource.group, resource.version, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if resource.subresources:
        entry["subresources"] = [_aggregated_subresource(each) for each in resource.subresources]
    return entry


def items(resources: Sequence[Resource], core: bool) -> list[Object]:
    """The groups of `/api` (core) or `/apis` with their versions and resources."""
    found = []
    for group, versions in by_group(resources).items():
        if (group == "") != core:
            continue
        metadata: Object = {"name": group} if group else {}
        entries = [
            {
                "version": name,
                "freshness": "Current",
                "resources": [_aggregated_resource(each) for each in members],
            }
            for name, members in versions.items()
        ]
        found.append({"metadata": metadata | {"creationTimestamp": None}, "versions": entries})
    return found


def aggregated(items: Sequence[Object], version: str = "v2") -> Object:
    """The APIGroupDiscoveryList of these groups; version is v2 or v2beta1."""
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": items,
    }


def core_versions(server_address: str) -> Object:
    """The APIVersions of plain `GET /api`."""
    address = {"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [address]}


def group(name: str, versions: Sequence[str]) -> Object:
    """A group in an APIGroupList; the first version is the preferred one."""
    shown: list[Any] = [
        {"groupVersion": format_api_version(name, version), "version": version} for version in versions
    ]
    return {"name": name, "versions": shown, "preferredVersion": shown[0]}


def group_list(groups: Sequence[Object]) -> Object:
    """The APIGroupList of plain `GET /apis`."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def _legacy_resource(resource: Resource) -> list[Object]:
    """The entry of a resource, and those of its subresources."""
    entry: Object = {
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": list(resource.verbs),
    }
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)
    if "list" in resource.verbs:
        text = f"{resource.group}/{resource.version}/{resource.kind}"
        entry["storageVersionHash"] = hashlib.sha256(text.encode()).hexdigest()[:11] + "="
    entries = [entry]
    for each in resource.subresources:
        foreign = (each.group, each.version) != (resource.group, resource.version)
        entries.append(
            {
                "name": f"{resource.plural}/{each.name}",
                "singularName": "",
                "namespaced": resource.namespaced,
                **({"group": each.group, "version": each.version} if foreign else {}),
                "kind": each.kind,
                "verbs": list(each.verbs),
            }
        )
    return entries


def resource_list(resources: Sequence[Resource], group: str, version: str) -> Object | None:
    """The APIResourceList of `GET /api/v1` or `/apis/<group>/<version>`, or None."""
    members = by_group(resources).get(group, {}).get(version)
    if members is None:
        return None
    entries: list[Any] = [entry for resource in members for entry in _legacy_resource(resource)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": format_api_version(group, version),
        "resources": sorted(entries, key=lambda entry: entry["name"]),
    }
