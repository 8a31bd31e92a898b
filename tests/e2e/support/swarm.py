"""Many plain clients in one thread, which come back with their cursor whenever they are disconnected.

Each is a screen of one store, has a token, fetches a ticket for every connection, and remembers what it was sent. They
go to the given addresses in turn, and on to the next one when they are turned away or disconnected.
"""

import asyncio
import base64
import json
import os
import random
import struct
import threading
import time
from urllib.parse import quote

from support import tokens
from support.waiting import SLACK, TooLate

_MASK = b"\0\0\0\0"
_PING, _CLOSE, _TEXT = 0x9, 0x8, 0x1

# Handshakes under way at once: clients of a real crowd do not share one machine.
_HANDSHAKES = 64


class Swarm:
    """`count` clients for `stores` stores; `addresses` are host:port of the instances."""

    def __init__(self, addresses, count, stores):
        self.addresses = addresses
        self.screens = [Screen(self, number % stores) for number in range(count)]
        # Messages that are no JSON.
        self.faults = []
        # (monotonic time, code) of every end of a connection.
        self.ends = []
        self._tokens = {
            store: tokens.token(f"screen-{store}", role="USER", store_id=store, lifetime=3_600) for store in range(stores)
        }
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def wait_until(self, condition, within, what):
        """Until `condition` holds for every screen."""
        deadline = time.monotonic() + within * SLACK
        while late := [screen for screen in self.screens if not condition(screen)]:
            if time.monotonic() > deadline:
                raise TooLate(f"{what}: not so for {len(late)} of {len(self.screens)}, first: {late[0]}")
            time.sleep(0.05)

    def close(self):
        self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join(5 * SLACK)

    def token(self, store):
        return self._tokens[store]

    async def _run(self):
        self._loop, self._closed = asyncio.get_running_loop(), asyncio.Event()
        self.handshakes = asyncio.Semaphore(_HANDSHAKES)
        lives = [asyncio.create_task(screen.live()) for screen in self.screens]
        await self._closed.wait()
        for life in lives:
            life.cancel()
        await asyncio.gather(*lives, return_exceptions=True)
        for screen in self.screens:
            if screen.connection is not None:
                screen.connection.abort()


class Screen:
    """One client, over all its connections."""

    def __init__(self, swarm, store):
        self.store = store
        self.seen = []
        self.statuses = []
        self.cursor = ""
        self.is_open = False
        # When it was told the newest time where it stands (monotonic).
        self.opened_at = None
        self.connection = None
        self.connected_to = None
        self._swarm = swarm
        self._place = random.randrange(1_000)

    def __repr__(self):
        return f"Screen(store={self.store}, open={self.is_open}, seen={len(self.seen)}, statuses={self.statuses})"

    async def live(self):
        while True:
            async with self._swarm.handshakes:
                ended = await self._connect()
            if ended is None:
                await asyncio.sleep(random.uniform(0.05, 0.2))
            else:
                code = await ended
                self._swarm.ends.append((time.monotonic(), code))
                self.is_open = False
            self._place += 1

    async def _connect(self):
        """A future of the connection's end, or None when there is no connection."""
        address = self._swarm.addresses[self._place % len(self._swarm.addresses)]
        host, port = address.rsplit(":", 1)
        try:
            ticket = await self._ticket(host, port)
            if ticket is None:
                return None
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            self.connection, protocol = await loop.create_connection(lambda: Frames(self, ended), host, int(port))
            protocol.upgrade(f"/ws?key={ticket}&cursor={quote(self.cursor)}", address)
            if await protocol.upgraded != 101:
                self.connection.abort()
                return None
        except OSError:
            return None
        self.connected_to = address
        return ended

    async def _ticket(self, host, port):
        reader, writer = await asyncio.open_connection(host, int(port))
        token = self._swarm.token(self.store)
        head = f"GET /api/v1/ws/ticket HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(head.encode())
        answer = await reader.read()
        writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2])["token"] if answer.startswith(b"HTTP/1.1 200") else None

    def take(self, text):
        try:
            message = json.loads(text)
        except ValueError:
            self._swarm.faults.append(text)
            raise
        self.cursor = message["cursor"]
        if message["event_name"] == "STATUS":
            self.statuses.append((message["data"]["resumed"], message["data"]["gap"]))
            self.is_open = True
            self.opened_at = time.monotonic()
        else:
            self.seen.append(message["data"]["uuid"])


class Frames(asyncio.Protocol):
    """The upgrade and the frames of one connection (RFC 6455, 5.2), as far as a server may send them here."""

    def __init__(self, screen, ended):
        self.upgraded = asyncio.get_running_loop().create_future()
        self._screen = screen
        self._ended = ended
        self._received = bytearray()
        self._code = None

    def upgrade(self, path, address):
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        self._screen.connection.write(request.encode())

    def data_received(self, data):
        self._received += data
        if not self.upgraded.done():
            head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
            if not end:
                return
            self.upgraded.set_result(int(head.split()[1]))
            # What follows a refusal is no frame.
            self._received = bytearray(rest if self.upgraded.result() == 101 else b"")
        while self._take_frame():
            pass

    def connection_lost(self, error):
        if not self.upgraded.done():
            self.upgraded.set_result(0)
        if not self._ended.done():
            self._ended.set_result(self._code or 1006)

    def _take_frame(self):
        received = self._received
        if len(received) < 2:
            return False
        length, start = received[1], 2
        if length == 126:
            if len(received) < 4:
                return False
            (length,), start = struct.unpack_from(">H", received, 2), 4
        if len(received) < start + length:
            return False
        opcode, payload = received[0] & 0x0F, bytes(received[start : start + length])
        del received[: start + length]
        self._handle(opcode, payload)
        return True

    def _handle(self, opcode, payload):
        transport = self._screen.connection
        if opcode == _TEXT:
            self._screen.take(payload)
        elif opcode == _PING:
            transport.write(bytes([0x8A, 0x80 | len(payload)]) + _MASK + payload)
        elif opcode == _CLOSE:
            (self._code,) = struct.unpack_from(">H", payload)
            transport.write(bytes([0x88, 0x82]) + _MASK + payload[:2])
            transport.close()
