"""The flags of a member: names and values as etcd's, their sources, and one line for what makes no sense."""

from __future__ import annotations

import pytest

from etcdlite import flags
from etcdlite.errors import StartupError
from etcdlite.main import Start


def refusal(*args: str) -> str:
    with pytest.raises(StartupError) as caught:
        Start.of(flags.parse(args) or {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults_are_etcds():
    values = flags.parse([])
    assert values["max_request_bytes"] == 1_572_864
    assert values["max_txn_ops"] == 128
    assert values["pre_vote"] is True
    assert values["client_cert_auth"] is False
    assert values["watch_progress_notify_interval"] == 600
    assert values["listen_client_urls"] == ["http://localhost:2379"]
    assert Start.of(values).settings.limits.quota_bytes == 2 << 30


def test_switches_may_be_given_a_value():
    assert flags.parse(["--client-cert-auth"])["client_cert_auth"] is True
    assert flags.parse(["--client-cert-auth=false"])["client_cert_auth"] is False
    assert flags.parse(["--pre-vote=false", "--name=x"])["pre_vote"] is False


def test_the_experimental_spelling_is_known():
    values = flags.parse(["--experimental-watch-progress-notify-interval=100ms"])
    assert values["watch_progress_notify_interval"] == 0.1


@pytest.mark.parametrize(
    "text, seconds", [("1h30m", 5400), ("1.5s", 1.5), ("100ms", 0.1), ("2m3s", 123), ("0", 0), ("0s", 0)]
)
def test_durations_are_gos(text, seconds):
    assert flags.parse_duration(text) == pytest.approx(seconds)


def test_the_environment_counts_where_no_flag_is_given(monkeypatch):
    monkeypatch.setenv("ETCD_SNAPSHOT_COUNT", "7")
    monkeypatch.setenv("ETCD_CLIENT_CERT_AUTH", "true")
    monkeypatch.setenv("ETCD_EXPERIMENTAL_WATCH_PROGRESS_NOTIFY_INTERVAL", "1m")
    values = flags.parse([])
    assert values["snapshot_count"] == 7
    assert values["client_cert_auth"] is True
    assert values["watch_progress_notify_interval"] == 60
    assert flags.parse(["--snapshot-count=8"])["snapshot_count"] == 8


FILE = """
name: 's1'
data-dir: /var/lib/x
wal-dir:
snapshot-count: 5000
election-timeout: 2000
listen-client-urls: http://localhost:1,http://localhost:2
auto-compaction-retention: 1
watch-progress-notify-interval: 5s
grpc-keepalive-min-time: 2000000000
pre-vote: false
proxy: 'off'
logger: zap
cors:
client-transport-security:
  cert-file: c.crt
  client-cert-auth: true
  auto-tls: false
peer-transport-security:
  trusted-ca-file: p.ca
"""


def test_a_file_counts_and_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "etcd.yaml"
    path.write_text(FILE)
    monkeypatch.setenv("ETCD_NAME", "other")
    values = flags.parse([f"--config-file={path}", "--snapshot-count=1"])
    assert values["name"] == "s1"
    assert values["snapshot_count"] == 5000
    assert values["listen_client_urls"] == ["http://localhost:1", "http://localhost:2"]
    assert values["cert_file"] == "c.crt"
    assert values["client_cert_auth"] is True
    assert values["peer_trusted_ca_file"] == "p.ca"
    assert values["watch_progress_notify_interval"] == 5
    assert values["grpc_keepalive_min_time"] == 2
    assert values["pre_vote"] is False
    assert values["heartbeat_interval"] == 100
    assert Start.of(values).compaction == ("periodic", 3600)


@pytest.mark.parametrize(
    "text, says",
    [
        ("name: [", "no YAML"),
        ("just words", "no settings"),
        ("nmae: x", "'nmae' is no setting"),
        ("snapshot-count: many", "snapshot-count"),
        ("max-wals: 5", "--max-wals=5"),
        ("peer-transport-security:\n  auto-tls: true", "--peer-auto-tls=true"),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path, text, says):
    path = tmp_path / "etcd.yaml"
    path.write_text(text)
    assert says in refusal(f"--config-file={path}")


def test_a_file_that_is_not_there(tmp_path):
    assert "--config-file /nowhere: No such file" in refusal("--config-file=/nowhere")


@pytest.mark.parametrize(
    "arg, says",
    [
        ("--max-snapshots=5", "leave it out"),
        ("--wal-dir=/x", "--data-dir"),
        ("--unsafe-no-fsync", "--unsafe-no-fsync=true"),
        ("--experimental-initial-corrupt-check=true", "hashkv"),
        ("--discovery=http://x", "--initial-cluster"),
        ("--max-txn-ops=x", "--max-txn-ops"),
        ("--max-request-bytes=0", "--max-request-bytes"),
        ("--auto-compaction-mode=never", "--auto-compaction-mode"),
        ("--auto-compaction-retention=soon", "--auto-compaction-retention: 'soon' is not a duration"),
        ("--grpc-keepalive-interval=5", "--grpc-keepalive-interval"),
        ("--election-timeout=100", "--election-timeout must be at least five times"),
        ("--election-timeout=60000", "--election-timeout must be at most"),
        ("--metrics=some", "--metrics"),
        ("--pre-vote=perhaps", "--pre-vote"),
        ("--initial-cluster=m0", "--initial-cluster"),
        ("--no-such-flag", "--no-such-flag"),
        ("stray", "stray"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(arg, says):
    assert says in refusal(arg)


def test_revisions_are_counted_not_timed():
    line = refusal("--auto-compaction-mode=revision", "--auto-compaction-retention=1h")
    assert "'1h' is not a number of revisions" in line
    values = flags.parse(["--auto-compaction-mode=revision", "--auto-compaction-retention=1000"])
    assert Start.of(values).compaction == ("revision", 1000)


def test_values_that_ask_for_what_is_done_anyway_are_fine():
    assert flags.parse(["--logger=zap", "--enable-v2=false", "--cors=*", "--proxy=off"]) is not None


def test_help_and_version_start_nothing(capsys):
    assert flags.parse(["--version"]) is None
    assert "etcd Version: 3.6.5" in capsys.readouterr().out
    assert flags.parse(["-h"]) is None
