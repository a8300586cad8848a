"""Shell: a thin asyncio client of any etcd v3 cluster.

It speaks protobuf messages and adds what every user needs: several endpoints, of which a dead or leaderless
one is left at once, and a silent one soon (pulse.py); a deadline on each call; watches that survive their
stream.

A read is repeated at the next endpoint until its deadline. A write is repeated only where it surely was not
applied (no connection was made, or the member said it has no leader); otherwise the caller gets `Unavailable`
and must look for himself.

Absent: connection pools, a cache, leases kept alive in the background.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio

from etcdlite.pb import faults_pb2, faults_pb2_grpc, rpc_pb2_grpc, snapshot_pb2, snapshot_pb2_grpc
from etcdlite.pb import rpc_pb2 as rpc_pb2  # users write requests with its messages
from etcdlite.pulse import Pulse

READ_ATTEMPT_SECONDS = 3.0
# How long other members may take to show that they live when one is silent.
ANSWER_SECONDS = 2.0
ROUND_PAUSE_SECONDS = 0.05
CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    # A small window, which does not grow by itself: a watcher that is behind is then sent many revisions in
    # one message, instead of having thousands of messages of one revision each on the way to it.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 16 * 1024),
]
# A member without a leader answers "no leader" at once to calls with this, instead of letting them wait.
REQUIRE_LEADER = (("hasleader", "true"),)
NO_LEADER = "etcdserver: no leader"
NEVER_CONNECTED = "failed to connect to all addresses"
END_OF_STREAM: Any = grpc.aio.EOF
TRANSIENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}
# What gRPC says (INTERNAL) of a message written to a stream whose connection has just broken.
BROKEN_STREAM = "Internal error from Core"


class ClientError(Exception):
    """The store refused: `code` is gRPC's name for why, `message` etcd's text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Unavailable(ClientError):
    """No member answered in time; a write may or may not have been applied."""


class Compacted(ClientError):
    """The history before `compact_revision` is gone (0: the store did not say which)."""

    def __init__(self, compact_revision: int = 0) -> None:
        super().__init__("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted")
        self.compact_revision = compact_revision


def prefix_end(prefix: bytes) -> bytes:
    """The range_end that makes a range of every key with this prefix."""
    for at in reversed(range(len(prefix))):
        if prefix[at] < 0xFF:
            return prefix[:at] + bytes([prefix[at] + 1])
    return b"\0"


def _error(error: grpc.aio.AioRpcError) -> ClientError:
    message = error.details() or ""
    if message.endswith("required revision has been compacted"):
        return Compacted()
    kind = Unavailable if _is_transient(error) else ClientError
    return kind(error.code().name, message)


def _is_transient(error: grpc.aio.AioRpcError) -> bool:
    return error.code() in TRANSIENT or error.details() == BROKEN_STREAM


def _surely_not_applied(error: grpc.aio.AioRpcError) -> bool:
    message = error.details() or ""
    return message == NO_LEADER or message.startswith(NEVER_CONNECTED)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class _Endpoint:
    """One member: its channel and the stubs on it, made on first use."""

    def __init__(self, url: str, credentials: grpc.ChannelCredentials, *, encrypted: bool) -> None:
        scheme, _, rest = url.rpartition("://")
        target = rest.rstrip("/")
        if scheme == "https" or (encrypted and not scheme):
            self.channel = grpc.aio.secure_channel(target, credentials, options=CHANNEL_OPTIONS)
        else:
            self.channel = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self.kv = rpc_pb2_grpc.KVStub(self.channel)
        self.watch = rpc_pb2_grpc.WatchStub(self.channel)
        self.lease = rpc_pb2_grpc.LeaseStub(self.channel)
        self.cluster = rpc_pb2_grpc.ClusterStub(self.channel)
        self.maintenance = rpc_pb2_grpc.MaintenanceStub(self.channel)
        self.faults = faults_pb2_grpc.FaultsStub(self.channel)
        self.snapshots = snapshot_pb2_grpc.SnapshotsStub(self.channel)


