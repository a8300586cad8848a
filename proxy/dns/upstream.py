"""Shell: asks the machine's own name servers about names that are not the cluster's.

Each question goes under a number of its own, too, so that nobody can answer it by guessing. The servers are
asked in turn until one answers. A machine that moves to another network gets another resolv.conf, which is
looked at anew when it has changed.

After: RFC 5452, CoreDNS plugin/forward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random

from kube.base.dns_question import PORT, Server, by_tcp, by_udp
from kube.base.logs import logger

log = logger(__name__)

SECONDS = 2.0
IN_FLIGHT_MAX = 1000


class Busy(Exception):
    """Too much is asked already."""


class Upstream:
    """Whoever `servers` names at the moment."""

    def __init__(self, servers: Callable[[], Sequence[Server]], chance: Random) -> None:
        self._servers, self._chance = servers, chance
        self._in_flight = 0

    async def ask(self, query: bytes, *, is_udp: bool) -> bytes | None:
        """The first server's answer to the query, under its number; None if none answers. Raises Busy."""
        if self._in_flight >= IN_FLIGHT_MAX:
            raise Busy
        self._in_flight += 1
        try:
            number = self._chance.randrange(1 << 16).to_bytes(2, "big")
            for server in self._servers():
                with suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                    async with asyncio.timeout(SECONDS):
                        answer = await (by_udp if is_udp else by_tcp)(server, number + query[2:])
                    return query[:2] + answer[2:]
            return None
        finally:
            self._in_flight -= 1


class ResolvConf:
    """A file's name servers, but for `own` addresses; raises OSError when it cannot be read at first."""

    def __init__(self, path: Path, own: Sequence[str]) -> None:
        self._path, self._own = path, own
        self._changed_at = path.stat().st_mtime_ns
        self._servers = servers_of(path.read_text(), own)

    def servers(self) -> Sequence[Server]:
        """Those of now; of before, while the file is not there."""
        try:
            changed_at = self._path.stat().st_mtime_ns
            if changed_at != self._changed_at:
                self._servers = servers_of(self._path.read_text(), self._own)
                self._changed_at = changed_at
                log.info("asks other name servers", servers=len(self._servers), file=self._path)
        except (OSError, UnicodeDecodeError) as error:
            log.warning("asks the same name servers", file=self._path, why=error)
        return self._servers


def servers_of(text: str, own: Sequence[str]) -> list[Server]:
    """The name servers that a resolv.conf names, but for ourselves."""
    lines = (line.split() for line in text.splitlines())
    named = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"]
    return [(each, PORT) for each in named if each not in own]
