"""The issuer of tokens that publishes its keys at an address: simulated, an HTTP server that answers as told."""

import http.server
import json
import threading

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from support import tokens

_MAKE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Issuer:
    """Has keys by name; `published` is what its address shows of them, `status` and `body` what it says instead."""

    def __init__(self, port=0):
        self._keys = {}
        self.published = []
        self.status, self.body = 200, None
        self.requests = 0
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/keys"

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def add_key(self, kid, algorithm="ES256", **members):
        """A new key, published from now on; `members` are added to it as it is published."""
        key = _MAKE[algorithm]()
        self._keys[kid] = (key, algorithm)
        jwk = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
        self.published.append(jwk | {"kid": kid} | members)

    def token(self, kid, sub="somebody", **claims):
        key, algorithm = self._keys[kid]
        return tokens.token(sub, secret=key, algorithm=algorithm, kid=kid, **claims)

    def _handler(issuer):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.requests += 1
                body = (issuer.body or json.dumps({"keys": issuer.published})).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Type", "application/jwk-set+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler
