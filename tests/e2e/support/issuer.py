"""The issuer of tokens that publishes its keys at an address: simulated, an HTTP server that answers as told."""

import json

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from support import tokens
from support.answering import AnsweringServer

_MAKE = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Issuer(AnsweringServer):
    """Has keys by name; `published` is what its address shows of them, `status` and `body` what it says instead."""

    content_type = "application/jwk-set+json"

    def __init__(self, port=0):
        self._keys = {}
        self.published = []
        self.status, self.body = 200, None
        self.requests = 0
        super().__init__(port)
        self.url = f"{self.address}/keys"

    def add_key(self, kid, algorithm="ES256", **members):
        """A new key, published from now on; `members` are added to it as it is published."""
        key = _MAKE[algorithm]()
        self._keys[kid] = (key, algorithm)
        jwk = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
        self.published.append(jwk | {"kid": kid} | members)

    def token(self, kid, sub="somebody", **claims):
        key, algorithm = self._keys[kid]
        return tokens.token(sub, secret=key, algorithm=algorithm, kid=kid, **claims)

    def private_key(self, kid):
        """PEM (PKCS 8)."""
        key, _algorithm = self._keys[kid]
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return key.private_bytes(*form)

    def key_set(self):
        return json.dumps({"keys": self.published})

    def answer(self, path, headers):
        self.requests += 1
        return self.status, (self.body or self.key_set()).encode()
