"""A namespace is not let go while part of it cannot be seen, and says why."""

from __future__ import annotations

from controllers.namespace.plan import Seen, plan
from kube.api import conditions
from kube.api.actions import DeleteCollection, RequeueAfter, UpdateStatus
from kube.api.meta import Object
from kube.api.resources import SECRETS
from tests.controllers.test_plans import START, made


def namespace() -> Object:
    return made({"name": "ns", "deleted": True}, spec={"finalizers": ["kubernetes"]}, status={})


def test_what_cannot_be_listed_is_told_and_looked_at_again() -> None:
    status, again = plan(Seen(namespace(), {}, ["b is down", "a is down"]), START)
    assert isinstance(status, UpdateStatus)
    failure = conditions.find(status.object, "NamespaceDeletionContentFailure")
    assert failure is not None
    assert (failure["status"], failure["reason"]) == ("True", "ContentDeletionFailed")
    assert failure["message"] == "Failed to delete all resource types, 2 remaining: a is down, b is down"
    remaining = conditions.find(status.object, "NamespaceContentRemaining")
    assert remaining is not None
    assert remaining["status"] == "False"
    assert isinstance(again, RequeueAfter)


def test_the_rest_is_deleted_meanwhile() -> None:
    actions = plan(Seen(namespace(), {SECRETS: [made({"name": "s"})]}, ["a is down"]), START)
    assert actions[0] == DeleteCollection(SECRETS, "ns")