class Client:
    """The store as one thing, whichever member answers.

    Endpoints are URLs, or host:port: that is encrypted where certificates are given. Without a `ca` the
    system's authorities are trusted.
    """

    def __init__(
        self, endpoints: Sequence[str], ca: str = "", cert: str = "", key: str = "", timeout: float = 10.0
    ) -> None:
        assert endpoints, "a client needs at least one endpoint"
        self.endpoints = tuple(endpoints)
        self.timeout = timeout
        chain = (Path(key).read_bytes(), Path(cert).read_bytes()) if cert else (None, None)
        self._credentials = grpc.ssl_channel_credentials(Path(ca).read_bytes() if ca else None, *chain)
        self._encrypted = bool(ca or cert)
        self._connected: dict[int, _Endpoint] = {}
        self._pulses = [
            Pulse(partial(self._lives, number), partial(self._another_lives, number))
            for number in range(len(self.endpoints))
        ]
        self._current = 0

    async def range_(
        self, key: bytes, range_end: bytes = b"", *, timeout: float | None = None, **options: Any
    ) -> rpc_pb2.RangeResponse:
        """Read a range; `options` are further fields of RangeRequest."""
        request = rpc_pb2.RangeRequest(key=key, range_end=range_end, **options)
        return await self._call("kv", "Range", request, timeout, read=True)

    async def put(
        self, key: bytes, value: bytes, *, timeout: float | None = None, **options: Any
    ) -> rpc_pb2.PutResponse:
        """Write one key; `options` are further fields of PutRequest."""
        return await self._call("kv", "Put", rpc_pb2.PutRequest(key=key, value=value, **options), timeout)

    async def delete_range(
        self, key: bytes, range_end: bytes = b"", *, timeout: float | None = None, prev_kv: bool = False
    ) -> rpc_pb2.DeleteRangeResponse:
        """Delete a range."""
        request = rpc_pb2.DeleteRangeRequest(key=key, range_end=range_end, prev_kv=prev_kv)
        return await self._call("kv", "DeleteRange", request, timeout)

    async def txn(
        self,
        compare: Sequence[rpc_pb2.Compare] = (),
        success: Sequence[rpc_pb2.RequestOp] = (),
        failure: Sequence[rpc_pb2.RequestOp] = (),
        *,
        timeout: float | None = None,
    ) -> rpc_pb2.TxnResponse:
        """If all compares hold do `success`, else `failure`, as one revision."""
        request = rpc_pb2.TxnRequest(compare=compare, success=success, failure=failure)
        return await self._call("kv", "Txn", request, timeout)

    async def compact(
        self, revision: int, *, physical: bool = False, timeout: float | None = None
    ) -> rpc_pb2.CompactionResponse:
        """Forget the history before a revision."""
        request = rpc_pb2.CompactionRequest(revision=revision, physical=physical)
        return await self._call("kv", "Compact", request, timeout)

    async def lease_grant(self, ttl: int, lease_id: int = 0) -> rpc_pb2.LeaseGrantResponse:
        """Make a lease of `ttl` seconds."""
        return await self._call("lease", "LeaseGrant", rpc_pb2.LeaseGrantRequest(TTL=ttl, ID=lease_id))

    async def lease_revoke(self, lease_id: int) -> rpc_pb2.LeaseRevokeResponse:
        """End a lease and delete its keys."""
        return await self._call("lease", "LeaseRevoke", rpc_pb2.LeaseRevokeRequest(ID=lease_id))

    async def lease_keep_alive(self, lease_id: int) -> int:
        """Renew a lease once; its new time to live, 0 if there is no such lease."""

        async def once(endpoint: _Endpoint, seconds: float) -> int:
            call = endpoint.lease.LeaseKeepAlive(timeout=seconds, metadata=REQUIRE_LEADER)
            try:
                await call.write(rpc_pb2.LeaseKeepAliveRequest(ID=lease_id))
                answer = await call.read()
                if answer is END_OF_STREAM:
                    # Its member ends: another one may answer.
                    raise TimeoutError
                return int(answer.TTL)
            finally:
                call.cancel()

        return int(await self._attempts(once, self.timeout, read=True))

    async def lease_time_to_live(
        self, lease_id: int, *, keys: bool = False
    ) -> rpc_pb2.LeaseTimeToLiveResponse:
        """What is left of a lease (TTL -1: there is none), and its keys if asked."""
        request = rpc_pb2.LeaseTimeToLiveRequest(ID=lease_id, keys=keys)
        return await self._call("lease", "LeaseTimeToLive", request, read=True)

    async def member_list(self, *, linearizable: bool = True) -> rpc_pb2.MemberListResponse:
        """Who belongs to the cluster; not linearizable: as far as the member asked has heard."""
        request = rpc_pb2.MemberListRequest(linearizable=linearizable)
        return await self._call("cluster", "MemberList", request, read=True)

    async def status(self, endpoint: str, *, timeout: float | None = None) -> rpc_pb2.StatusResponse:
        """How one member is."""
        return await self._ask(endpoint, "maintenance", "Status", rpc_pb2.StatusRequest(), timeout)

    async def hash_kv(
        self, endpoint: str, revision: int = 0, *, timeout: float | None = None
    ) -> rpc_pb2.HashKVResponse:
        """One member's hash over the keys up to a revision."""
        request = rpc_pb2.HashKVRequest(revision=revision)
        return await self._ask(endpoint, "maintenance", "HashKV", request, timeout)

    async def cut_links(self, endpoint: str, members: Sequence[int], *, timeout: float | None = None) -> None:
        """Have an etcdlite member (no etcd knows this) pass nothing to or from others any more."""
        await self._ask(endpoint, "faults", "Cut", faults_pb2.LinksRequest(members=members), timeout)

    async def heal_links(
        self, endpoint: str, members: Sequence[int] = (), *, timeout: float | None = None
    ) -> None:
        """Have a member hear these others again; all of them, if none is named."""
        await self._ask(endpoint, "faults", "Heal", faults_pb2.LinksRequest(members=members), timeout)

    async def list_cut_links(self, endpoint: str, *, timeout: float | None = None) -> list[int]:
        """The ids of the members that a member does not hear because its links were cut."""
        return list((await self._ask(endpoint, "faults", "List", faults_pb2.LinksRequest(), timeout)).cut)

    def watch(
        self, key: bytes, range_end: bytes = b"", *, start_revision: int = 0, **options: Any
    ) -> Watcher:
        """Watch a range from a revision on (0: now); `options` are fields of WatchCreateRequest."""
        return Watcher(self, key, range_end, start_revision, options)

    async def close(self) -> None:
        """Close every connection."""
        try:
            for pulse in self._pulses:
                await pulse.stop()
        finally:
            for endpoint in self._connected.values():
                await endpoint.channel.close(None)
            self._connected.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def save_snapshot(self) -> AsyncIterator[bytes]:
        """The bytes of a snapshot file, from one member; it is not taken up at another."""
        try:
            async for chunk in self._endpoint(self._current).snapshots.Save(snapshot_pb2.SaveRequest()):
                yield chunk.data
        except grpc.aio.AioRpcError as error:
            raise _error(error) from error

    # ---- which member, and how often

    def current(self) -> tuple[int, _Endpoint]:
        """The endpoint that answered last, connected; and its number for `leave`."""
        return self._current, self._endpoint(self._current)

    def leave(self, number: int) -> None:
        """This endpoint did not serve: the next call goes to the one after it."""
        if self._current == number:
            self._current = (number + 1) % len(self.endpoints)

    def _endpoint(self, number: int) -> _Endpoint:
        if number not in self._connected:
            self._connected[number] = _Endpoint(
                self.endpoints[number], self._credentials, encrypted=self._encrypted
            )
        return self._connected[number]

    async def _ask(
        self, endpoint: str, service: str, method: str, request: Any, timeout: float | None
    ) -> Any:
        stub = getattr(self._endpoint(self.endpoints.index(endpoint)), service)
        try:
            return await getattr(stub, method)(request, timeout=timeout or self.timeout)
        except grpc.aio.AioRpcError as error:
            raise _error(error) from error

    async def _call(
        self, service: str, method: str, request: Any, timeout: float | None = None, *, read: bool = False
    ) -> Any:
        # Who accepts old state accepts it from a member that has lost its leader, too.
        metadata = () if getattr(request, "serializable", False) else REQUIRE_LEADER

        async def once(endpoint: _Endpoint, seconds: float) -> Any:
            stub = getattr(getattr(endpoint, service), method)
            return await stub(request, timeout=seconds, metadata=metadata)

        return await self._attempts(once, timeout or self.timeout, read=read)

    def heard(self, number: int) -> AbstractAsyncContextManager[None]:
        """Inside, wait for an endpoint: TimeoutError when it is of no use and another one is."""
        return self._pulses[number].awaited() if len(self.endpoints) > 1 else nullcontext()

    async def _lives(self, number: int) -> bool:
        """True when an endpoint answers, whatever it answers but that it has no leader."""
        request = rpc_pb2.RangeRequest(key=b"\0", serializable=True, count_only=True)
        try:
            await self._endpoint(number).kv.Range(request, timeout=ANSWER_SECONDS, metadata=REQUIRE_LEADER)
        except grpc.aio.AioRpcError as error:
            return not _is_transient(error)
        return True

    async def _another_lives(self, silent: int) -> bool:
        """True as soon as an endpoint other than the silent one answers."""
        others = (number for number in range(len(self.endpoints)) if number != silent)
        asked = [asyncio.ensure_future(self._lives(number)) for number in others]
        try:
            for answer in asyncio.as_completed(asked):
                if await answer:
                    return True
            return False
        finally:
            for each in asked:
                each.cancel()

    async def _attempts(self, once: Any, timeout: float, *, read: bool) -> Any:
        now = asyncio.get_running_loop().time
        deadline = now() + timeout
        failures = 0
        while True:
            number, endpoint = self.current()
            left = max(deadline - now(), 0.001)
            # An early attempt is short, for the member may be paused; a late one may take what is left.
            seconds = min(left, READ_ATTEMPT_SECONDS * 2**failures) if read else left
            try:
                async with self.heard(number):
                    return await once(endpoint, seconds)
            except TimeoutError:
                self.leave(number)
                if not read:
                    raise Unavailable(
                        "UNAVAILABLE", f"{self.endpoints[number]} is silent or cut off"
                    ) from None
            except grpc.aio.AioRpcError as error:
                if not _is_transient(error):
                    raise _error(error) from error
                self.leave(number)
                if now() >= deadline or not (read or _surely_not_applied(error)):
                    raise _error(error) from error
            failures += 1
            if failures % len(self.endpoints) == 0:
                await asyncio.sleep(ROUND_PAUSE_SECONDS)


