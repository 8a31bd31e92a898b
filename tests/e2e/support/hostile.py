"""A server that means harm: each path answers as its function says, with the bare connection in its hands."""

import http.server
import itertools
import json
import threading
import time


class HostileServer:
    def __init__(self):
        self.answers = {}
        self.asked = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(server):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                path = self.path.partition("?")[0]
                server.asked.append(path)
                try:
                    server.answers.get(path, nothing)(self)
                except OSError:
                    # Whoever asked has had enough.
                    self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler


def says(body, status=200, **headers):
    body = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    def answer(handler):
        _head(handler, status, {"Content-Length": str(len(body))} | headers)
        handler.wfile.write(body)

    return answer


def leads_to(url):
    return says("", 302, Location=url)


def never_ends(handler):
    """A body that goes on and on, as one long JSON string."""
    _head(handler, 200, {"Connection": "close"})
    handler.wfile.write(b'{"schema": "')
    for _ in itertools.repeat(None):
        handler.wfile.write(b"x" * 65_536)


def drips(handler):
    """A byte a second, of an answer that says it is short."""
    _head(handler, 200, {"Content-Length": "1000"})
    for _ in range(1000):
        handler.wfile.write(b" ")
        time.sleep(1)


def promises_much(handler):
    _head(handler, 200, {"Content-Length": str(1 << 62)})
    handler.wfile.write(b"{")
    handler.close_connection = True


def nothing(handler):
    says({"error_code": 40403, "message": "Schema not found"}, 404)(handler)


def _head(handler, status, headers):
    handler.send_response(status)
    for name, value in ({"Content-Type": "application/json"} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
