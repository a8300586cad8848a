"""Shell: the flags of auditing, and what they build.

After: k8s staging/src/k8s.io/apiserver/pkg/server/options/audit.go
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from apiserver import codec
from apiserver.audit.auditor import AuditMetrics, Auditor
from apiserver.audit.log import AuditLog, Mode
from apiserver.audit.policy import Policy
from apiserver.audit.policy_file import PolicyError, read
from apiserver.audit.rotation import Output, RotatingFile, StandardOutput
from kube.api.errors import StatusError
from kube.base.clock import Clock
from kube.base.logs import logger
from kube.base.startup import StartupError

log = logger(__name__)

MEGABYTES_DEFAULT = 100
STANDARD_OUTPUT = "-"

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class AuditFlags:
    """What the command line says of auditing."""

    audit_policy_file: str = ""
    audit_log_path: str = ""
    audit_log_mode: str = Mode.BLOCKING.value
    audit_log_format: str = "json"
    audit_log_maxsize: int = MEGABYTES_DEFAULT
    audit_log_maxbackup: int = 0
    audit_log_maxage: int = 0


OPTIONS = (
    click.option("--audit-policy-file", default="", help="Policy that says what is audited; none: nothing."),
    click.option(
        "--audit-log-path", default="", help="File of this server alone that gets the events; `-`: stdout."
    ),
    click.option(
        "--audit-log-mode",
        default=Mode.BLOCKING.value,
        type=click.Choice([mode.value for mode in Mode]),
        help="Whether a request waits until its events are written, and fails where the first cannot be.",
    ),
    click.option(
        "--audit-log-format", default="json", type=click.Choice(["json"]), help="How an event is written."
    ),
    click.option(
        "--audit-log-maxsize",
        default=MEGABYTES_DEFAULT,
        type=click.IntRange(0),
        help=f"Megabytes after which the file is put aside; 0: {MEGABYTES_DEFAULT}.",
    ),
    click.option(
        "--audit-log-maxbackup",
        default=0,
        type=click.IntRange(0),
        help="How many files put aside are kept; 0: all.",
    ),
    click.option(
        "--audit-log-maxage",
        default=0,
        type=click.IntRange(0),
        help="How many days they are kept; 0: for ever.",
    ),
)


def audit_options(command: Command) -> Command:
    """The flags of AuditFlags, for a command."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def open_auditor(flags: AuditFlags, clock: Clock) -> Auditor | None:
    """What audits, if anything is to be audited; StartupError names the flag that is wrong."""
    policy = load_policy(Path(flags.audit_policy_file)) if flags.audit_policy_file else None
    if policy is None or not flags.audit_log_path:
        if policy is not None or flags.audit_log_path:
            log.warning("nothing is audited: that takes --audit-policy-file and --audit-log-path")
        return None
    metrics = AuditMetrics()
    audit_log = AuditLog(_output(flags, clock), Mode(flags.audit_log_mode), metrics.errors)
    return Auditor(policy, audit_log, clock, metrics)


def load_policy(path: Path) -> Policy:
    """The policy in a file."""
    flag = f"--audit-policy-file {path}"
    try:
        document, twice = codec.read_yaml(path.read_bytes(), "Policy")
        policy, unknown = read(document)
    except OSError as error:
        raise StartupError(f"{flag}: {error.strerror}") from error
    except StatusError as error:
        why = " ".join(error.message.rpartition("yaml parse error: ")[2].split())
        raise StartupError(f"{flag}: it is no YAML: {why}") from error
    except PolicyError as error:
        raise StartupError(f"{flag}: {error}") from error
    for what in (*twice, *unknown):
        log.warning("the audit policy has a mistake, which is left aside", path=path, mistake=what)
    return policy


def _output(flags: AuditFlags, clock: Clock) -> Output:
    if flags.audit_log_path == STANDARD_OUTPUT:
        return StandardOutput()
    size = (flags.audit_log_maxsize or MEGABYTES_DEFAULT) << 20
    path = Path(flags.audit_log_path)
    return RotatingFile(path, clock, size, flags.audit_log_maxbackup, flags.audit_log_maxage)
