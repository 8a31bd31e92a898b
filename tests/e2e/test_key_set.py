"""Keys that an issuer publishes at an address (JWKS; the issuer is simulated): which count, and how they change."""

import jwt
import pytest

from support import records, shapes
from support.issuer import Issuer
from support.processes import free_port
from support.service import Service, toml
from support.tools import run
from support.waiting import eventually


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.stop()


@pytest.fixture
def start(start_service):
    def start(url, **auth):
        return start_service({"auth": {"secret": None, "jwks_url": url} | auth})

    return start


def status(service, token):
    return service.request_ticket(token).status_code


def test_published_keys_of_every_kind_count_each_for_its_own_algorithm(start, issuer):
    for algorithm in ("RS256", "ES256", "EdDSA"):
        issuer.add_key(algorithm, algorithm)
    issuer.add_key("for encryption", "RS256", use="enc")
    issuer.published.append({"kty": "oct", "kid": "shared", "k": "c2VjcmV0", "alg": "HS256"})
    issuer.published.append({"kty": "a kind of the future", "kid": {"not": "a text"}})

    service = start(issuer.url)

    assert {kid: status(service, issuer.token(kid)) for kid in ("RS256", "ES256", "EdDSA")} == {
        "RS256": 200,
        "ES256": 200,
        "EdDSA": 200,
    }
    assert service.metric("dumbwaiter_jwks_keys", state="used") == 3
    assert service.metric("dumbwaiter_jwks_keys", state="passed_over") == 3
    assert service.metric("dumbwaiter_jwks_fetches_total", outcome="fetched") == 1


def test_a_new_key_is_known_without_a_restart_and_made_up_names_cost_the_issuer_nothing(start, issuer, producer):
    issuer.add_key("old")
    service = start(issuer.url)
    screen = service.open_socket_io(auth={"token": issuer.token("old", role="ADMIN")}).wait_until_authorized()

    issuer.add_key("new")
    issuer.add_key("unpublished")
    issuer.published.pop()
    made_up = {status(service, issuer.token("unpublished")) for _ in range(50)}
    late = service.open_socket_io(
        auth={"token": issuer.token("new", role="ADMIN")}, reconnectionDelay=500, reconnectionDelayMax=1000
    )

    # The set may be fetched every 30 s: until then both are told to come back, and the library does so by itself.
    assert made_up == {503}
    late.wait_until_authorized(within=8)
    assert [event.name for event in late.events.all()] == ["authorization:ok"]
    assert issuer.requests == 2
    assert status(service, issuer.token("new")) == 200
    assert status(service, issuer.token("unpublished")) == 401
    order = producer.order(records.order())
    assert screen.wait_for("order:new", order["_id"])


def test_an_issuer_that_is_down_at_the_start_is_waited_for(kafka, registry, driver, start_service):
    port = free_port()
    service = Service(
        kafka.brokers,
        registry.url,
        driver,
        {"auth": {"secret": None, "jwks_url": f"http://127.0.0.1:{port}/keys"}},
    ).start()
    try:
        eventually(lambda: service.readyz() == 503 and "kafka: caught up" in service.readiness(), 10, "all but keys")
        assert "keys: auth.jwks_url has not given any yet" in service.readiness()
        issuer = Issuer(port)
        issuer.add_key("a")
        try:
            service.wait_until_ready()
            assert status(service, issuer.token("a")) == 200
        finally:
            issuer.stop()
    finally:
        service.stop()


def test_check_asks_for_the_keys(issuer, kafka, registry, run_folder):
    issuer.add_key("a")
    issuer.add_key("b", use="enc")
    config = run_folder / "key-set.toml"
    config.write_text(
        f'[kafka]\nbrokers = ["{kafka.brokers}"]\n[registry]\nurls = ["{registry.url}"]\n'
        f'[auth]\njwks_url = "{issuer.url}"\n'
    )
    good = run("check", "--config", config, "--online")
    issuer.status = 500
    bad = run("check", "--config", config, "--online")

    assert good.code == 0 and "1 used; passed over: keys[1]: is not for signatures" in good.out
    assert bad.code == 1 and "status 500" in bad.out


def test_the_tools_know_the_published_keys(issuer, registry, producer, tmp_path):
    for kid, algorithm in (("old", "RS256"), ("new", "ES256")):
        issuer.add_key(kid, algorithm)
    config, record, key_set, private = (tmp_path / name for name in ("d.toml", "record", "keys.json", "key.pem"))
    config.write_text(toml({"registry": {"urls": [registry.url]}, "auth": {"jwks_url": issuer.url}}))
    record.write_bytes(producer.encode(shapes.PIZZA, records.pizza(store_id=7)))
    key_set.write_text(issuer.key_set())
    private.write_bytes(issuer.private_key("new"))

    def explain(token, *more):
        about = ("--file", record, "--topic", "pizza.created", "--token", token, "--json")
        return run("explain", "--config", config, *about, *more)

    made = run("token", "--config", config, "--private-key-file", private, "--store-id", 7)
    token = made.out.strip()
    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "ES256", "kid": "new"}, made.err
    for good in (token, issuer.token("old", store_id=7)):
        assert explain(good).json()["by"] == ["store:7"]
    asked = issuer.requests

    issuer.published.pop()
    refused = explain(token).json()["user"]["refused"]
    assert refused == "token does not name a configured key", "an answer of the issuer's is final here"
    assert explain(token, "--jwks-file", key_set).json()["by"] == ["store:7"]
    assert run("token", "--config", config, "--private-key-file", private, "--jwks-file", key_set).code == 0
    assert issuer.requests == asked + 1, "who reads a file asks nobody"

    stranger = run("token", "--config", config, "--private-key-file", private)
    assert (stranger.code, stranger.out) == (1, "") and "is the private half of no key" in stranger.err
    issuer.status = 500
    unanswered = explain(token)
    assert (unanswered.code, unanswered.out) == (1, "") and "status 500" in unanswered.err
