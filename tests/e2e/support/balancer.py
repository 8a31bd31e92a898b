"""A TCP load balancer of the plainest kind: each connection goes to the next instance in turn, whoever it is from.

It knows no stickiness; an instance that refuses a connection is passed over, and so is one that is not ready, if it was
told where to ask for that. Bytes go through one thread of its own, however many connections there are.
"""

import asyncio
import contextlib
import threading


# How often an instance is asked whether it is ready, and how long it may take to say so.
_HEALTH_SECONDS = 0.5
_ANSWER_SECONDS = 2


class Balancer:
    """Listens on a port of its own. `targets` are host:port, `health` the same of where they answer `/readyz`."""

    def __init__(self, targets, health=()):
        self._targets = [target.rsplit(":", 1) for target in targets]
        self._unready = set()
        self._turn = 0
        self._pairs = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = self._run(self._loop.create_server(lambda: _Client(self), "127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

        for target, address in zip(self._targets, health, strict=False):
            asyncio.run_coroutine_threadsafe(self._watch(target, address), self._loop)

    def cut(self):
        """Resets all connections that are open now."""
        self._loop.call_soon_threadsafe(self._cut)

    def close(self):
        self._loop.call_soon_threadsafe(self._listener.close)
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def connect(self, client):
        """A connection to the next instance that takes one; None when none does."""
        for _ in self._targets:
            target = self._targets[self._turn % len(self._targets)]
            self._turn += 1
            if target[1] in self._unready and len(self._unready) < len(self._targets):
                continue
            try:
                _, instance = await self._loop.create_connection(lambda: _Instance(client), *target)
            except OSError:
                continue
            self._pairs.add(client)
            return instance
        return None

    def forget(self, client):
        self._pairs.discard(client)

    def spawn(self, coroutine):
        return self._loop.create_task(coroutine)

    async def _watch(self, target, address):
        while True:
            if await _is_ready(address):
                self._unready.discard(target[1])
            else:
                self._unready.add(target[1])
            await asyncio.sleep(_HEALTH_SECONDS)

    def _cut(self):
        for client in list(self._pairs):
            client.abort()

    async def _end(self):
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()


async def _is_ready(address):
    """A process that is stopped is connected to, and says nothing."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(*address.rsplit(":", 1))
            with contextlib.closing(writer):
                writer.write(f"GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
    except (OSError, TimeoutError):
        return False


class _End(asyncio.Protocol):
    """One end of a pair: what it receives goes out at the other, which may ask it to pause."""

    transport = None
    other = None
    has_ended = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.other.transport.write(data)

    def eof_received(self):
        """Either side may end first and still be sent the rest; once both have, nothing keeps the pair."""
        self.has_ended = True
        if self.other is None or self.other.has_ended:
            # The transport closes itself, and then the other one: `connection_lost`.
            return False
        if self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True

    def pause_writing(self):
        self.other.transport.pause_reading()

    def resume_writing(self):
        self.other.transport.resume_reading()

    def connection_lost(self, _):
        if self.other is not None:
            self.other.transport.close()


class _Client(_End):
    def __init__(self, balancer):
        self._balancer = balancer

    def connection_made(self, transport):
        super().connection_made(transport)
        # Until there is an instance to pass it to.
        transport.pause_reading()
        self._joining = self._balancer.spawn(self._join())

    def connection_lost(self, error):
        self._balancer.forget(self)
        super().connection_lost(error)

    def abort(self):
        self.transport.abort()
        self.other.transport.abort()

    async def _join(self):
        instance = await self._balancer.connect(self)
        if instance is None:
            self.transport.abort()
        elif self.transport.is_closing():
            instance.abort()
        else:
            self.transport.resume_reading()


class _Instance(_End):
    def __init__(self, client):
        self.other = client
        client.other = self
