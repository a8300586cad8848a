"""Shell: one HTTP request on its way through the filters, and what they have found out about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request, empty_receive, empty_send
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from apiserver.audit.event import NO_AUDIT, RequestAudit
from apiserver.authentication.user import User, anonymous
from kube.api import errors
from kube.api.resources import Resource

BODY_BYTES_MAX = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """What a URL and a method ask for.

    verb: the API verb, or the method in lower case where the path is no resource.
    plural: empty where the path is no resource.
    field_selector: of a list or watch, and of the deletion of a collection.
    """

    path: str
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    field_selector: str = ""

    @property
    def is_resource(self) -> bool:
        return bool(self.plural)


def _nothing() -> None:
    pass


class ApiRequest(Request):
    """A Starlette request with the findings of the filters; `resource` is None for other paths.

    warnings: what the client is told beside the answer; of his credential, and by admission.
    annotations: what filters and admission add to what the audit log tells.
    audit_id: the number under which it is known.
    audit: what is told of it; filters and handlers note there what they find out.
    stamps: headers that go with the answer, whatever it is.
    release: gives back the seats that the request holds; once is enough, and more does no harm.
    """

    def __init__(self, scope: Scope, receive: Receive = empty_receive, send: Send = empty_send) -> None:
        super().__init__(scope, receive, send)
        self.warnings: list[str] = []
        self.annotations: dict[str, str] = {}

    info: RequestInfo = RequestInfo("", "")
    audit_id: str = ""
    audit: RequestAudit = NO_AUDIT
    caller: User = anonymous()
    resource: Resource | None = None
    stamps: tuple[tuple[bytes, bytes], ...] = ()
    release: Callable[[], None] = staticmethod(_nothing)

    @property
    def kind(self) -> Resource:
        """The resource asked for, where one must be."""
        assert self.resource is not None, "only resource requests come here"
        return self.resource

    def parameter(self, name: str, default: str = "") -> str:
        return self.query_params.get(name, default)

    def replace_query(self, pairs: list[tuple[str, str]]) -> None:
        """Go on as if the client had asked so."""
        self.scope["query_string"] = urlencode(pairs).encode()
        self._query_params = QueryParams(pairs)

    async def limited_body(self) -> bytes:
        """The body; StatusError 413 as soon as it is too large."""
        if int(self.headers.get("content-length") or 0) > BODY_BYTES_MAX:
            raise errors.too_large(f"limit is {BODY_BYTES_MAX}")
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > BODY_BYTES_MAX:
                raise errors.too_large(f"limit is {BODY_BYTES_MAX}")
            chunks.append(chunk)
        return b"".join(chunks)


Handler = Callable[[ApiRequest], Awaitable[Response]]
