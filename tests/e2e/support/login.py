"""The login that sessions are looked up at: simulated, an HTTP server that answers as told."""

from http.cookies import SimpleCookie

from support.answering import AnsweringServer


class Login(AnsweringServer):
    """Answers a session cookie with claims, 401 where it knows no such session, or 503 while it is down."""

    def __init__(self):
        self.claims = {}
        self.is_down = False
        self.lookups = []
        super().__init__()
        self.url = f"{self.address}/api/session"

    def answer(self, path, headers):
        session = SimpleCookie(headers["Cookie"])["sessionId"].value
        self.lookups.append(session)
        if self.is_down:
            return 503, {}
        claims = self.claims.get(session)
        return (401, {}) if claims is None else (200, claims)
