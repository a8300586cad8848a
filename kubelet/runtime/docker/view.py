"""Core: what the engine last said of a node's containers, for a kubelet that asks all the time.

    inspected container -> Sandbox or Container -> View, by pod

Invariants: a container that has ended never runs again; `put` tells whether the pod's worker has to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from kube.api.meta import parse_time
from kubelet.runtime.docker import labels
from kubelet.runtime.interface import Container, ContainerState, Sandbox

Inspected = Mapping[str, Any]

# How the interface calls a container that could not be started.
CANNOT_RUN, CANNOT_RUN_CODE = "ContainerCannotRun", 128


class View:
    """See the module."""

    def __init__(self) -> None:
        self._sandboxes: dict[str, dict[str, Sandbox]] = {}
        self._containers: dict[str, dict[str, Container]] = {}
        self._pod_of: dict[str, str] = {}

    def sandbox_of(self, pod_uid: str) -> Sandbox | None:
        """The pod's newest; one that died may stand beside it."""
        found = self._sandboxes.get(pod_uid, {}).values()
        return max(found, key=lambda each: each.created_at, default=None)

    def sandboxes(self) -> list[Sandbox]:
        newest = (self.sandbox_of(uid) for uid in self._sandboxes)
        return [each for each in newest if each is not None]

    def containers_of(self, pod_uid: str) -> list[Container]:
        found = self._containers.get(pod_uid, {}).values()
        return sorted(found, key=lambda each: each.created_at)

    def container(self, container_id: str) -> Container | None:
        return self._containers.get(self._pod_of.get(container_id, ""), {}).get(container_id)

    def ids_of(self, pod_uid: str) -> list[str]:
        """The pod's containers, and its sandboxes after them."""
        return [*self._containers.get(pod_uid, ()), *self._sandboxes.get(pod_uid, ())]

    def places_of(self, pod_uid: str) -> list[str]:
        """The pod's sandboxes, those that died among them."""
        return list(self._sandboxes.get(pod_uid, ()))

    def ids(self) -> set[str]:
        return set(self._pod_of)

    def pod_of(self, container_id: str) -> str | None:
        return self._pod_of.get(container_id)

    def put(self, seen: Sandbox | Container) -> bool:
        """Take in what was seen; True if something ended or ended differently."""
        self._pod_of[seen.id] = seen.pod_uid
        if isinstance(seen, Sandbox):
            known = self._sandboxes.setdefault(seen.pod_uid, {})
            before = known.get(seen.id)
            if before is not None:
                # With its end the engine forgets its address.
                seen = replace(seen, ip=seen.ip or before.ip, ready=seen.ready and before.ready)
            known[seen.id] = seen
            return before is not None and before.ready and not seen.ready
        containers = self._containers.setdefault(seen.pod_uid, {})
        old = containers.get(seen.id)
        if old is not None and old.is_exited and not seen.is_exited:
            return False
        containers[seen.id] = seen
        return old is not None and seen.is_exited and seen != old

    def forget(self, container_id: str) -> None:
        """It is no more."""
        uid = self._pod_of.pop(container_id, None)
        for kind in (self._sandboxes, self._containers):
            of_pod: dict[str, Any] = kind.get(uid or "", {})
            of_pod.pop(container_id, None)
            if not of_pod:
                kind.pop(uid or "", None)


def read(inspected: Inspected, node_ip: str, image_name: Callable[[str], str]) -> Sandbox | Container:
    """A container of ours as the engine describes it. image_name: an image's id -> what a status shows."""
    own = inspected["Config"]["Labels"]
    if own[labels.TYPE] == labels.SANDBOX:
        return Sandbox(
            id=inspected["Id"],
            pod_uid=own[labels.POD_UID],
            namespace=own[labels.POD_NAMESPACE],
            name=own[labels.POD_NAME],
            ip=node_ip if labels.HOST_NETWORK in own[labels.SHARES] else _address(inspected),
            ready=bool(inspected["State"]["Running"]),
            created_at=parse_time(inspected["Created"]),
        )
    ended, code, reason, message = _end(inspected["State"])
    # What could not start began and ended when it was made.
    tried_at = parse_time(inspected["Created"]) if reason == CANNOT_RUN else None
    return Container(
        id=inspected["Id"],
        sandbox_id=own[labels.SANDBOX_ID],
        pod_uid=own[labels.POD_UID],
        name=own[labels.CONTAINER_NAME],
        attempt=int(own[labels.ATTEMPT]),
        image=inspected["Config"]["Image"],
        state=_state(inspected["State"], ended=ended),
        created_at=parse_time(inspected["Created"]),
        started_at=_time(inspected["State"]["StartedAt"]) or tried_at,
        finished_at=_time(inspected["State"]["FinishedAt"]) or tried_at,
        exit_code=code,
        reason=reason,
        message=message,
        image_id=image_name(inspected["Image"]),
    )


def _state(state: Inspected, *, ended: bool) -> ContainerState:
    if ended:
        return ContainerState.EXITED
    return ContainerState.RUNNING if state["Running"] else ContainerState.CREATED


def _end(state: Inspected) -> tuple[bool, int, str, str]:
    """Whether the container has ended, its exit code, and why."""
    if state["Running"]:
        return False, 0, "", ""
    if state["Status"] == "created":
        failed = bool(state["Error"])
        return (True, CANNOT_RUN_CODE, CANNOT_RUN, state["Error"]) if failed else (False, 0, "", "")
    code = state["ExitCode"]
    reason = "OOMKilled" if state["OOMKilled"] else "Error" if code else "Completed"
    return True, code, reason, state["Error"]


def _address(inspected: Inspected) -> str:
    networks = inspected["NetworkSettings"]["Networks"] or {}
    return next((each["IPAddress"] for each in networks.values() if each["IPAddress"]), "")


def _time(text: str) -> datetime | None:
    """None where the engine has none, which it writes as the year 1."""
    at = parse_time(text)
    return at if at.year > 1 else None
