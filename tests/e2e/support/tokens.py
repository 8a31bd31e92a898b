"""Access tokens, signed by PyJWT as the shop's login would sign them."""

import time

import jwt

SECRET = "an end-to-end secret that nobody else should use, long enough for HS512 too"
ISSUER = "https://login.shop.example"
AUDIENCE = "dumbwaiter"


def token(sub, *, lifetime=600, secret=SECRET, algorithm="HS256", kid=None, **claims):
    """A token for `sub`; `claims` adds role, store_id or overrides iss and aud (None leaves a claim out)."""
    now = int(time.time())
    all_claims = {"sub": sub, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + lifetime} | claims
    present = {name: value for name, value in all_claims.items() if value is not None}
    return jwt.encode(present, secret, algorithm=algorithm, headers={"kid": kid} if kid else None)
