"""Many tickets, fetched and redeemed as fast as sockets allow: bare HTTP and WebSocket frames on asyncio.

A library's client costs ten times the connection. Each connection sends its upgrade and a ping at once; the first frame
that comes back tells whether the ticket won (a pong), or with which code it was refused (a Close frame).
"""

import asyncio
import json

_UPGRADE = (
    "GET /ws?key={key} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
# Without content, masked with zeros (RFC 6455, section 5.2).
_PING = b"\x89\x80\0\0\0\0"
_CLOSE = b"\x88\x80\0\0\0\0"

WON = "won"

# Enough to keep two instances busy, few enough not to fill a listener's backlog.
_AT_ONCE = 50


def outcomes(hosts, token, count):
    """For each of `count` tickets, taken in turn at `hosts` (host:port), what happened at every host at once."""
    return asyncio.run(_outcomes(hosts, token, count))


async def _outcomes(hosts, token, count):
    numbers = iter(range(count))
    results = []

    async def work(worker):
        host = hosts[worker % len(hosts)]
        async with _Requests(host, token) as requests:
            for _ in numbers:
                ticket = await requests.ticket()
                results.append(await asyncio.gather(*(redeem(host, ticket) for host in hosts)))

    await asyncio.gather(*map(work, range(_AT_ONCE)))
    return results


async def tickets_of(host, token, count):
    """So many tickets, one after the other, by one connection."""
    async with _Requests(host, token) as requests:
        return [await requests.ticket() for _ in range(count)]


async def redeem(host, ticket):
    """`WON`, or the code of the Close frame."""
    reader, writer = await asyncio.open_connection(*host.rsplit(":", 1))
    try:
        writer.write(_UPGRADE.format(key=ticket, host=host).encode() + _PING)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        first, length = await reader.readexactly(2)
        if first == 0x8A:
            writer.write(_CLOSE)
            return WON
        assert first == 0x88, (first, length)
        return int.from_bytes((await reader.readexactly(length))[:2])
    finally:
        writer.close()


class _Requests:
    """One connection that is kept for requests of tickets."""

    def __init__(self, host, token):
        self._host = host
        self._request = f"GET /api/v1/ws/ticket HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection(*self._host.rsplit(":", 1))
        return self

    async def __aexit__(self, *_):
        self._writer.close()

    async def ticket(self):
        self._writer.write(self._request.encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200"), head
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        return json.loads(await self._reader.readexactly(length))["token"]
