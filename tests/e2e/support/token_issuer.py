"""A company's login server, as much of it as Kafka's OAUTHBEARER asks for, on loopback.

    POST /token   client credentials (RFC 6749, 4.4) by basic authentication; answers with an access token
    GET  /jwks    the public key that the token is signed with, for the broker
"""

import base64
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from support.answering import AnsweringServer

_KEY_ID = "e2e"


class TokenIssuer(AnsweringServer):
    audience = "kafka"

    def __init__(self, client_id, client_secret):
        self._client_id = client_id
        self._basic = "Basic " + base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        super().__init__()
        self.token_url, self.jwks_url = f"{self.address}/token", f"{self.address}/jwks"

    def token(self, lifetime=600):
        now = int(time.time())
        claims = {"sub": self._client_id, "aud": self.audience, "iat": now, "exp": now + lifetime}
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})

    def answer(self, path, headers):
        return self._give_keys() if path == "/jwks" else self._give_token(headers.get("Authorization"))

    def _give_token(self, authorization):
        if authorization != self._basic:
            return 401, {"error": "invalid_client"}
        return 200, {"access_token": self.token(), "token_type": "Bearer", "expires_in": 600}

    def _give_keys(self):
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return 200, {"keys": [key | {"kid": _KEY_ID, "alg": "RS256", "use": "sig"}]}
