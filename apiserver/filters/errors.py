"""Shell: the one border where exceptions become Status objects.

After: k8s staging/src/k8s.io/apiserver/pkg/endpoints/handlers/responsewriters/status.go
"""

from __future__ import annotations

import orjson
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from apiserver.codec import write_yaml
from apiserver.request import ApiRequest, Handler
from apiserver.server import Server
from apiserver.storage.interface import Refused, Unavailable, Unreadable
from kube.api import errors
from kube.api.errors import StatusError
from kube.api.negotiation import JSON, YAML
from kube.base.logs import logger

log = logger(__name__)

CLIENT_CLOSED_REQUEST = 499
TOO_MANY = "etcdserver: too many requests"


def translate(_: Server, inner: Handler) -> Handler:
    """Answer with the Status of whatever is raised inside."""

    async def handle(request: ApiRequest) -> Response:
        try:
            return await inner(request)
        except StatusError as error:
            return respond(error, request)
        except Unreadable as error:
            log.error("a value in the store cannot be read", path=request.url.path, error=error)
            return respond(errors.internal(str(error)), request)
        except Refused as error:
            log.error("the store refuses", path=request.url.path, error=error)
            return respond(_store_refuses(error), request)
        except Unavailable as error:
            log.warning("the store does not answer", path=request.url.path, error=error)
            return respond(_store_is_silent(request), request)
        except ClientDisconnect:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        except Exception as error:
            log.exception("request failed", method=request.method, path=request.url.path)
            request.audit.failed(error)
            return respond(errors.internal(f"{type(error).__name__}: {error}"))

    return handle


def _store_is_silent(request: ApiRequest) -> StatusError:
    """A read may be tried again by any client; a write may have happened: whoever wants it must look."""
    if request.method in ("GET", "HEAD"):
        return errors.service_unavailable("the store does not answer; try again", 1)
    return errors.timeout("the store did not answer; the write may have happened")


def _store_refuses(error: Refused) -> StatusError:
    """The store's own words, as Kubernetes passes them on; who comes too often may come again."""
    if str(error) == TOO_MANY:
        return errors.too_many_requests(str(error), 1)
    return StatusError(500, "", str(error))


def respond(error: StatusError, request: ApiRequest | None = None) -> Response:
    """The Status as an answer, in YAML for who asks for that; a client told to retry finds Retry-After."""
    accept = request.headers.get("accept", "") if request is not None else ""
    if accept.startswith(YAML):
        response = Response(write_yaml(error.status()), error.code, media_type=YAML)
    else:
        response = Response(orjson.dumps(error.status()), error.code, media_type=JSON)
    seconds = error.details.get("retryAfterSeconds")
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response
