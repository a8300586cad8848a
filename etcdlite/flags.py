"""Shell: the flags of a member, as one table, and where their values come from.

    --config-file given:   the file, and nothing else     (as etcd has it)
    otherwise:             the flag, else ETCD_<FLAG> of the environment, else the default

Names, values and units are etcd's. What etcd has and this store does not is refused with the reason, unless
the value asks for what the store does anyway: nothing is accepted and ignored.

After: etcd server/etcdmain/help.go and config.go.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from etcdlite import config_file
from etcdlite.errors import StartupError
from etcdlite.version import VERSION

DURATION_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+|0")


class Duration(click.ParamType[float]):
    """Seconds, written as Go does: 1h30m, 500ms; a bare number in a file is nanoseconds, as there."""

    name = "duration"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        if isinstance(value, int):
            return value / 1e9
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Urls(click.ParamType[Sequence[str]]):
    """URLs, by comma."""

    name = "urls"

    def convert(self, value: Any, param: Any, ctx: Any) -> Sequence[str]:
        return [url.strip() for url in value.split(",") if url.strip()] if isinstance(value, str) else value


def parse_duration(text: str) -> float:
    """Seconds; ValueError says what is expected."""
    if not DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration such as 10s, 5m or 1h30m")
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    return sum(float(number) * DURATION_UNITS[unit] for number, unit in parts)


def parse_cluster(text: str) -> dict[str, list[str]]:
    """Names and peer URLs of --initial-cluster; a name may come several times."""
    cluster: dict[str, list[str]] = {}
    for part in text.split(","):
        name, equals, url = part.strip().partition("=")
        if not (name and equals and urlsplit(url).port):
            raise StartupError(f"--initial-cluster: {part!r} is not name=scheme://host:port")
        cluster.setdefault(name, []).append(url)
    return cluster


DURATIONS, URLS, COUNT, POSITIVE = Duration(), Urls(), click.IntRange(min=0), click.IntRange(min=1)


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; a bool is a switch that may be given a value, too."""

    name: str
    kind: Any
    default: Any
    help: str = ""
    alias: str = ""


MEMBER = (
    Flag("name", str, "default", "This member's name in --initial-cluster."),
    Flag("data-dir", click.Path(path_type=Path), None, "Default: <name>.etcd."),
    Flag("listen-client-urls", URLS, "http://localhost:2379", "Where gRPC clients are answered."),
    Flag("listen-client-http-urls", URLS, "", "Where clients' HTTP requests are answered."),
    Flag("advertise-client-urls", URLS, "http://localhost:2379", "Where clients shall call."),
    Flag("listen-peer-urls", URLS, "http://localhost:2380", "Where the other members are answered."),
    Flag("initial-advertise-peer-urls", str, "http://localhost:2380", "Where they shall call."),
    Flag("initial-cluster", str, "", "name=peer-url,... of every founding member."),
    Flag("initial-cluster-token", str, "etcd-cluster", "Tells clusters on one network apart."),
    Flag("initial-cluster-state", click.Choice(["new", "existing"]), "new"),
    Flag("strict-reconfig-check", bool, True, "Refuse membership changes that would cost the quorum."),
    Flag("pre-vote", bool, True, "Ask before each election whether it could be won."),
    Flag("heartbeat-interval", POSITIVE, 100, "Milliseconds."),
    Flag("election-timeout", POSITIVE, 1000, "Milliseconds."),
)
STORE = (
    Flag("snapshot-count", POSITIVE, 10_000, "Entries between two cuts of the log."),
    Flag(
        "snapshot-catchup-entries",
        COUNT,
        5_000,
        "Entries kept for slow members.",
        "experimental-snapshot-catchup-entries",
    ),
    Flag("quota-backend-bytes", COUNT, 0, "Refuse writes beyond this size. 0: 2 GiB."),
    Flag("auto-compaction-mode", click.Choice(["periodic", "revision"]), "periodic"),
    Flag("auto-compaction-retention", str, "0", "History kept: 30m, or hours; revisions. 0: all."),
    Flag("max-request-bytes", POSITIVE, 1_572_864, "The largest request of a client."),
    Flag("max-txn-ops", POSITIVE, 128, "Operations of one transaction."),
)
CLIENTS = (
    Flag(
        "watch-progress-notify-interval",
        DURATIONS,
        "10m",
        "How often silent watches hear how far they are.",
        "experimental-watch-progress-notify-interval",
    ),
    Flag("max-concurrent-streams", POSITIVE, 2**31 - 1, "Of one client's connection."),
    Flag("grpc-keepalive-min-time", DURATIONS, "5s", "Clients that ping more often are cut off."),
    Flag(
        "grpc-keepalive-interval",
        DURATIONS,
        "10s",
        "How often silent clients are pinged (etcd: 2h). 0: never.",
    ),
    Flag("grpc-keepalive-timeout", DURATIONS, "5s", "How long they may take to answer (etcd: 20s)."),
    Flag("listen-metrics-urls", URLS, "", "Where /metrics and /health are answered."),
    Flag("metrics", click.Choice(["basic", "extensive"]), "basic", "Extensive: how long each call took."),
    Flag("log-level", click.Choice(["debug", "info", "warn", "warning", "error", "panic", "fatal"]), "info"),
)
SECURITY = (
    Flag("cert-file", str, "", "What clients are shown."),
    Flag("key-file", str, ""),
    Flag("trusted-ca-file", str, "", "Who may sign a client's certificate."),
    Flag("client-cert-auth", bool, False, "Refuse clients without a certificate."),
    Flag("peer-cert-file", str, "", "What other members are shown."),
    Flag("peer-key-file", str, ""),
    Flag("peer-trusted-ca-file", str, ""),
    Flag("peer-client-cert-auth", bool, False),
    Flag("enable-fault-injection", bool, False, "Let clients cut links between members (not etcd's)."),
)
FLAGS = (*MEMBER, *STORE, *CLIENTS, *SECURITY)

