"""How much of a second does Raft itself cost? Three members in one process, no disk, no network.

`.venv/bin/python -m benchmarks.raft_core [SECONDS]` prints proposals committed everywhere (one a round, and a
hundred a round as under load) and idle ticks of the whole cluster, each a second of processor time.
"""

from __future__ import annotations

import sys
from random import Random
from time import process_time

from etcdlite.raft.messages import ConfState
from etcdlite.raft.raw_node import Config, RawNode
from etcdlite.raft.storage import MemoryStorage

IDS = (1, 2, 3)
VALUE = b"x" * 256


class Cluster:
    def __init__(self) -> None:
        self.storages = {i: MemoryStorage(ConfState(IDS)) for i in IDS}
        self.nodes = {i: RawNode(self._config(i)) for i in IDS}
        self.applied = dict.fromkeys(IDS, 0)
        self.nodes[1].campaign()
        self.pump()

    def _config(self, member_id: int) -> Config:
        storage = self.storages[member_id]
        return Config(
            id=member_id, election_ticks=10, heartbeat_ticks=1, storage=storage, random=Random(member_id)
        )

    def pump(self) -> None:
        """Save, send, apply until nobody has anything left to do."""
        while any(node.has_ready() for node in self.nodes.values()):
            for member_id, node in self.nodes.items():
                if node.has_ready():
                    ready = node.ready()
                    if ready.hard_state:
                        self.storages[member_id].set_hard_state(ready.hard_state)
                    self.storages[member_id].append(ready.entries)
                    self.applied[member_id] += len(ready.committed_entries)
                    node.advance(ready)
                    for message in ready.messages:
                        self.nodes[message.to].step(message)

    def compact(self) -> None:
        for member_id, storage in self.storages.items():
            storage.create_snapshot(self.nodes[member_id].status().applied, ConfState(IDS))
            storage.compact(storage.snapshot().metadata.index)


def proposals_a_second(seconds: float, batch: int) -> float:
    cluster, start, rounds = Cluster(), process_time(), 0
    before = min(cluster.applied.values())
    while process_time() - start < seconds:
        cluster.nodes[1].propose_all([VALUE] * batch)
        cluster.pump()
        rounds += 1
        if rounds * batch % 10_000 == 0:
            cluster.compact()
    return (min(cluster.applied.values()) - before) / (process_time() - start)


def ticks_a_second(seconds: float) -> float:
    cluster, start, ticks = Cluster(), process_time(), 0
    while process_time() - start < seconds:
        for node in cluster.nodes.values():
            node.tick()
        cluster.pump()
        ticks += 1
    return ticks / (process_time() - start)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print(f"proposals, one a round      {proposals_a_second(seconds, 1):10,.0f} a second")
    print(f"proposals, hundred a round  {proposals_a_second(seconds, 100):10,.0f} a second")
    print(f"ticks with heartbeats       {ticks_a_second(seconds):10,.0f} a second")


if __name__ == "__main__":
    main()