class Watcher:
    """One watch, as an async iterator of WatchResponses that have events or tell progress.

    A broken stream is opened again, at another member if need be, right after the last revision delivered, so
    that no event is lost or repeated. Iteration ends with `Compacted` when that revision is gone, or another
    ClientError when the store refuses the watch.
    """

    def __init__(
        self, client: Client, key: bytes, range_end: bytes, start_revision: int, options: dict[str, Any]
    ) -> None:
        self.next_revision = start_revision
        self._client = client
        self._create = {"key": key, "range_end": range_end, **options}
        self._call: Any = None
        self._endpoint = 0
        self._failures = 0
        self._progress_wanted = False
        self._writing = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return once the store has the watch: from here on no event is missed."""
        while self._call is None:
            await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> rpc_pb2.WatchResponse:
        while not self._closed:
            if self._call is None:
                await self._open()
                continue
            response = await self._read()
            if response is not None and self._accept(response):
                return response
        raise StopAsyncIteration

    async def request_progress(self) -> None:
        """Ask for a response that says up to which revision every event was delivered."""
        self._progress_wanted = True
        if self._call is not None:
            await self._write(rpc_pb2.WatchRequest(progress_request=rpc_pb2.WatchProgressRequest()))

    def close(self) -> None:
        """End the watch; a pending iteration stops."""
        self._closed = True
        self._drop()

    async def _open(self) -> None:
        self._endpoint, endpoint = self._client.current()
        self._call = endpoint.watch.Watch(metadata=REQUIRE_LEADER)
        create = rpc_pb2.WatchCreateRequest(start_revision=self.next_revision, **self._create)
        await self._write(rpc_pb2.WatchRequest(create_request=create))
        response = await self._read(self._client.timeout)
        if response is None:
            return
        if response.canceled:
            self._refused(response)
            return
        assert response.created, "the first answer on a watch stream tells of its creation"
        self._failures = 0
        if self.next_revision == 0:
            self.next_revision = response.header.revision + 1
        if self._progress_wanted:
            await self.request_progress()

    async def _read(self, timeout: float | None = None) -> rpc_pb2.WatchResponse | None:
        """The next response, or None after dropping a broken stream."""
        try:
            async with self._client.heard(self._endpoint):
                response = await asyncio.wait_for(self._call.read(), timeout)
        except TimeoutError:
            await self._retry_elsewhere()
            return None
        except asyncio.CancelledError:
            # Both ends look like this: our caller gave up (and the stream with him), or close() was called.
            self._drop()
            if not self._closed or _being_cancelled():
                raise
            return None
        except grpc.aio.AioRpcError as error:
            if self._closed:
                return None
            if error.code() not in {*TRANSIENT, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL}:
                raise _error(error) from error
            await self._retry_elsewhere()
            return None
        if response is END_OF_STREAM:
            await self._retry_elsewhere()
            return None
        return response

    async def _write(self, request: rpc_pb2.WatchRequest) -> None:
        async with self._writing:
            try:
                await self._call.write(request)
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                pass  # the reader meets the same end and opens the stream again

    async def _retry_elsewhere(self) -> None:
        self._drop()
        self._client.leave(self._endpoint)
        self._failures += 1
        if self._failures % len(self._client.endpoints) == 0:
            await asyncio.sleep(ROUND_PAUSE_SECONDS)

    def _drop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _accept(self, response: rpc_pb2.WatchResponse) -> bool:
        """Keep account of what was delivered; False for a response that is not for the user."""
        if response.canceled:
            self._refused(response)
            return False
        if response.created:
            return False
        if response.events:
            self.next_revision = max(self.next_revision, response.events[-1].kv.mod_revision + 1)
        else:
            self._progress_wanted = False
            self.next_revision = max(self.next_revision, response.header.revision + 1)
        return True

    def _refused(self, response: rpc_pb2.WatchResponse) -> None:
        self._drop()
        if response.compact_revision:
            raise Compacted(response.compact_revision)
        if response.cancel_reason != NO_LEADER:
            raise ClientError("CANCELLED", response.cancel_reason)
        self._client.leave(self._endpoint)
