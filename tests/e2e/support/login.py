"""The login that sessions are looked up at: simulated, an HTTP server that answers as told."""

import http.server
import json
import threading
from http.cookies import SimpleCookie


class Login:
    """Answers a session cookie with claims, 401 where it knows no such session, or 503 while it is down."""

    def __init__(self):
        self.claims = {}
        self.is_down = False
        self.lookups = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/session"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, cookie):
        session = SimpleCookie(cookie)["sessionId"].value
        self.lookups.append(session)
        if self.is_down:
            return 503, {}
        claims = self.claims.get(session)
        return (401, {}) if claims is None else (200, claims)

    def _handler(login):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, body = login._answer(self.headers["Cookie"])
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
