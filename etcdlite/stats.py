"""Core: what is counted while a member works, and how it is written down for Prometheus.

A histogram is a list of counts, so that counting costs less than what is counted; names and words come in
only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

DISK_BOUNDS = tuple(0.001 * 2**n for n in range(14))  # seconds, etcd's
CALL_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds, go-grpc-prometheus's
DEFRAG_BOUNDS = tuple(0.1 * 2**n for n in range(13))
Labels = Mapping[str, str]
NO_LABELS: Labels = {}


class Histogram:
    """How often a value fell between two bounds."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


def family(name: str, kind: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """A gauge or counter with its samples."""
    lines = [f"# TYPE {name} {kind}"]
    lines += [_line(name, labels, value) for labels, value in samples]
    return "\n".join(lines) + "\n"


def histograms(name: str, samples: Iterable[tuple[Labels, Histogram]]) -> str:
    """A histogram with its buckets, each counting all below its bound."""
    lines = [f"# TYPE {name} histogram"]
    for labels, histogram in samples:
        count = 0
        for bound, more in zip((*map(repr, histogram.bounds), "+Inf"), histogram.counts):
            count += more
            lines.append(_line(f"{name}_bucket", {**labels, "le": bound}, count))
        lines += [_line(f"{name}_sum", labels, histogram.sum), _line(f"{name}_count", labels, count)]
    return "\n".join(lines) + "\n"


def _line(name: str, labels: Labels, value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inner}}} {value}" if inner else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
