"""Shell: GET /pods/X/log: finds the container's kubelet and passes its answer on as it comes.

After: k8s pkg/registry/core/pod/strategy.go, LogLocation; pkg/registry/core/pod/rest/log.go;
pkg/apis/core/validation/validation.go, ValidatePodLogOptions;
staging/src/k8s.io/apiserver/pkg/registry/generic/rest/response_checker.go
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
from starlette.responses import Response, StreamingResponse

from apiserver.handlers.get import find
from apiserver.request import ApiRequest
from apiserver.server import Server
from kube.api import errors, meta
from kube.api.errors import FieldError
from kube.api.gvk import GroupVersionKind
from kube.api.kubelet_address import address_of
from kube.api.meta import Object
from kube.api.resources import NODES

OPTIONS = (
    "follow",
    "previous",
    "sinceSeconds",
    "sinceTime",
    "timestamps",
    "tailLines",
    "limitBytes",
    "stream",
)
ALL = "All"
STREAMS = (ALL, "Stderr", "Stdout")
LOG_OPTIONS = GroupVersionKind("", "v1", "PodLogOptions")
# Reason and message for what a kubelet answers; without a message, its own.
REFUSALS = {
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    403: ("Forbidden", ""),
    404: ("NotFound", "the server could not find the requested resource"),
}


async def log(server: Server, request: ApiRequest) -> Response:
    """Answer with what the container wrote."""
    _validate(request)
    pod = (await find(server, request)).decode()
    container = chosen_container(pod, request.parameter("container"))
    node = meta.get(pod, "spec", "nodeName", default="")
    if not node:
        return Response(b"", media_type="text/plain")
    path = f"/containerLogs/{meta.namespace(pod)}/{meta.name(pod)}/{container}"
    query = [(name, value) for name, value in request.query_params.multi_items() if name in OPTIONS]
    address = kubelet_address(server, node)
    try:
        answer = await server.kubelets.get(f"https://{address}{path}", params=query)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise errors.internal(f'Get "https://{address}{path}": {error}') from error
    if answer.status != 200:
        text = (await answer.text()).strip()
        answer.release()
        raise _refused(answer.status, text, meta.name(pod))
    return StreamingResponse(_chunks(answer), media_type="text/plain")


def _refused(code: int, text: str, name: str) -> errors.StatusError:
    """A kubelet's refusal, as an API server words it."""
    if code == 400:
        return errors.bad_request(text)
    if code not in REFUSALS:
        return errors.internal(text)
    reason, message = REFUSALS[code]
    return errors.StatusError(code, reason, f"{message or text} ( pods/log {name})")


def _validate(request: ApiRequest) -> None:
    """StatusError 400 for what is no number or time, 422 for what cannot be."""
    numbers = {name: _number(request, name) for name in ("tailLines", "limitBytes", "sinceSeconds")}
    since_time, stream = request.parameter("sinceTime"), request.parameter("stream")
    if since_time:
        _ensure_time(since_time)
    wrong = []
    if (lines := numbers["tailLines"]) is not None and lines < 0:
        wrong.append(FieldError.invalid("tailLines", lines, "must be greater than or equal to 0"))
    if (size := numbers["limitBytes"]) is not None and size < 1:
        wrong.append(FieldError.invalid("limitBytes", size, "must be greater than 0"))
    if (seconds := numbers["sinceSeconds"]) is not None and since_time:
        only = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        wrong.append(FieldError.forbidden("", only))
    elif seconds is not None and seconds < 1:
        wrong.append(FieldError.invalid("sinceSeconds", seconds, "must be greater than 0"))
    if stream and stream not in STREAMS:
        wrong.append(FieldError.not_supported("stream", stream, STREAMS))
    if stream not in ("", ALL) and lines is not None:
        only = "`tailLines` and specific `stream` are mutually exclusive for now"
        wrong.append(FieldError.forbidden("", only))
    if wrong:
        raise errors.invalid(LOG_OPTIONS, request.info.name, wrong)


def _number(request: ApiRequest, name: str) -> int | None:
    text = request.parameter(name)
    if not text:
        return None
    try:
        return int(text)
    except ValueError:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _ensure_time(text: str) -> None:
    try:
        meta.parse_time(text)
    except ValueError:
        why = f'cannot parse "{text}" as "2006"'
        raise errors.bad_request(f'parsing time "{text}" as "2006-01-02T15:04:05Z07:00": {why}') from None


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()


def chosen_container(pod: Object, wanted: str) -> str:
    """The container meant; StatusError 400 where it is not said or not there."""
    spec, name = pod["spec"], meta.name(pod)
    fields = ("containers", "initContainers", "ephemeralContainers")
    names = [each["name"] for field in fields for each in spec.get(field) or []]
    if wanted:
        if wanted not in names:
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    containers = [each["name"] for each in spec.get("containers") or []]
    if len(containers) == 1:
        return str(containers[0])
    default = meta.annotations(pod).get("kubectl.kubernetes.io/default-container")
    if default in names:
        return str(default)
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(containers)}]"
    if first := [each["name"] for each in spec.get("initContainers") or []]:
        text += f" or one of the init containers: [{' '.join(first)}]"
    raise errors.bad_request(text)


def kubelet_address(server: Server, name: str) -> str:
    """Where the node's kubelet listens."""
    entry = server.cache.get(NODES, "", name)
    if entry is None:
        raise errors.not_found(NODES, name)
    return address_of(entry.decode())
