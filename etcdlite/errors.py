"""Core: every way the store can say no, as one table of etcd's own words.

A refusal is a value: the state machine returns it, the node raises it as `StoreError` to whoever waits for
the result, and `server/` turns it into a gRPC status. Clients compare the texts (clientv3 maps them back to
Go errors), so they are exact.

After: etcd api/v3rpc/rpctypes/error.go.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Code(IntEnum):
    """The gRPC status codes in use, by their numbers on the wire."""

    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15


class Refusal(Enum):
    """What was refused: the gRPC code and etcd's text, without its common prefix if it has that."""

    EMPTY_KEY = (Code.INVALID_ARGUMENT, "key is not provided")
    KEY_NOT_FOUND = (Code.INVALID_ARGUMENT, "key not found")
    VALUE_PROVIDED = (Code.INVALID_ARGUMENT, "value is provided")
    LEASE_PROVIDED = (Code.INVALID_ARGUMENT, "lease is provided")
    TOO_MANY_OPS = (Code.INVALID_ARGUMENT, "too many operations in txn request")
    DUPLICATE_KEY = (Code.INVALID_ARGUMENT, "duplicate key given in txn request")
    REQUEST_TOO_LARGE = (Code.INVALID_ARGUMENT, "request is too large")
    INVALID_SORT_OPTION = (Code.INVALID_ARGUMENT, "invalid sort option")
    BAD_URLS = (Code.INVALID_ARGUMENT, "given member URLs are invalid")
    COMPACTED = (Code.OUT_OF_RANGE, "mvcc: required revision has been compacted")
    FUTURE_REVISION = (Code.OUT_OF_RANGE, "mvcc: required revision is a future revision")
    LEASE_TTL_TOO_LARGE = (Code.OUT_OF_RANGE, "too large lease TTL")
    LEASE_NOT_FOUND = (Code.NOT_FOUND, "requested lease not found")
    MEMBER_NOT_FOUND = (Code.NOT_FOUND, "member not found")
    LEASE_EXISTS = (Code.FAILED_PRECONDITION, "lease already exists")
    PEER_URL_EXISTS = (Code.FAILED_PRECONDITION, "Peer URLs already exists")
    MEMBER_EXISTS = (Code.FAILED_PRECONDITION, "member ID already exist")
    NOT_ENOUGH_STARTED_MEMBERS = (
        Code.FAILED_PRECONDITION,
        "re-configuration failed due to not enough started members",
    )
    NOT_LEARNER = (Code.FAILED_PRECONDITION, "can only promote a learner member")
    LEARNER_NOT_READY = (
        Code.FAILED_PRECONDITION,
        "can only promote a learner member which is in sync with leader",
    )
    TOO_MANY_LEARNERS = (Code.FAILED_PRECONDITION, "too many learner members in cluster")
    LEARNER_CANNOT_SERVE = (Code.FAILED_PRECONDITION, "rpc not supported for learner")
    NOT_LEADER = (Code.FAILED_PRECONDITION, "not leader")
    BAD_LEADER_TRANSFEREE = (Code.FAILED_PRECONDITION, "bad leader transferee")
    NO_SPACE = (Code.RESOURCE_EXHAUSTED, "mvcc: database space exceeded")
    TOO_MANY_REQUESTS = (Code.RESOURCE_EXHAUSTED, "too many requests")
    NO_LEADER = (Code.UNAVAILABLE, "no leader")
    LEADER_CHANGED = (Code.UNAVAILABLE, "leader changed")
    STOPPED = (Code.UNAVAILABLE, "server stopped")
    TIMEOUT = (Code.UNAVAILABLE, "request timed out")
    TIMEOUT_LEADER_FAILED = (Code.UNAVAILABLE, "request timed out, possibly due to previous leader failure")
    TIMEOUT_CONNECTION_LOST = (Code.UNAVAILABLE, "request timed out, possibly due to connection lost")
    TIMEOUT_APPLY = (Code.UNAVAILABLE, "request timed out, waiting for the applied index took too long")
    UNHEALTHY = (Code.UNAVAILABLE, "unhealthy cluster")
    CORRUPT = (Code.DATA_LOSS, "corrupt cluster")
    SESSION_EXPIRED = (Code.UNKNOWN, "mutex: session is expired")
    NOT_ELECTED = (Code.UNKNOWN, "election: not leader")
    NOBODY_ELECTED = (Code.UNKNOWN, "election: no leader")
    NO_LEADER_KEY = (Code.UNKNOWN, '"leader" field must be provided')

    @property
    def code(self) -> Code:
        return self.value[0]

    @property
    def text(self) -> str:
        # What etcd builds on its own client, locks and elections, has errors without code and prefix.
        return self.value[1] if self.code is Code.UNKNOWN else f"etcdserver: {self.value[1]}"


class StoreError(Exception):
    """A refusal on its way to a caller who waits."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.text)
        self.refusal = refusal


class StartupError(Exception):
    """A member cannot start or go on; the text is one clear line that names the flag, file or port."""
