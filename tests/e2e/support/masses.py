"""Thousands of connections from one process, for measuring the service: bare sockets that take what comes and count bytes.

Each sends its whole handshake at once, waits until the service has let it in, and from then on only answers pings.
"""

import asyncio
import json

_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: measure\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_PING = b"\x89\x80\0\0\0\0"
# Engine.IO's answer to its ping "2", and the empty pong of RFC 6455; masked with zeros.
_PONGS = {"socketio": b"\x81\x81\0\0\0\x003", "plain": b"\x8a\x80\0\0\0\0"}
_LET_IN = {"socketio": b"authorization:ok", "plain": b"\x8a\0"}

_AT_ONCE = 100


class Masses:
    """Connections at `host` (host:port), opened by `join` and kept until `close`; runs in an event loop."""

    def __init__(self, host):
        self._host, self._port = host.rsplit(":", 1)
        self._members = []
        # While events flow, what comes is no ping: nobody answers.
        self.answers_pings = True
        self.ended = 0

    async def join_socket_io(self, tokens):
        await self._join([_socket_io_greeting(token) for token in tokens], "socketio")

    async def join_plain(self, tickets):
        await self._join([_greeting(f"/ws?key={ticket}") + _PING for ticket in tickets], "plain")

    def received(self):
        return sum(member.received for member in self._members)

    def close(self):
        for member in self._members:
            member.transport.abort()

    async def _join(self, greetings, protocol):
        greetings = iter(greetings)

        async def work():
            for greeting in greetings:
                member = _Member(self, greeting, protocol)
                self._members.append(member)
                await asyncio.get_running_loop().create_connection(lambda its=member: its, self._host, self._port)
                await member.let_in

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


class _Member(asyncio.Protocol):
    def __init__(self, masses, greeting, protocol):
        self._masses = masses
        self._greeting = greeting
        self._protocol = protocol
        self._head = b""
        self.received = 0
        self.let_in = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self._greeting)

    def data_received(self, data):
        if self.let_in.done():
            self.received += len(data)
            if self._masses.answers_pings:
                self.transport.write(_PONGS[self._protocol])
            return
        self._head += data
        if _LET_IN[self._protocol] in self._head:
            self.let_in.set_result(None)

    def connection_lost(self, _):
        self._masses.ended += 1
        if not self.let_in.done():
            self.let_in.set_exception(ConnectionError(self._head[-200:]))


def _greeting(path):
    return _UPGRADE.format(path=path).encode()


def _socket_io_greeting(token):
    packet = f"40{json.dumps({'token': token})}".encode()
    assert 125 < len(packet) < 1 << 16
    frame = b"\x81\xfe" + len(packet).to_bytes(2) + b"\0\0\0\0" + packet
    return _greeting("/ws/?EIO=4&transport=websocket") + frame