ONE_FOLDER = "log and state lie together in --data-dir: leave it out"
NO_DISCOVERY = "name the members with --initial-cluster"
OWN_CERTIFICATES = "no certificates are made here: give --cert-file and --key-file (--peer-... for members)"
NO_AUTH = "users and passwords are absent: use client certificates"
NO_CHECK = "there is no periodic check: compare with `etcdctl endpoint hashkv --cluster`"
LEFT_OUT: dict[str, tuple[tuple[str, ...], str]] = {
    "wal-dir": ((), ONE_FOLDER),
    "max-snapshots": ((), "there are no snapshot files to count, the state is one file: leave it out"),
    "max-wals": ((), "log files go when --snapshot-count and --snapshot-catchup-entries allow: leave it out"),
    "discovery": ((), NO_DISCOVERY),
    "discovery-srv": ((), NO_DISCOVERY),
    "discovery-proxy": ((), NO_DISCOVERY),
    "force-new-cluster": (("false",), "restore a snapshot instead: python -m etcdlite.ctl snapshot restore"),
    "unsafe-no-fsync": (("false",), "what is acknowledged is on disk, always: leave it out"),
    "auto-tls": (("false",), OWN_CERTIFICATES),
    "peer-auto-tls": (("false",), OWN_CERTIFICATES),
    "client-crl-file": ((), "revocation lists are not read: leave it out"),
    "peer-crl-file": ((), "revocation lists are not read: leave it out"),
    "cipher-suites": ((), "the TLS library chooses: leave it out"),
    "auth-token": (("simple",), NO_AUTH),
    "cors": (("*",), "browsers are not answered: leave it out"),
    "host-whitelist": (("*",), "hosts are not looked at: leave it out"),
    "enable-v2": (("false",), "only etcd's API v3 is spoken: leave it out"),
    "proxy": (("off",), "there is no proxy: leave it out"),
    "enable-grpc-gateway": (("false",), "JSON over HTTP is absent: speak gRPC"),
    "enable-pprof": (("false",), "there is no /debug/pprof; py-spy looks into a running member"),
    "logger": (("zap",), "logs have one format, key=value: leave it out"),
    "log-outputs": (("default", "stderr"), "logs go to stderr: redirect that"),
    "enable-log-rotation": (("false",), "logs go to stderr: rotate where they are collected"),
    "initial-election-tick-advance": (
        ("true",),
        "the first election never waits a whole timeout: leave it out",
    ),
    "socket-reuse-port": (("false",), "one member a port, or two clusters could share one: leave it out"),
    "initial-corrupt-check": (("false",), NO_CHECK),
    "corrupt-check-time": (("0", "0s"), NO_CHECK),
    "compact-hash-check-enabled": (("false",), NO_CHECK),
}
"""etcd's flags that mean nothing here: values that ask for what is done anyway, and the reason."""


