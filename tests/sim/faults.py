"""What goes wrong in one run, drawn from its seed: some runs have slow disks, others only a bad network."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Faults:
    """Chances are per message or per tick; 0 means that this run is spared."""

    size: int
    loss: float
    duplication: float
    delay_max: int
    crash: float
    restart: float
    power_loss: float
    pause: float
    pause_ticks_max: int
    partition: float
    heal: float
    slow_disk: float
    slow_disk_ticks_max: int
    disk_error: float
    disk_errors_max: int
    clock_skew: float
    clock_jump: float
    clock_jump_ticks_max: int
    stream_closed: float
    transfer: float
    conf_change: float
    checkpoint: float
    snapshot_count: int
    catch_up_entries: int
    pre_vote: bool
    max_inflight: int
    max_size: int
    client_count: int
    client_pause_max: int
    lost_answer: float
    watch_count: int
    watch_pause_max: int
    watch_broken: float


def draw(random: Random) -> Faults:
    """A swarm: each kind of fault is in about half of the runs, so that none hides another for ever."""

    def sometimes(*values: float) -> float:
        return random.choice((0.0, *values))

    return Faults(
        size=random.choice((1, 2, 3, 3, 3, 5)),
        loss=sometimes(0.01, 0.1, 0.3),
        duplication=sometimes(0.02, 0.2),
        delay_max=random.choice((1, 2, 5, 15)),
        crash=sometimes(0.002, 0.01),
        restart=random.choice((0.02, 0.1, 0.5)),
        power_loss=sometimes(0.003, 0.01),
        pause=sometimes(0.002, 0.01),
        pause_ticks_max=random.choice((5, 40, 80)),
        partition=sometimes(0.003, 0.01),
        heal=random.choice((0.01, 0.05)),
        slow_disk=sometimes(0.05, 0.5),
        slow_disk_ticks_max=random.choice((1, 4, 12)),
        disk_error=sometimes(0.002, 0.01),
        disk_errors_max=random.choice((1, 3, 1000)),
        clock_skew=sometimes(0.05, 0.3),
        clock_jump=sometimes(0.0, 0.005),
        clock_jump_ticks_max=random.choice((20, 200)),
        stream_closed=sometimes(0.5, 1.0),
        transfer=sometimes(0.005),
        conf_change=sometimes(0.01, 0.03),
        checkpoint=random.choice((0.02, 0.3)),
        snapshot_count=random.choice((5, 30, 10_000)),
        catch_up_entries=random.choice((0, 3, 50)),
        pre_vote=random.random() < 0.8,
        max_inflight=random.choice((1, 3, 256)),
        max_size=random.choice((1, 200, 1 << 20)),
        client_count=random.choice((1, 3, 6)),
        client_pause_max=random.choice((0, 3, 10)),
        lost_answer=sometimes(0.02),
        watch_count=random.choice((1, 2, 4)),
        watch_pause_max=random.choice((0, 5, 60)),
        watch_broken=sometimes(0.002, 0.01),
    )
