"""A TCP proxy in front of a service, whose connections a test can cut, as a router does that was switched off and on."""

import contextlib
import selectors
import socket
import struct
import threading

# With this a close is a reset (RST), not an orderly end (FIN).
_RESET = struct.pack("ii", 1, 0)


class CuttingProxy:
    """Passes bytes between clients and `target` (host:port) until `cut`; lets new ones in while `is_open`."""

    def __init__(self, target):
        self.aim(target)
        self._pairs = []
        self.is_open = True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def aim(self, target):
        """New connections go there from now on."""
        host, port = target.rsplit(":", 1)
        self._target = (host, int(port))

    def cut(self):
        """Resets every connection that is open now, on both sides."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                # One that ended by itself meanwhile is closed.
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    # Wakes the thread that reads from it, which closes both.
                    end.shutdown(socket.SHUT_RD)

    def close(self):
        self._listener.close()
        self.cut()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                pair = (client, self._connect())
            except OSError:
                client.close()
                continue
            self._pairs.append(pair)
            threading.Thread(target=_pass, args=pair, daemon=True).start()

    def _connect(self):
        if not self.is_open:
            raise ConnectionRefusedError
        return socket.create_connection(self._target)


def _pass(client, service):
    other = {client: service, service: client}
    # Not select(), which knows no descriptors above 1023.
    with selectors.DefaultSelector() as selector:
        try:
            for end in other:
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    received = key.fileobj.recv(1 << 16)
                    if not received:
                        return
                    other[key.fileobj].sendall(received)
        except (OSError, ValueError):
            # Cut, or gone by itself.
            return
        finally:
            client.close()
            service.close()
