"""The vocabulary of the text tests in testdata/.

add-members N [learners=] [option=value]   members with these settings (a second call: not yet in the cluster)
campaign ID; propose ID TEXT; read-index ID TEXT; transfer-leader ID TO; conf-change ID add=|remove=|learner=
tick N [ID]; run N           time passes: nothing is delivered; everything is
deliver [drop=TYPE|A->B]     what is on the wire now; stabilize [hold=TYPE]: until it is quiet
partition 1,2 3; heal; cut 1->2; crash ID; restart ID; stall ID; resume ID; stream-closed ID LEADER
compact ID [keep=]; unreachable ID PEER; snapshot-status ID PEER ok|failed
status; raft-log ID; values; wire
The option `quiet` hides what happened; `roles` shows only who became what.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from etcdlite.raft.messages import ConfChange, ConfChangeType
from etcdlite.raft.raw_node import ProposalDropped
from tests import datadriven
from tests.etcdlite.raft.network import Network, show_entry, show_message

TESTDATA = Path(__file__).parent / "testdata"
OPTIONS: dict[str, Any] = {
    "pre-vote": ("pre_vote", lambda text: text == "true"),
    "check-quorum": ("check_quorum", lambda text: text == "true"),
    "max-inflight": ("max_inflight_messages", int),
    "max-inflight-bytes": ("max_inflight_bytes", int),
    "max-size": ("max_size_per_message", int),
    "max-uncommitted": ("max_uncommitted_bytes", int),
    "takeover": ("takeover_ticks", int),
}
CHANGES = {
    "add": ConfChangeType.ADD_MEMBER,
    "remove": ConfChangeType.REMOVE_MEMBER,
    "learner": ConfChangeType.ADD_LEARNER,
}


class Interpreter:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.network = Network(self.lines.append)

    def handle(self, case: datadriven.Case) -> str:
        self.lines.clear()
        try:
            command = getattr(self, "do_" + case.command.replace("-", "_"))
            command(case, *[int(a) if a.isdigit() else a for a in case.args if a not in ("quiet", "roles")])
        except ProposalDropped as refusal:
            self.lines.append(f"dropped: {refusal}")
        self.network.process()
        if "quiet" in case.args:
            return "ok"
        if "roles" in case.args:
            return "\n".join(line for line in self.lines if " is " in line) or "ok"
        return "\n".join(self.lines) or "ok"

    def do_add_members(self, case: datadriven.Case, count: int) -> None:
        options = {OPTIONS[k][0]: OPTIONS[k][1](v) for k, v in case.options.items() if k in OPTIONS}
        self.network.add(count, int(case.option("learners", "0")), **options)

    def do_campaign(self, case: datadriven.Case, member: int) -> None:
        self.network[member].campaign()

    def do_propose(self, case: datadriven.Case, member: int, text: str) -> None:
        self.network.propose(member, str(text))

    def do_read_index(self, case: datadriven.Case, member: int, text: str) -> None:
        if not self.network[member].read_index(str(text).encode()):
            self.lines.append("dropped: no leader")

    def do_transfer_leader(self, case: datadriven.Case, member: int, to: int) -> None:
        self.network[member].transfer_leader(to)

    def do_conf_change(self, case: datadriven.Case, member: int) -> None:
        [(kind, target)] = case.options.items()
        self.network[member].propose_conf_change(ConfChange(CHANGES[kind], int(target)))

    def do_tick(self, case: datadriven.Case, count: int, member: int = 0) -> None:
        self.network.tick(count, member)

    def do_run(self, case: datadriven.Case, count: int) -> None:
        self.network.run(count)

    def do_deliver(self, case: datadriven.Case) -> None:
        self.network.deliver(self._lost(case))

    def do_stabilize(self, case: datadriven.Case) -> None:
        """With hold=TYPE, messages of that type already on the wire stay there."""
        wire, hold = self.network.wire, case.option("hold", "")
        self.network.wire = [m for m in wire if m.type.name != hold]
        self.network.stabilize(self._lost(case))
        self.network.wire = [m for m in wire if m.type.name == hold]

    def _lost(self, case: datadriven.Case) -> Any:
        drop = case.option("drop", "").split(",")
        return lambda m: m.type.name in drop or f"{m.from_}->{m.to}" in drop

    def do_partition(self, case: datadriven.Case, *groups: Any) -> None:
        self.network.partition(*({int(i) for i in str(group).split(",")} for group in groups))

    def do_heal(self, case: datadriven.Case) -> None:
        self.network.heal()

    def do_cut(self, case: datadriven.Case, *links: str) -> None:
        for link in links:
            source, to = link.split("->")
            self.network.cut.add((int(source), int(to)))

    def do_crash(self, case: datadriven.Case, member: int) -> None:
        self.network.crash(member)

    def do_restart(self, case: datadriven.Case, member: int) -> None:
        self.network.members[member].start()

    def do_stall(self, case: datadriven.Case, member: int) -> None:
        self.network.members[member].is_stalled = True

    def do_resume(self, case: datadriven.Case, member: int) -> None:
        self.network.members[member].is_stalled = False

    def do_stream_closed(self, case: datadriven.Case, member: int, leader: int) -> None:
        self.network[member].leader_stream_closed(leader)

    def do_compact(self, case: datadriven.Case, member: int) -> None:
        self.network.compact(member, int(case.option("keep", "0")))

    def do_unreachable(self, case: datadriven.Case, member: int, peer: int) -> None:
        self.network[member].report_unreachable(peer)

    def do_snapshot_status(self, case: datadriven.Case, member: int, peer: int, how: str) -> None:
        self.network[member].report_snapshot(peer, how == "ok")

    def do_status(self, case: datadriven.Case) -> None:
        for member in self.network.members.values():
            s = member.status
            if not member.is_up:
                self.lines.append(f"{s.id} down")
                continue
            self.lines.append(
                f"{s.id} {s.role.name.lower()} term={s.term} vote={s.vote} leader={s.leader} "
                f"commit={s.commit} applied={s.applied}"
            )
            for peer, p in s.progress.items():
                if peer != s.id:
                    marks = (" waiting" if p.is_waiting else "") + (" learner" if p.is_learner else "")
                    inflight = f" inflight={list(p.inflight)}" if p.inflight else ""
                    indexes = f"match={p.match_index} next={p.next_index}"
                    self.lines.append(f"    {peer} {p.state.name.lower()} {indexes}{inflight}{marks}")

    def do_raft_log(self, case: datadriven.Case, member: int) -> None:
        storage = self.network.members[member].storage
        first, last = storage.first_index(), storage.last_index()
        if first > 1:
            self.lines.append(f"(compacted to {first - 1}/{storage.term(first - 1)})")
        self.lines.extend(map(show_entry, storage.entries(first, last + 1, 2**60)))

    def do_values(self, case: datadriven.Case) -> None:
        for member in self.network.members.values():
            self.lines.append(f"{member.id}: {' '.join(member.values)}".rstrip())

    def do_wire(self, case: datadriven.Case) -> None:
        self.lines.extend(show_message(m) for m in self.network.wire)


@pytest.mark.parametrize("path", sorted(TESTDATA.glob("*.txt")), ids=lambda path: path.stem)
def test_text(path: Path, request: pytest.FixtureRequest) -> None:
    datadriven.run(path, request, Interpreter().handle)
