"""Core: a CertificateSigningRequest's row.

After: k8s pkg/printers/internalversion/printers.go, printCertificateSigningRequest.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from apiserver.printers.cells import age_of
from kube.api import meta
from kube.api.meta import Object
from kube.api.table import AGE, NAME, NONE, Column, human_duration

COLUMNS = (
    NAME,
    AGE,
    Column("SignerName", description="Who is to sign."),
    Column("Requestor", description="Who asked."),
    Column("RequestedDuration", description="How long it shall be valid."),
    Column("Condition", description="How far the request has come."),
)


def row(o: Object, now: datetime) -> list[Any]:
    """The cells of one object."""
    seconds = meta.get(o, "spec", "expirationSeconds")
    return [
        meta.name(o),
        age_of(o, now),
        meta.get(o, "spec", "signerName") or NONE,
        meta.get(o, "spec", "username", default=""),
        human_duration(timedelta(seconds=seconds)) if seconds else NONE,
        condition(o),
    ]


def condition(o: Object) -> str:
    """Approved, Denied, Failed and Issued, or Pending."""
    types = [each.get("type") for each in meta.get(o, "status", "conditions", default=[])]
    words = ["Denied"] if "Denied" in types else ["Approved"] if "Approved" in types else ["Pending"]
    if "Failed" in types:
        words.append("Failed")
    if meta.get(o, "status", "certificate"):
        words.append("Issued")
    return ",".join(words)
