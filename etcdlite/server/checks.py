"""Shell: whether a member is well: /health as every etcd has it, /livez and /readyz as etcd since 3.5.11.

    /health   alarms (but those in ?exclude=), a leader, a read; ?serializable=true: this member alone
    /livez    may it go on, or should it be started again?   CHECKS["livez"]
    /readyz   should it be asked at all?                      CHECKS["readyz"]

Each has a path of its own (/readyz/linearizable_read); ?exclude=NAME leaves one out, ?verbose tells all.

After: etcd server/etcdserver/api/etcdhttp/health.go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etcdlite.commands import AlarmType
from etcdlite.errors import StoreError
from etcdlite.node import Node

CHECKS: dict[str, tuple[str, ...]] = {
    "livez": ("serializable_read",),
    "readyz": ("data_corruption", "linearizable_read", "non_learner", "serializable_read"),
}
Query = Mapping[str, Sequence[str]]


class Checks:
    """The checks of a member, and how they went so far."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.healthy_count = 0
        self.unhealthy_count = 0
        self.outcomes: Counter[tuple[str, str, str]] = Counter()  # kind, name, success or error
        self.newest: dict[tuple[str, str], bool] = {}

    async def health(self, query: Query) -> str:
        """Why /health says false; "" if it says true."""
        is_own = query.get("serializable", [""])[0] == "true"
        problem = await self._problem(set(query.get("exclude", ())), is_own)
        self.healthy_count += not problem
        self.unhealthy_count += bool(problem)
        return problem

    async def _problem(self, excluded: set[str], is_own: bool) -> str:
        for alarm in sorted(self._node.applier.alarms, key=lambda alarm: alarm.alarm):
            if alarm.alarm.name not in excluded:
                return f"ALARM {alarm.alarm.name}"
        if is_own:
            return ""
        if not self._node.leader_id:
            return "RAFT NO LEADER"
        problem = await self._linearizable_read()
        return f"RANGE ERROR:{problem}" if problem else ""

    async def run(self, kind: str, wanted: str, query: Query) -> tuple[bool, str] | None:
        """Whether all is well, and the text for it; None if there is no such check."""
        names = [wanted] if wanted else list(CHECKS[kind])
        if wanted and wanted not in CHECKS[kind]:
            return None
        excluded = set(query.get("exclude", ()))
        problems = {name: await self._check(kind, name) for name in names if wanted or name not in excluded}
        lines = [f"[-]{name} failed: {why}\n" if why else f"[+]{name} ok\n" for name, why in problems.items()]
        if any(problems.values()):
            return False, "".join(lines)
        return True, "".join(lines if "verbose" in query else ()) + "ok\n"

    async def _check(self, kind: str, name: str) -> str:
        problem = await getattr(self, f"_{name}")()
        self.newest[kind, name] = not problem
        self.outcomes[kind, name, "error" if problem else "success"] += 1
        return str(problem)

    async def _data_corruption(self) -> str:
        is_corrupt = any(alarm.alarm is AlarmType.CORRUPT for alarm in self._node.applier.alarms)
        return "alarm activated: CORRUPT" if is_corrupt else ""

    async def _non_learner(self) -> str:
        is_learner = self._node.member_id in self._node.members.conf_state.learners
        return "the member is a learner" if is_learner else ""

    async def _serializable_read(self) -> str:
        store = self._node.store
        next(store.index.range(b"\0", b"\0", store.revision), None)
        return ""

    async def _linearizable_read(self) -> str:
        try:
            await self._node.linearizable_read()
        except StoreError as error:
            return str(error)
        return ""

    def samples(self) -> dict[str, Any]:
        """For /metrics: the newest outcome of each check, and how many of each there were."""
        return {
            "newest": [({"type": kind, "name": name}, int(ok)) for (kind, name), ok in self.newest.items()],
            "outcomes": [
                ({"type": kind, "name": name, "status": status}, count)
                for (kind, name, status), count in self.outcomes.items()
            ],
        }
