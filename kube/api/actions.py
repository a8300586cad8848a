"""Core: what a controller's plan says should be done.

A plan is a list of these values, in the order in which they are to be carried out; kube.controller.act does
so. The objects in them belong to the plan: made by it, never taken from a cache.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kube.api.meta import Object
from kube.api.resources import Resource


@dataclass(frozen=True, slots=True)
class Announcement:
    """The Event that tells how an action went; `{name}` and `{error}` in the messages are filled in then.

    Without a reason for success nothing is told of it.
    """

    about: Object
    success_reason: str
    success_message: str
    failure_reason: str
    failure_message: str


@dataclass(frozen=True, slots=True)
class Create:
    """Create the object; its namespace is in its metadata."""

    resource: Resource
    object: Object
    announcement: Announcement | None = None


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the object; its resourceVersion makes a lost race a conflict."""

    resource: Resource
    object: Object
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class UpdateStatus:
    """Replace the object's status."""

    resource: Resource
    object: Object


@dataclass(frozen=True, slots=True)
class Patch:
    """Patch an object; type is `merge`, `strategic`, `json` or `apply`."""

    resource: Resource
    namespace: str
    name: str
    patch: Any
    type: str = "merge"
    subresource: str = ""
    announcement: Announcement | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the object that has this uid (or whatever has the name, when the uid is empty)."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""
    grace_period_seconds: int | None = None
    propagation_policy: str = ""
    resource_version: str = ""
    announcement: Announcement | None = None


@dataclass(frozen=True, slots=True)
class DeleteCollection:
    """Delete all objects of a resource in a namespace."""

    resource: Resource
    namespace: str


@dataclass(frozen=True, slots=True)
class EmitEvent:
    """Tell people: record an Event about the object; type is `Normal` or `Warning`."""

    about: Object
    type: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RequeueAfter:
    """Look at the same key again later, even if nothing changes."""

    seconds: float


Action = Create | Update | UpdateStatus | Patch | Delete | DeleteCollection | EmitEvent | RequeueAfter
