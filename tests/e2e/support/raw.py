"""A plain client without any library, for what libraries hide: it reads only when told to, and sends any bytes at all.

The frames that a server may send here are unmasked, unfragmented texts and control frames (RFC 6455, 5.2):

    byte 0   FIN + opcode      byte 1   length: 0-125, or 126 and 2 bytes more, or 127 and 8 bytes more
"""

import base64
import os
import socket
import struct
from urllib.parse import urlsplit

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA
FINAL = 0x80


def client_frame(first, payload=b"", length=None):
    """A client's frame; `first`: its first byte, `length`: what it says of its length, if that is a lie.

    Its mask is of zeros, which is one, so the payload stands there as it is.
    """
    length = len(payload) if length is None else length
    if length < 126:
        head = struct.pack(">BB", first, 0x80 | length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack(">BBQ", first, 0x80 | 127, length)
    return head + bytes(4) + payload


def text(payload):
    return client_frame(FINAL | TEXT, payload.encode())


class RawClient:
    """Connects with a small receive buffer, over TLS if `ssl` is a context for it; until `frames` is called, nothing is taken
    off the socket."""

    def __init__(self, url, receive_buffer_bytes=4096, ssl=None):
        address = urlsplit(url)
        self._socket = socket.socket()
        # Before connect: the window is agreed on in the handshake.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.connect((address.hostname, address.port))
        if ssl:
            self._socket = ssl.wrap_socket(self._socket, server_hostname=address.hostname, suppress_ragged_eofs=False)
        self._received = bytearray()
        self._upgrade(address)

    def frames(self, silence):
        """Every frame as (opcode, payload), until none comes for `silence` seconds or the server closes."""
        self._socket.settimeout(silence)
        # The small window has done its work; catching up through it would only measure loopback round trips.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        while True:
            while (frame := self._take_frame()) is not None:
                yield frame
            try:
                received = self._socket.recv(1 << 16)
            except TimeoutError:
                return
            if not received:
                return
            self._received += received

    def send(self, data):
        """False once the connection is gone."""
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def end(self, within):
        """The frames that come until the server closes, in that time."""
        frames = []
        self._socket.settimeout(within)
        try:
            while received := self._socket.recv(1 << 16):
                self._received += received
        except ConnectionResetError:
            pass
        while (frame := self._take_frame()) is not None:
            frames.append(frame)
        return frames

    def close(self):
        self._socket.close()

    def _upgrade(self, address):
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {address.path}?{address.query} HTTP/1.1\r\nHost: {address.netloc}\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        self._socket.sendall(request.encode())
        while b"\r\n\r\n" not in self._received:
            self._received += self._socket.recv(512)
        head, _, rest = bytes(self._received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        self._received = bytearray(rest)

    def _take_frame(self):
        """The next whole frame, or None when more bytes are needed."""
        if len(self._received) < 2:
            return None
        length, start = self._received[1], 2
        for marker, kind, size in ((126, ">H", 2), (127, ">Q", 8)):
            if self._received[1] == marker:
                if len(self._received) < 2 + size:
                    return None
                (length,), start = struct.unpack_from(kind, self._received, 2), 2 + size
        if len(self._received) < start + length:
            return None
        assert self._received[0] & 0x80, "a fragmented frame"
        frame = self._received[0] & 0x0F, bytes(self._received[start : start + length])
        del self._received[: start + length]
        return frame
