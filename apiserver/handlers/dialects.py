"""Core: the ways in which clients speak through a WebSocket, and what they are to the kubelet.

    client's protocol              to the kubelet
    SPDY/3.1+portforward.k8s.io    the same
    v5.channel.k8s.io              the same
    v4.channel.k8s.io              the same
    v4.base64.channel.k8s.io       v4: messages are text: the channel's digit, then base64
    channel.k8s.io, none           v4; how a command ended is plain text, and nothing when all went well
    base64.channel.k8s.io          both

After: k8s staging/src/k8s.io/apimachinery/pkg/util/httpstream/wsstream/conn.go,
staging/src/k8s.io/kubelet/pkg/cri/streaming/remotecommand/websocket.go
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass

V5, V4 = "v5.channel.k8s.io", "v4.channel.k8s.io"
TUNNEL = "SPDY/3.1+portforward.k8s.io"
# The channel of exec and attach that tells how it ended.
STATUS = 3


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one client speaks. upstream: the protocol with the kubelet. is_text: in base64. has_plain_end: how
    a command ended is no JSON.
    """

    name: str
    upstream: str = V4
    is_text: bool = False
    has_plain_end: bool = False

    def heard(self, message: bytes | str) -> bytes:
        """A client's message for the kubelet; nothing where it is none. Others send binary data as text too:
        the Python clients do.
        """
        data = message.encode() if isinstance(message, str) else message
        if not self.is_text or not data:
            return data
        try:
            return bytes([data[0] - ord("0")]) + base64.b64decode(data[1:], validate=True)
        except (ValueError, binascii.Error):
            return b""

    def said(self, message: bytes) -> bytes | str:
        """A kubelet's message for the client; nothing where it is not told."""
        if self.has_plain_end and message and message[0] == STATUS:
            text = plain_end(message[1:])
            message = bytes([STATUS]) + text if text else b""
        if self.is_text and message:
            return chr(ord("0") + message[0]) + base64.b64encode(message[1:]).decode()
        return message


COMMAND_DIALECTS = (
    Dialect(V5, V5),
    Dialect(V4),
    Dialect("v4.base64.channel.k8s.io", is_text=True),
    Dialect("channel.k8s.io", has_plain_end=True),
    Dialect("base64.channel.k8s.io", is_text=True, has_plain_end=True),
    Dialect("", has_plain_end=True),
)
FORWARD_DIALECTS = (
    Dialect(TUNNEL, TUNNEL),
    Dialect(V4),
    Dialect("v4.base64.channel.k8s.io", is_text=True),
    Dialect(""),
)


def plain_end(status: bytes) -> bytes:
    """How a command ended, as clients before v4 are told: nothing, or why it failed."""
    told = json.loads(status)
    return b"" if told.get("status") == "Success" else str(told.get("message", "")).encode()
