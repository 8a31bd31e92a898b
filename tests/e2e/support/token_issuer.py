"""A company's login server, as much of it as Kafka's OAUTHBEARER asks for, on loopback.

    POST /token   client credentials (RFC 6749, 4.4) by basic authentication; answers with an access token
    GET  /jwks    the public key that the token is signed with, for the broker
"""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

_KEY_ID = "e2e"


class TokenIssuer:
    audience = "kafka"

    def __init__(self, client_id, client_secret):
        self._client_id = client_id
        self._basic = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        address = f"http://127.0.0.1:{self._server.server_port}"
        self.token_url, self.jwks_url = f"{address}/token", f"{address}/jwks"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def token(self, lifetime=600):
        now = int(time.time())
        claims = {"sub": self._client_id, "aud": self.audience, "iat": now, "exp": now + lifetime}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def answer_token(self, authorization):
        """(status, body) for a client that shows these credentials."""
        if authorization != self._basic:
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": self.token(), "token_type": "Bearer", "expires_in": 600}

    def answer_jwks(self):
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return 200, {"keys": [key | {"kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}


def _handler(issuer):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self._send(*issuer.answer_jwks())

        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._send(*issuer.answer_token(self.headers.get("Authorization")))

        def _send(self, status, body):
            payload = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    return Handler
