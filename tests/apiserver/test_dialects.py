"""How clients speak through a WebSocket, old and new."""

from __future__ import annotations

import json

import pytest

from apiserver.handlers.dialects import COMMAND_DIALECTS

BY_NAME = {dialect.name: dialect for dialect in COMMAND_DIALECTS}
SUCCESS = b"\x03" + json.dumps({"status": "Success"}).encode()
FAILURE = b"\x03" + json.dumps({"status": "Failure", "message": "no such program"}).encode()


@pytest.mark.parametrize(
    ("name", "upstream"),
    [("v5.channel.k8s.io", "v5.channel.k8s.io"), ("channel.k8s.io", "v4.channel.k8s.io")],
)
def test_binary_messages_go_as_they_are(name: str, upstream: str) -> None:
    dialect = BY_NAME[name]
    assert dialect.upstream == upstream
    assert dialect.heard(b"\x00ls\xff") == b"\x00ls\xff"
    assert dialect.heard("\x00ls") == b"\x00ls"
    assert dialect.said(b"\x01out") == b"\x01out"


def test_text_is_base64_behind_a_digit() -> None:
    dialect = BY_NAME["v4.base64.channel.k8s.io"]
    assert dialect.heard("0bHM=") == b"\x00ls"
    assert dialect.heard("0no base64") == b""
    assert dialect.said(b"\x01out") == "1b3V0"
    assert dialect.said(b"") == b""


def test_before_v4_the_end_is_plain() -> None:
    for name in ("", "channel.k8s.io"):
        assert BY_NAME[name].said(SUCCESS) == b""
        assert BY_NAME[name].said(FAILURE) == b"\x03no such program"
    assert BY_NAME["base64.channel.k8s.io"].said(FAILURE) == "3bm8gc3VjaCBwcm9ncmFt"
    assert BY_NAME["v4.channel.k8s.io"].said(SUCCESS) == SUCCESS
