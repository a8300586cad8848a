"""Shell: a WebSocket for a command that waits for it and for a keyboard at once, by `select`.

    while not socket.has_ended:
        select on it  ->  readable: take()    writable: flush()

Python's TLS sockets must not be read in one thread while another writes, so there is only one. What the
other side does not take yet stays here: `backlog` says how much, and who sends reads no more meanwhile.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

CHUNK_BYTES = 64 * 1024
MESSAGES = (Opcode.BINARY, Opcode.TEXT, Opcode.CONT)


class Refused(Exception):
    """The server answered, but not with a WebSocket."""

    def __init__(self, code: int, content: bytes) -> None:
        super().__init__(code)
        self.code, self.content = code, content


class BrokenOff(Exception):
    """The connection is no more."""


class WebSocket:
    """One connection. `has_ended`: nothing more will come; `protocol`: the one that the server chose."""

    def __init__(self, socket: ssl.SSLSocket, codec: ClientProtocol, events: Sequence[object]) -> None:
        self._socket, self._codec = socket, codec
        self._outgoing = bytearray()
        self._fragments = b""
        self.has_ended = False
        self.protocol = str(codec.subprotocol)
        # Messages that came together with the handshake.
        self._early = self._messages(events)

    @classmethod
    def open(
        cls, socket: ssl.SSLSocket, url: str, protocols: Sequence[str], headers: Mapping[str, str]
    ) -> WebSocket:
        """Shake hands over a connected socket; Refused, BrokenOff."""
        offered = [Subprotocol(each) for each in protocols]
        codec = ClientProtocol(parse_uri(url), subprotocols=offered, max_size=None)
        request = codec.connect()
        request.headers.update(headers)
        codec.send_request(request)
        events: list[object] = []
        try:
            socket.sendall(b"".join(codec.data_to_send()))
            while not events and codec.handshake_exc is None:
                if data := socket.recv(CHUNK_BYTES):
                    codec.receive_data(data)
                else:
                    codec.receive_eof()
                events = list(codec.events_received())
        except OSError as error:
            raise BrokenOff(str(error)) from error
        refusal = codec.handshake_exc
        if isinstance(refusal, InvalidStatus):
            raise Refused(refusal.response.status_code, bytes(refusal.response.body or b"")) from refusal
        if refusal is not None:
            raise BrokenOff(str(refusal)) from refusal
        socket.setblocking(False)
        return cls(socket, codec, events[1:])

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def backlog(self) -> int:
        """How many bytes wait to be sent."""
        return len(self._outgoing)

    @property
    def has_unread(self) -> bool:
        """Whether there is something to take that `select` does not see."""
        return bool(self._early) or self._socket.pending() > 0

    def send(self, message: bytes) -> None:
        """Send a message as soon as it can go; nobody reads one after the end."""
        if self._codec.state is State.OPEN:
            self._codec.send_binary(message)
            self.flush()

    def flush(self) -> None:
        """Send of what waits as much as the other side takes."""
        self._outgoing += b"".join(self._codec.data_to_send())
        try:
            while self._outgoing:
                del self._outgoing[: self._socket.send(self._outgoing[:CHUNK_BYTES])]
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            raise BrokenOff(str(error)) from error

    def take(self) -> list[bytes]:
        """The messages that have come."""
        if self._early:
            messages, self._early = self._early, []
            return messages
        try:
            data = self._socket.recv(CHUNK_BYTES)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return []
        except OSError as error:
            raise BrokenOff(str(error)) from error
        if data:
            self._codec.receive_data(data)
        else:
            self._codec.receive_eof()
            self.has_ended = True
        messages = self._messages(self._codec.events_received())
        self.flush()
        return messages

    def close(self) -> None:
        self._socket.close()

    def _messages(self, events: Sequence[object]) -> list[bytes]:
        messages = []
        for event in events:
            assert isinstance(event, Frame), "after the handshake there are only frames"
            if event.opcode is Opcode.CLOSE:
                self.has_ended = True
            elif event.opcode in MESSAGES:
                self._fragments += bytes(event.data)
                if event.fin:
                    messages.append(self._fragments)
                    self._fragments = b""
        return messages
