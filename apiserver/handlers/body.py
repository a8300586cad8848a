"""Shell: reads the object of a request's body: decoded, of the right kind, unknown fields told.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go, update.go
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from apiserver import codec
from apiserver.admission.chain import Attributes
from apiserver.handlers.options import WriteOptions, report_fields
from apiserver.registry.conversion import stored_as
from apiserver.registry.names import MANAGER_BYTES_MAX
from apiserver.request import ApiRequest
from kube.api import errors, meta
from kube.api.errors import StatusError
from kube.api.gvk import GroupVersionKind
from kube.api.meta import Object
from kube.api.schema import Schemas

TWICE_OWNED = (
    "metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, "
    "and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
)


async def read_object(request: ApiRequest, options: WriteOptions) -> tuple[Object, Sequence[str]]:
    """The object in the body, in the version of the URL, and the warnings it earns."""
    resource, subresource = request.kind, request.info.subresource
    below = resource.subresource(subresource) if subresource else None
    gvk = below.gvk if below is not None else resource.gvk
    return await read_kind(request, options, gvk)


async def read_kind(
    request: ApiRequest, options: WriteOptions, gvk: GroupVersionKind
) -> tuple[Object, Sequence[str]]:
    """The object of one kind in the body, and the warnings it earns."""
    body = await request.limited_body()
    strict = options.field_validation != "Ignore"
    decoded = codec.decode(request.headers.get("content-type", ""), body, gvk.kind, strict=strict)
    o = codec.check_kind(gvk.kind, gvk.api_version, decoded.o)
    metadata = o.get("metadata")
    o["metadata"] = dict(metadata or {}) if metadata is None or isinstance(metadata, dict) else metadata
    unknown = Schemas.load().prune(gvk, o)
    warnings = report_fields(o, options, [*decoded.duplicates, *unknown])
    request.audit.requested(o)
    return o, [*warnings, *once_owned(o)]


def once_owned(o: Object) -> list[str]:
    """Leave out owners that stand twice; the warning that earns."""
    once: dict[bytes, Object] = {}
    twice = [
        owner
        for owner in meta.owner_references(o)
        if once.setdefault(orjson.dumps(owner, option=orjson.OPT_SORT_KEYS), owner) is not owner
    ]
    if not twice:
        return []
    o["metadata"]["ownerReferences"] = list(once.values())
    uids = dict.fromkeys(str(each.get("uid", "")) for each in twice)
    return [TWICE_OWNED + ", ".join(uids)]


def place(request: ApiRequest, o: Object) -> None:
    """Give the object the namespace and check the name of the URL; StatusError 400 where they differ."""
    info, metadata = request.info, o["metadata"]
    if request.kind.namespaced:
        if metadata.get("namespace") and metadata["namespace"] != info.namespace:
            text = "the namespace of the provided object does not match the namespace sent on the request"
            raise errors.bad_request(text)
        metadata["namespace"] = info.namespace
    else:
        metadata.pop("namespace", None)
    name = meta.name(o)
    if info.name and name and name != info.name:
        raise wrong_name(name, info.name)


def wrong_name(name: str, wanted: str) -> StatusError:
    """Refuses an object that is not the one of the URL."""
    if not name:
        why = f"the name of the object ({wanted} based on URL) was undeterminable: name must be provided"
    else:
        why = f"the name of the object ({name}) does not match the name on the URL ({wanted})"
    return errors.bad_request(why)


def attributes(request: ApiRequest, operation: str, *, dry_run: bool) -> Attributes:
    """Who does what to which object, for the registry."""
    info = request.info
    space = info.namespace if request.kind.namespaced else ""
    stored = stored_as(request.kind)
    manager = field_manager(request)
    return Attributes(
        operation,
        stored,
        space,
        info.name,
        request.caller,
        info.subresource,
        dry_run,
        manager,
        warnings=request.warnings,
        annotations=request.annotations,
        requested=request.kind,
        options=_options(request),
    )


def _options(request: ApiRequest) -> dict[str, Any]:
    """What the query of a write asks for beside the object."""
    query = request.query_params
    options: dict[str, Any] = {
        name: query[name] for name in ("fieldManager", "fieldValidation") if query.get(name)
    }
    return options | ({"dryRun": query.getlist("dryRun")} if "dryRun" in query else {})


def field_manager(request: ApiRequest) -> str:
    """The name a client gives, or the program's name."""
    agent = request.headers.get("user-agent", "").partition("/")[0][:MANAGER_BYTES_MAX]
    return request.parameter("fieldManager") or agent or "unknown"
