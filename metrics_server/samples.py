"""Core: reads what a kubelet answers to /metrics/resource.

After: metrics-server pkg/scraper/client/resource/decode.go
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

SAMPLE = re.compile(r"^((?:node|container)_[a-z_]+)(?:\{([^}]*)\})? (\S+)(?: (\d+))?$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')
CPU, MEMORY, STARTED = "cpu_usage_seconds_total", "memory_working_set_bytes", "start_time_seconds"

# Namespace, pod, container.
Key = tuple[str, str, str]


@dataclass(slots=True)
class Sample:
    """One counter of processor seconds at a time (seconds since 1970), memory then, and the start."""

    at: Fraction | None = None
    cpu: Fraction | None = None
    memory: int | None = None
    started: Fraction | None = None


@dataclass(slots=True)
class Reading:
    """One answer: the node's own sample, and one for each container."""

    node: Sample = field(default_factory=Sample)
    containers: dict[Key, Sample] = field(default_factory=dict)


def parse(text: str) -> Reading:
    """The samples in a kubelet's answer; ValueError for a number that is none."""
    reading = Reading()
    for name, labels, value, at in SAMPLE.findall(text):
        family, _, what = name.partition("_")
        sample = reading.node if family == "node" else _sample_of(reading, labels)
        _note(sample, what, value, at)
    return reading


def _sample_of(reading: Reading, labels: str) -> Sample:
    found = dict(LABEL.findall(labels))
    key = found.get("namespace", ""), found.get("pod", ""), found.get("container", "")
    return reading.containers.setdefault(key, Sample())


def _note(sample: Sample, what: str, value: str, at: str) -> None:
    if what == CPU:
        sample.cpu = Fraction(value)
        sample.at = Fraction(int(at), 1000) if at else None
    elif what == MEMORY:
        sample.memory = int(float(value))
    elif what == STARTED:
        sample.started = Fraction(value)
