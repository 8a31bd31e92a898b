"""A door in front of the real registry that a test can close: it then answers 503, and otherwise passes on what it is asked."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import requests


class FlakyRegistry:
    def __init__(self, registry):
        target = urlsplit(registry.url)
        base, http = f"{target.scheme}://{target.netloc}", requests.Session()
        http.trust_env = False
        self._open = threading.Event()
        self._open.set()
        is_open = self._open.is_set

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = 503, b""
                if is_open():
                    answer = http.get(base + self.path, timeout=10)
                    status, body = answer.status_code, answer.content
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}{target.path}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close_door(self):
        self._open.clear()

    def open_door(self):
        self._open.set()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
