"""Shell: kl's own way to the API server: one request after the other, no event loop.

A command asks a handful of things and ends, so it waits for each; `kube.client`, made for controllers that do
much at once, would take longer to import than all of that. Several servers: the first that accepts a
connection is asked; a write is never sent twice.

    StatusError     the server refused
    CliError        no server answered
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from cli.errors import CliError
from kube.api.errors import StatusError
from kube.api.meta import Object
from kube.api.resources import Resource
from kube.client.config import ClientConfig

if TYPE_CHECKING:
    from cli.websocket import WebSocket

CONNECT_SECONDS = 3.0
REQUEST_SECONDS = 60.0
PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}
JSON = "application/json"


class Api:
    """The API of one cluster, through the servers of a kubeconfig."""

    def __init__(self, config: ClientConfig) -> None:
        self._config = config

    def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        return self.call("GET", resource.path(namespace, name))

    def list(self, resource: Resource, namespace: str | None, labels: str = "", fields: str = "") -> Object:
        """The List; each item says its apiVersion and kind, which the wire leaves out."""
        answer = self.call("GET", resource.path(namespace), labelSelector=labels, fieldSelector=fields)
        stamp = {"apiVersion": resource.api_version, "kind": resource.kind}
        answer["items"] = [{**stamp, **item} for item in answer.get("items") or []]
        return answer

    def create(self, resource: Resource, namespace: str | None, o: Object) -> Object:
        return self.call("POST", resource.path(namespace if resource.namespaced else None), o)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        patch: Any,
        form: str = "merge",
        subresource: str | None = None,
        **parameters: str,
    ) -> Object:
        path = resource.path(namespace, name, subresource)
        return self.call("PATCH", path, patch, content_type=PATCH_TYPES[form], **parameters)

    def delete(self, resource: Resource, namespace: str | None, name: str, options: Object) -> Object:
        return self.call("DELETE", resource.path(namespace, name), options)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        accept: str = JSON,
        content_type: str = JSON,
        **parameters: str,
    ) -> Object:
        """One request and its JSON answer."""
        with self._open(method, path, body, accept, content_type, parameters) as response:
            answer: Object = json.loads(response.read())
            return answer

    def lines(self, path: str, accept: str = JSON, **parameters: str) -> Iterator[bytes]:
        """The lines of an answer as they come, for as long as they come."""
        with self._open("GET", path, None, accept, JSON, parameters, endless=True) as response:
            yield from response

    def websocket(self, path: str, query: Sequence[tuple[str, str]], protocols: Sequence[str]) -> WebSocket:
        """A WebSocket to the first server that accepts a connection."""
        # Here, because no other request needs them.
        from cli.websocket import BrokenOff, Refused, WebSocket

        connection, prefix = self._connect()
        connection.sock.settimeout(REQUEST_SECONDS)
        headers = {"Authorization": f"Bearer {self._config.token}"} if self._config.token else {}
        url = f"wss://{connection.host}:{connection.port}{prefix}{path}?{urlencode(query)}"
        try:
            return WebSocket.open(connection.sock, url, protocols, headers)
        except Refused as refused:
            connection.close()
            raise _refusal(refused.code, refused.content) from refused
        except BrokenOff as error:
            connection.close()
            raise CliError(f"the answer to GET {path} broke off: {error}") from error

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        body: Any,
        accept: str,
        content_type: str,
        parameters: dict[str, str],
        *,
        endless: bool = False,
    ) -> Iterator[HTTPResponse]:
        query = urlencode({key: value for key, value in parameters.items() if value})
        headers = {"Accept": accept, "User-Agent": "kl"}
        if body is not None:
            headers["Content-Type"] = content_type
        if self._config.token:
            headers["Authorization"] = f"Bearer {self._config.token}"
        connection, prefix = self._connect()
        try:
            connection.sock.settimeout(None if endless else REQUEST_SECONDS)
            content = json.dumps(body).encode() if body is not None else None
            connection.request(method, f"{prefix}{path}{'?' if query else ''}{query}", content, headers)
            response = connection.getresponse()
            if response.status >= 400:
                raise _refusal(response.status, response.read())
            yield response
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            raise CliError(f"the answer to {method} {path} broke off: {error!r}") from error
        finally:
            connection.close()

    def _connect(self) -> tuple[HTTPSConnection, str]:
        """A connection to the first server that accepts one, and what its paths begin with."""
        for server in self._config.servers:
            url = urlsplit(server)
            assert url.hostname is not None, "a server is a URL"
            connection = HTTPSConnection(
                url.hostname, url.port, timeout=CONNECT_SECONDS, context=self._config.ssl_context
            )
            try:
                connection.connect()
            except OSError:
                connection.close()
                continue
            return connection, url.path.rstrip("/")
        servers = ", ".join(self._config.servers)
        raise CliError(f"no API server answers at {servers}: is the cluster up?")


def _refusal(code: int, content: bytes) -> StatusError:
    """The refusal in an answer, also where it is no Status."""
    try:
        answer = json.loads(content)
    except json.JSONDecodeError:
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        return StatusError.from_status(answer)
    return StatusError(code, "Unknown", content.decode("utf-8", "replace").strip() or f"HTTP {code}")
