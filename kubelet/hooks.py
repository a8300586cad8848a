"""Shell: runs the hooks of a container: after its start, and before it is stopped.

    exec     a command in it;   httpGet  a request to it;   sleep  nothing, for so long

After: k8s pkg/kubelet/lifecycle/handlers.go.
"""

from __future__ import annotations

import asyncio

from kube.api.meta import Object
from kubelet.pod.container_status import full_name
from kubelet.probing import BadPort, get
from kubelet.runtime.interface import Container, Runtime, RuntimeFailure

# A hook has no time limit of its own: the grace of a stop, or the pod's end, ends it.
UNLIMITED_SECONDS = 24 * 3600.0


class HookFailed(Exception):
    """The text is the message of the container's waiting state."""


async def run(runtime: Runtime, container: Container, pod: Object, spec: Object, kind: str) -> None:
    """Run `lifecycle.postStart` or `lifecycle.preStop` of a container, if it has one."""
    hook = (spec.get("lifecycle") or {}).get(kind) or {}
    if "sleep" in hook:
        await asyncio.sleep(hook["sleep"].get("seconds") or 0)
    elif ("exec" in hook or "httpGet" in hook) and runtime.pretended_probe(container.id, kind, hook) is None:
        await (_exec if "exec" in hook else _http)(runtime, container, pod, spec, hook)


async def _exec(runtime: Runtime, container: Container, pod: Object, spec: Object, hook: Object) -> None:
    command = hook["exec"].get("command") or []
    said = " ".join(command)
    try:
        result = await runtime.exec_sync(container.id, command, UNLIMITED_SECONDS)
    except RuntimeFailure as failure:
        why, output = str(failure), ""
    else:
        if result.exit_code == 0:
            return
        output = result.output.decode(errors="replace")
        why = f"command '{said}' exited with {result.exit_code}: {output}"
    what = f"Exec lifecycle hook ([{said}])"
    raise HookFailed(_failure(what, pod, spec, why, output))


async def _http(runtime: Runtime, container: Container, pod: Object, spec: Object, hook: Object) -> None:
    action = hook["httpGet"]
    try:
        await get(runtime, container, spec, action, UNLIMITED_SECONDS)
    except (OSError, BadPort) as error:
        what = f"HTTP lifecycle hook ({action.get('path', '')})"
        raise HookFailed(_failure(what, pod, spec, str(error), "")) from error


def _failure(what: str, pod: Object, spec: Object, why: str, output: str) -> str:
    who = f'Container "{spec["name"]}" in Pod "{full_name(pod)}"'
    quoted = output.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{what} for {who} failed - error: {why}, message: "{quoted}"'
