"""An HTTP server on loopback that answers as its owner says: base of what the tests put in other services' place."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class AnsweringServer:
    """Calls `answer(path, headers)` for each GET or POST; it gives a status, a body (bytes or what becomes JSON), and pairs
    for further headers."""

    content_type = "application/json"

    def __init__(self, port=0):
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path, headers):
        raise NotImplementedError


def _handler(owner):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, *more = owner.answer(self.path, self.headers)
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", owner.content_type)
            self.send_header("Content-Length", str(len(body)))
            for name, value in more:
                self.send_header(name, value)
            # Who asked may have stopped waiting.
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def log_message(self, *_):
            pass

    return Handler
