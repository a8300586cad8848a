"""Shell: the store's members as they say themselves, and the links between them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from deploy.errors import LaunchError
from deploy.layout import Layout, local_url
from deploy.processes import etcd_client_urls
from deploy.topology import Topology
from etcdlite.client import Client, ClientError

MEMBER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Member:
    """One member; `commit` and `applied` are indexes of Raft's log, `cut` names whom it does not hear."""

    name: str
    endpoint: str
    role: str
    term: int
    commit: int
    applied: int
    size_bytes: int
    cut: tuple[str, ...] = ()


def client(topology: Topology, layout: Layout) -> Client:
    """A client of all members, as the operator."""
    return Client(
        etcd_client_urls(topology, layout),
        ca=str(layout.cert("etcd-ca")),
        cert=str(layout.cert("etcd-client")),
        key=str(layout.key("etcd-client")),
        timeout=MEMBER_SECONDS,
    )


def names(topology: Topology) -> list[str]:
    """The members' names, in the order of their ports."""
    return [f"etcd-{index}" for index in range(topology.etcd)]


async def observe(topology: Topology, layout: Layout) -> list[Member | None]:
    """Every member in the order of their ports; None for one that does not answer."""
    async with client(topology, layout) as store:
        known = {id: name for name, id in (await _ids(store)).items()}
        tasks = (
            _observe_one(store, name, layout.etcd_client_port(i), known)
            for i, name in enumerate(names(topology))
        )
        return await asyncio.gather(*tasks)


async def leader(topology: Topology, layout: Layout) -> str:
    """The name of the member that leads."""
    for member in await observe(topology, layout):
        if member is not None and member.role == "leader":
            return member.name
    raise LaunchError("no member of the store leads now: see kl cluster status")


async def partition(
    topology: Topology, layout: Layout, sides: tuple[Sequence[str], Sequence[str]]
) -> list[str]:
    """Cut the links between the members of two sides, at both ends; who could not be told is returned."""
    left, right = (_checked(side, topology) for side in sides)
    if both := sorted(set(left) & set(right)):
        raise LaunchError(f"{', '.join(both)}: stands on both sides")
    deaf = []
    async with client(topology, layout) as store:
        ids = await _ids(store)
        if unknown := [name for name in (*left, *right) if name not in ids]:
            raise LaunchError(f"the store does not answer who {', '.join(unknown)} is: see kl cluster status")
        for here, there in ((left, right), (right, left)):
            for name in here:
                try:
                    await store.cut_links(_endpoint(layout, name), [ids[other] for other in there])
                except ClientError:
                    deaf.append(name)
    return deaf


async def heal(topology: Topology, layout: Layout) -> list[str]:
    """Let all members hear one another again; who could not be told is returned."""
    deaf = []
    async with client(topology, layout) as store:
        for name in names(topology):
            try:
                await store.heal_links(_endpoint(layout, name))
            except ClientError:
                deaf.append(name)
    return deaf


async def _observe_one(store: Client, name: str, port: int, known: dict[int, str]) -> Member | None:
    endpoint = local_url(port)
    try:
        status = await store.status(endpoint)
        cut = await _cut_links(store, endpoint)
    except ClientError:
        return None
    role = "leader" if status.leader == status.header.member_id else "follower"
    return Member(
        name=name,
        endpoint=endpoint,
        role=role if status.leader else "leaderless",
        term=status.raftTerm,
        commit=status.raftIndex,
        applied=status.raftAppliedIndex,
        size_bytes=status.dbSize,
        cut=tuple(sorted(known.get(member, f"{member:x}") for member in cut)),
    )


async def _cut_links(store: Client, endpoint: str) -> list[int]:
    """Whom a member does not hear; none, where it is an etcd that cannot be told to."""
    try:
        return await store.list_cut_links(endpoint)
    except ClientError as error:
        if error.code != "UNIMPLEMENTED":
            raise
        return []


async def _ids(store: Client) -> dict[str, int]:
    """Members' ids by name, as whoever answers knows them; a member that never started has no name yet."""
    try:
        answer = await store.member_list(linearizable=False)
    except ClientError:
        return {}
    return {member.name: member.ID for member in answer.members if member.name}


def _checked(side: Sequence[str], topology: Topology) -> Sequence[str]:
    if unknown := [name for name in side if name not in names(topology)]:
        raise LaunchError(
            f"{', '.join(unknown)}: only links between members of the store can be cut, "
            f"which are {', '.join(names(topology))}"
        )
    return side


def _endpoint(layout: Layout, name: str) -> str:
    return local_url(layout.etcd_client_port(int(name.removeprefix("etcd-"))))
