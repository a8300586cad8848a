"""Core: a PriorityLevelConfiguration's row.

After: k8s pkg/printers/internalversion/printers.go, printPriorityLevelConfiguration.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, Column

NONE = "<none>"
COLUMNS = (
    NAME,
    Column("Type", description="Exempt or Limited."),
    Column("NominalConcurrencyShares", description="Its part of what may be done at once."),
    Column("Queues", description="How many queues it has."),
    Column("HandSize", description="How many of them a flow may use."),
    Column("QueueLengthLimit", description="How many requests may wait in each."),
    AGE,
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    limited = meta.get(o, "spec", "limited", default={})
    exempt = meta.get(o, "spec", "exempt", default={})
    queuing = meta.get(limited, "limitResponse", "queuing", default={})
    shares = limited.get("nominalConcurrencyShares", exempt.get("nominalConcurrencyShares", NONE))
    queues = [queuing.get(part, NONE) for part in ("queues", "handSize", "queueLengthLimit")]
    return [meta.name(o), meta.get(o, "spec", "type", default=""), shares, *queues, age_of(o, now)]
