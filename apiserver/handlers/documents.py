"""Shell: what the server says about itself: version, discovery, OpenAPI, its token issuer.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/discovery/aggregated/handler.go
"""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from typing import Any

import orjson
from starlette.responses import RedirectResponse, Response

from apiserver import openapi_v2
from apiserver.aggregation.follower import OPENAPI_READER
from apiserver.aggregation.proxy import proxy
from apiserver.authentication.user import known
from apiserver.handlers.health import LIVE, READY
from apiserver.handlers.respond import respond, respond_bytes
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import discovery, openapi
from kube.api.meta import Object
from kube.api.negotiation import negotiate
from kube.api.resources import RESOURCES
from kube.api.schema import Schemas

MINOR = 36
VERSION = {
    "major": "1",
    "minor": str(MINOR),
    "emulationMajor": "1",
    "emulationMinor": str(MINOR),
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": str(MINOR - 1),
    "gitVersion": f"v1.{MINOR}.0",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2026-04-22T00:00:00Z",
    "goVersion": f"python{platform.python_version()}",
    "compiler": platform.python_implementation().lower(),
    "platform": f"linux/{'arm64' if platform.machine() == 'aarch64' else 'amd64'}",
}
SPEC_V2_PROTOBUF = (
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
)
AGGREGATED = "apidiscovery.k8s.io"
YEAR_SECONDS = 31_536_000


async def root(server: Server, _: ApiRequest) -> Response:
    """All paths one may ask for."""
    paths = {
        "/api",
        "/api/v1",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
        "/.well-known/openid-configuration",
        "/openid/v1/jwks",
        *(f"/{what}/{name}" for what in ("healthz", "livez") for name in LIVE),
        *(f"/readyz/{name}" for name in READY),
    }
    for group in _groups(server):
        paths |= {f"/apis/{group['name']}", *(f"/apis/{each['groupVersion']}" for each in group["versions"])}
    return respond({"paths": sorted(paths)})


async def version(_: Server, __: ApiRequest) -> Response:
    """Which Kubernetes this is like."""
    return respond(VERSION)


async def api(server: Server, request: ApiRequest) -> Response:
    """The core group."""
    wanted = _aggregated(request)
    if wanted:
        return _discovery(request, wanted, *_core_discovery(wanted))
    return respond(discovery.core_versions(server.address))


async def apis(server: Server, request: ApiRequest) -> Response:
    """All other groups."""
    wanted = _aggregated(request)
    if wanted:
        return _discovery(request, wanted, *_all_discovery(server, wanted))
    return respond(discovery.group_list(_groups(server)))


async def group(server: Server, request: ApiRequest) -> Response:
    """One group, or one version of it."""
    parts = request.info.path.strip("/").split("/")
    found = None
    if parts[0] == "api" and len(parts) == 2:
        found = discovery.resource_list(RESOURCES, "", parts[1])
    elif parts[0] == "apis" and len(parts) == 3:
        found = discovery.resource_list(RESOURCES, parts[1], parts[2])
    elif parts[0] == "apis" and len(parts) == 2:
        found = next((each for each in _groups(server) if each["name"] == parts[1]), None)
        found = found and {"kind": "APIGroup", "apiVersion": "v1", **found}
    if found is None:
        return Response("404 page not found\n", 404, media_type="text/plain")
    return respond(found, wanted=negotiate(request.headers.get("accept", "")))


def _groups(server: Server) -> list[Object]:
    """The APIGroups, whoever serves them, in the order of their priority."""
    return server.aggregation.groups((each.group, each.version) for each in RESOURCES if each.group)


def _aggregated(request: ApiRequest) -> str:
    """In which version the aggregated document is asked for; empty if the client likes another one better."""
    for clause in request.headers.get("accept", "").split(","):
        parts = dict(part.split("=", 1) for part in clause.replace(" ", "").split(";") if "=" in part)
        if parts.get("g") != AGGREGATED:
            if clause.strip().startswith(("application/json", "*/*")):
                return ""
            continue
        if parts.get("as") == "APIGroupDiscoveryList" and parts.get("v") in ("v2", "v2beta1"):
            return parts["v"]
    return ""


