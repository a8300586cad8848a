"""Core: how a pretended container resolves names, by the servers of its resolv.conf; and nslookup.

    web --search, ndots--> web.default.svc.cluster.local, ..., web --Resolve--> 127.96.0.20

After: resolv.conf(5).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from kubelet.runtime.programs.process import Process, Request, Resolve, Running, Write, complain

NDOTS = 1


def address_of(process: Process, host: str) -> Generator[Request, Any, str]:
    """The address of a host; empty where nobody knows it."""
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        pass
    if host in ("localhost", process.surroundings.hostname):
        return process.surroundings.ip
    found = yield Resolve(*asked(_text(process, "/etc/resolv.conf"), host))
    return found[1][0] if found else ""


def asked(resolv_conf: str, host: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which servers are asked, and for which names, the next where there is none of the one before."""
    servers: list[str] = []
    searches: list[str] = []
    ndots = NDOTS
    for line in resolv_conf.splitlines():
        match line.split():
            case ["nameserver", server, *_]:
                servers.append(server)
            case ["search", *domains]:
                searches = domains
            case ["options", *options]:
                told = [each.partition(":")[2] for each in options if each.startswith("ndots:")]
                ndots = int(told[-1]) if told and told[-1].isdecimal() else ndots
    if host.endswith("."):
        return tuple(servers), (host.rstrip("."),)
    longer = [f"{host}.{domain}" for domain in searches]
    names = [host, *longer] if host.count(".") >= ndots else [*longer, host]
    return tuple(servers), tuple(names)


def nslookup(process: Process, words: Sequence[str]) -> Running:
    """`nslookup NAME`."""
    if len(words) != 1:
        yield complain("Usage: nslookup NAME\n")
        return 1
    servers, names = asked(_text(process, "/etc/resolv.conf"), words[0])
    if not servers:
        yield complain("nslookup: /etc/resolv.conf names no server\n")
        return 1
    yield Write(f"Server:\t\t{servers[0]}\nAddress:\t{servers[0]}:53\n\n".encode())
    found = yield Resolve(servers, names)
    if found is None:
        yield complain(f"** server can't find {words[0]}: NXDOMAIN\n")
        return 1
    name, addresses = found
    yield Write("".join(f"Name:\t{name}\nAddress: {each}\n" for each in addresses).encode())
    return 0


def _text(process: Process, path: str) -> str:
    files = process.surroundings.files
    return files.read(path).decode(errors="replace") if files.exists(path) else ""
