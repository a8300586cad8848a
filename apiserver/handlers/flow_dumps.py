"""Shell: /debug/api_priority_and_fairness/dump_*: who waits and who executes now, as text.

After: k8s staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go, Install
"""

from __future__ import annotations

from starlette.responses import Response

from apiserver.request import ApiRequest
from apiserver.server import Server

ROOT = "/debug/api_priority_and_fairness"


async def dump(server: Server, request: ApiRequest) -> Response:
    """The levels, or their queues; nothing is known of single requests."""
    what = request.info.path.removeprefix(f"{ROOT}/").rstrip("/")
    control = server.flow_control
    if control is None or what not in ("dump_priority_levels", "dump_queues"):
        return Response("404 page not found\n", 404, media_type="text/plain")
    text = control.dump_queues() if what == "dump_queues" else control.dump_levels()
    return Response(text, media_type="text/plain")
