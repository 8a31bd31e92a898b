"""How callers are known: tokens of each algorithm, keys by name, and sessions of a login (a simulated one)."""

import time
import uuid

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support import contract, records, tokens
from support.login import Login

SECRETS = {"HS256": "2" * 32, "HS384": "3" * 48, "HS512": "5" * 64}

# Token algorithms by the kind of key that each needs.
KINDS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), lambda: rsa.generate_private_key(65537, 2048)),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

ALGORITHMS = (*SECRETS, *KINDS)


@pytest.fixture(scope="module")
def signing_keys():
    """A key of its own for each algorithm, made for this run."""
    return SECRETS | {algorithm: make() for algorithm, make in KINDS.items()}


@pytest.fixture
def key_tables(signing_keys, run_folder):
    """The `[[auth.keys]]` that verify what the signing keys sign; each is called by its algorithm."""
    return [
        {"kid": algorithm, "algorithm": algorithm} | verifying_half(key, run_folder / f"{algorithm}.pem")
        for algorithm, key in signing_keys.items()
    ]


def verifying_half(key, file):
    if isinstance(key, str):
        return {"secret": key}
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    file.write_bytes(pem)
    return {"public_key_file": str(file)}


# Tokens


def test_a_token_of_every_algorithm_is_good_with_its_own_key_only(start_service, signing_keys, key_tables):
    service = start_service({"auth": {"secret": None, "keys": key_tables}})

    def status(algorithm, kid):
        token = tokens.token("somebody", secret=signing_keys[algorithm], algorithm=algorithm, kid=kid)
        return service.request_ticket(token).status_code

    assert {algorithm: status(algorithm, kid=algorithm) for algorithm in ALGORITHMS} == dict.fromkeys(ALGORITHMS, 200)
    confused = {(algorithm, kid): status(algorithm, kid) for algorithm in ALGORITHMS for kid in ALGORITHMS}
    assert {pair for pair, answer in confused.items() if answer == 200} == {(name, name) for name in ALGORITHMS}
    assert status("RS256", kid="somebody-else") == 401
    assert status("RS256", kid=None) == 401


def test_claims_that_are_required_must_be_there(start_service):
    service = start_service({"auth": {"required_claims": ["sub", "store_id"], "max_lifetime": "1h"}})

    def status(**token):
        return service.request_ticket(tokens.token("somebody", **token)).status_code

    assert status(store_id=7) == 200
    assert status() == 401
    assert status(store_id=7, lifetime=3700) == 401
    assert status(store_id=7, iat=None) == 401
    assert status(store_id=7, nbf=int(time.time()) + 60) == 401


# Sessions


@pytest.fixture
def login():
    login = Login()
    yield login
    login.stop()


@pytest.fixture
def service(start_service, login):
    return start_service({"session": {"url": login.url, "cache_ttl": "0s"}})


def log_in(login, lifetime=600, **claims):
    """A session of somebody who has just logged in."""
    session = str(uuid.uuid4())
    login.claims[session] = {"sub": f"user-of-{session}", "exp": int(time.time()) + lifetime} | claims
    return session


def open_with_session(service, session, **options):
    return service.open_socket_io(extraHeaders={"Cookie": f"theme=dark; sessionId={session}"}, **options)


def test_a_session_is_as_good_as_a_token(service, login, producer):
    session = log_in(login, role="ADMIN")
    screen = open_with_session(service, session).wait_until_authorized()
    ticket = service.http("GET", "/api/v1/ws/ticket", cookies={"sessionId": session}).json()["token"]
    plain = service.plain_at(f"key={ticket}")

    order, pizza = producer.order(records.order()), producer.pizza(records.pizza())

    assert screen.wait_for("order:new", order["_id"])
    assert plain.wait_for(pizza["uuid"])
    assert set(login.lookups) == {session}


def test_a_session_that_the_login_does_not_know_is_refused_for_good(service, login):
    client = open_with_session(service, "made-up")

    assert client.wait_for_life("disconnect") == "io server disconnect"
    assert [(event.name, event.args) for event in client.events.all()] == [
        ("authorization:error", [contract.authorization_error()])
    ]
    answer = service.http("GET", "/api/v1/ws/ticket", cookies={"sessionId": "made-up"})
    assert (answer.status_code, answer.json()) == (401, contract.ticket_refused())


def test_a_client_comes_back_by_itself_once_the_login_is_up_again(service, login):
    session = log_in(login, role="ADMIN")
    login.is_down = True
    client = open_with_session(service, session, reconnectionDelay=100, reconnectionDelayMax=200)
    answer = service.http("GET", "/api/v1/ws/ticket", cookies={"sessionId": session})
    assert answer.status_code == 503 and 1 <= int(answer.headers["Retry-After"]) <= 5
    client.wait_for_life("attempt")

    login.is_down = False

    client.wait_until_authorized(within=5)
    assert [event.name for event in client.events.all()] == ["authorization:ok"]
    assert "41" not in client.frames.all()


def test_a_page_of_another_host_cannot_use_a_session(start_service, login):
    origins = ["https://other.example"]
    service = start_service({"session": {"url": login.url}, "web": {"origins": origins}})
    session = log_in(login, role="ADMIN")
    headers = {"Cookie": f"sessionId={session}", "Origin": origins[0]}

    client = service.open_socket_io(extraHeaders=headers)

    assert client.wait_for_life("disconnect") == "io server disconnect"
    assert login.lookups == []


def test_no_session_is_in_the_log(service, login):
    session = log_in(login)
    open_with_session(service, session).wait_until_authorized()
    login.is_down = True
    open_with_session(service, session).wait_for_life("attempt", within=5)

    log = service.log()

    assert "cannot look up a session" in log and "status 503" in log
    assert session not in log