def _discovery(request: ApiRequest, version: str, body: bytes, etag: str) -> Response:
    headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": "public"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    kind = f"application/json;g={AGGREGATED};v={version};as=APIGroupDiscoveryList"
    return Response(body, headers=headers, media_type=kind)


@lru_cache(maxsize=2)
def _core_discovery(version: str) -> tuple[bytes, str]:
    return _tagged(discovery.aggregated(discovery.items(RESOURCES, core=True), version))


def _all_discovery(server: Server, version: str) -> tuple[bytes, str]:
    def write() -> tuple[bytes, str]:
        items = server.aggregation.items(discovery.items(RESOURCES, core=False))
        return _tagged(discovery.aggregated(items, version))

    return server.aggregation.kept(version, write)


def _tagged(document: Object) -> tuple[bytes, str]:
    body = orjson.dumps(document)
    return body, f'"{hashlib.sha256(body).hexdigest()[:32].upper()}"'


async def openapi_index(server: Server, _: ApiRequest) -> Response:
    """Where the schema of each group version is, whoever serves it."""
    index = openapi.index(RESOURCES)
    return respond({"paths": index["paths"] | server.aggregation.openapi_paths()})


async def openapi_document(server: Server, request: ApiRequest) -> Response:
    """The schema of one group version; under the right hash it may be kept for ever."""
    path = request.info.path.strip("/").removeprefix("openapi/v3/")
    if (api_service := server.aggregation.serving(f"/{path}")) is not None:
        return await proxy(server, request, api_service, known(OPENAPI_READER))
    if path == "version":
        return respond(openapi.version_document())
    found = openapi.group_paths(RESOURCES).get(path)
    if found is None:
        return Response("404 page not found\n", 404, media_type="text/plain")
    wanted, right = request.parameter("hash"), openapi.content_hash(RESOURCES, *found)
    if wanted and wanted != right:
        return RedirectResponse(f"/openapi/v3/{path}?hash={right}", 301)
    response = respond_bytes(_openapi_document(*found))
    if wanted:
        response.headers["Cache-Control"] = f"public, immutable, max-age={YEAR_SECONDS}"
    return response


@lru_cache(maxsize=64)
def _openapi_document(group: str, version: str) -> bytes:
    document = openapi.document(RESOURCES, group, version, Schemas.load())
    assert document is not None, "the index names only what is served"
    return orjson.dumps(document)


async def openapi_v2_document(_: Server, request: ApiRequest) -> Response:
    """The schema of everything: as protobuf where the client asks for that first, else as JSON."""
    as_protobuf = any(kind in request.headers.get("accept", "") for kind in SPEC_V2_PROTOBUF)
    body, etag = _openapi_v2(as_protobuf)
    headers = {"ETag": etag, "Vary": "Accept", "Cache-Control": "no-cache, private"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(
        body, headers=headers, media_type=SPEC_V2_PROTOBUF[0] if as_protobuf else "application/json"
    )


@lru_cache(maxsize=2)
def _openapi_v2(as_protobuf: bool) -> tuple[bytes, str]:
    document = openapi_v2.document(RESOURCES, Schemas.load())
    body = openapi_v2.to_protobuf(document) if as_protobuf else orjson.dumps(document)
    return body, f'"{openapi.hash_of(body)}"'


async def openid_configuration(server: Server, _: ApiRequest) -> Response:
    """How others may check our tokens."""
    shown: dict[str, Any] = {
        "issuer": server.tokens.issuer,
        "jwks_uri": server.tokens.jwks_uri or f"https://{server.address}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": server.tokens.algorithms,
    }
    return respond(shown)


async def key_set(server: Server, _: ApiRequest) -> Response:
    """The public keys of our tokens."""
    return Response(
        orjson.dumps({"keys": server.tokens.public_jwks()}), media_type="application/jwk-set+json"
    )