def parse(args: Sequence[str] | None = None, prog_name: str = "etcdlite") -> dict[str, Any] | None:
    """The values by name, with underscores; None if there was only help to be had; StartupError."""
    command = _command(prog_name)
    args = sys.argv[1:] if args is None else args
    try:
        with command.make_context(prog_name, list(args)) as context:
            path = context.params.pop("config_file")
            values = _from_file(path, command) if path else context.params
            return {**_checked(values), "ignored": ignored(args) if path else []}
    except click.exceptions.Exit:
        return None
    except click.ClickException as error:
        raise StartupError(" ".join(error.format_message().split())) from error


def ignored(args: Sequence[str]) -> list[str]:
    """The flags on the command line that count for nothing beside a --config-file."""
    names = [word.partition("=")[0] for word in args if word.startswith("--")]
    return [name for name in names if name != "--config-file"]


def _command(prog_name: str) -> click.Command:
    version = f"etcd Version: {VERSION} (etcdlite)"
    options: list[click.Parameter] = [_option(flag) for flag in FLAGS]
    options.append(
        click.Option(
            ["--config-file"], envvar="ETCD_CONFIG_FILE", default="", help="etcd's YAML; only it counts."
        )
    )
    options += [_left_out(name) for name in LEFT_OUT]
    command = click.Command(
        prog_name,
        params=options,
        context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
        help="Run one member of an etcdlite cluster.",
    )
    return click.version_option(VERSION, message=version)(command)


def _option(flag: Flag) -> click.Option:
    names = [f"--{flag.name}", *([f"--{flag.alias}"] if flag.alias else []), _key(flag.name)]
    return click.Option(
        names,
        type=flag.kind,
        default=flag.default,
        help=flag.help,
        envvar=_variables(flag),
        is_flag=False,
        flag_value="true" if flag.kind is bool else None,
    )


def _variables(flag: Flag) -> list[str]:
    names = filter(None, (flag.name, flag.alias))
    return ["ETCD_" + name.upper().replace("-", "_") for name in names]


def _left_out(name: str) -> click.Option:
    variable = "ETCD_" + name.upper().replace("-", "_")
    names = [f"--{name}", f"--experimental-{name}", _key(name)]
    return click.Option(
        names, default=None, hidden=True, is_flag=False, flag_value="true", envvar=variable, callback=_refuse
    )


def _refuse(context: click.Context, option: click.Parameter, value: str | None) -> None:
    name = option.opts[0].removeprefix("--")
    harmless, reason = LEFT_OUT[name]
    if value is not None and value not in harmless:
        raise StartupError(f"--{name}={value}: {reason}")


def _from_file(path: str, command: click.Command) -> dict[str, Any]:
    """The values of a file, converted as those of the command line are."""
    given = config_file.read(path)
    known = {name: flag.name for flag in FLAGS for name in (flag.name, flag.alias) if name}
    for name in given.keys() - known.keys() - LEFT_OUT.keys():
        raise StartupError(f"--config-file {path}: {name!r} is no setting this store knows")
    with click.Context(command) as context:
        values: dict[str, Any] = {}
        for option in command.params:
            names = [each.removeprefix("--") for each in option.opts]
            value = next((given[name] for name in names if name in given), None)
            if option.name not in ("config_file", "help", "version"):
                values[str(option.name)] = _converted(option, context, value, path)
    return values


def _converted(option: click.Parameter, context: click.Context, value: Any, path: str) -> Any:
    is_text = isinstance(option.type, click.types.StringParamType)
    given = option.get_default(context) if value is None else str(value) if is_text else value
    if isinstance(value, bool) and is_text:
        given = str(value).lower()
    try:
        return option.process_value(context, given)
    except click.BadParameter as error:
        raise StartupError(
            f"--config-file {path}: {option.opts[0].removeprefix('--')}: {error.message}"
        ) from error


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """What single values cannot show."""
    if values["heartbeat_interval"] < 25 or values["election_timeout"] < 5 * values["heartbeat_interval"]:
        raise StartupError(
            "--election-timeout must be at least five times --heartbeat-interval, and that 25 ms"
        )
    if values["election_timeout"] > 50_000:
        raise StartupError("--election-timeout must be at most 50000 ms")
    return {name: value for name, value in values.items() if name.replace("_", "-") not in LEFT_OUT}


def _key(name: str) -> str:
    return name.replace("-", "_")
