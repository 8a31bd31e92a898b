"""Who may connect: tickets of plain clients, tokens of Socket.IO clients, and what those see who may not."""

import re
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from support import contract, records, tokens
from support.contract import compact
from support.waiting import eventually

UNAUTHORIZED_FRAMES = ['42["authorization:error",' + compact(contract.authorization_error()) + "]", "41"]

# Tokens that must not do, each for a reason of its own.
BAD_TOKENS = {
    "not a token": "not.a.token",
    "an empty one": "",
    "an expired one": tokens.token("sub", role="ADMIN", lifetime=-5),
    "another secret's": tokens.token("sub", role="ADMIN", secret="another secret that is long enough for HS256"),
    "another issuer's": tokens.token("sub", role="ADMIN", iss="https://login.elsewhere.example"),
    "for another audience": tokens.token("sub", role="ADMIN", aud="somebody-else"),
    "without an issuer": tokens.token("sub", role="ADMIN", iss=None),
    "without an expiry": tokens.token("sub", role="ADMIN", exp=None),
    "without a subject": tokens.token(None, role="ADMIN"),
    "unsigned": tokens.token("sub", role="ADMIN", secret=None, algorithm="none"),
    "of another algorithm": tokens.token("sub", role="ADMIN", algorithm="HS512"),
}


def assert_refused_for_good(client):
    """The documented error, then a disconnect that the official client takes as final."""
    assert client.wait_for_life("disconnect") == "io server disconnect"
    opened, connected, *rest = client.frames.all()
    assert opened.startswith("0{") and connected.startswith('40{"sid":"')
    assert rest == UNAUTHORIZED_FRAMES
    assert [(event.name, event.args) for event in client.events.all()] == [
        ("authorization:error", [contract.authorization_error()])
    ]


# Socket.IO


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_is_answered_with_the_documented_error(service, kind):
    assert_refused_for_good(service.open_socket_io(auth={"token": BAD_TOKENS[kind]}))


def test_no_token_is_answered_with_the_documented_error(service):
    assert_refused_for_good(service.open_socket_io())


def test_a_refused_client_does_not_come_back(service):
    client = service.open_socket_io(reconnectionDelay=100, reconnectionDelayMax=200)
    assert_refused_for_good(client)

    # The one wait by the clock: 15 times the delay after which a reconnecting client would have tried.
    time.sleep(3)

    assert [kind for kind, _ in client.life.all()] == ["connect", "disconnect"]
    assert len(client.frames.all()) == 4


def test_a_good_token_is_answered_in_the_documented_sequence(service):
    client = service.socket_io("somebody", role="CUSTOMER")

    opened, connected, authorized = client.frames.all()

    assert re.fullmatch(
        r'0\{"sid":"[^"]+","upgrades":\[\],"pingInterval":25000,"pingTimeout":20000,"maxPayload":\d+\}', opened
    )
    assert re.fullmatch(r'40\{"sid":"[^"]+"\}', connected)
    assert authorized == '42["authorization:ok"]'


def test_the_authorization_header_does_as_well(service):
    header = f"Bearer {tokens.token('header-user', role='ADMIN')}"

    service.open_socket_io(extraHeaders={"Authorization": header}).wait_until_authorized()


def test_a_token_in_the_query_is_no_token(service):
    assert_refused_for_good(service.open_socket_io(query={"token": tokens.token("query-user", role="ADMIN")}))


def test_a_token_in_the_query_does_where_it_is_switched_on(start_service):
    service = start_service({"auth": {"query_token": True}})

    service.open_socket_io(query={"token": tokens.token("query-user", role="ADMIN")}).wait_until_authorized()
    assert_refused_for_good(service.open_socket_io(query={"token": "not.a.token"}))


def test_an_expired_token_ends_a_socket_io_connection_without_switching_off_its_reconnection(service):
    client = service.socket_io("short-lived", role="ADMIN", lifetime=3)

    assert client.wait_for_life("disconnect", within=4) in ("transport close", "transport error")
    assert "41" not in client.frames.all()


# Tickets and plain clients


def test_a_ticket_is_granted_with_the_documented_body(service):
    answer = service.request_ticket(tokens.token("somebody", role="USER"))

    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    body = answer.json()
    assert list(body) == list(contract.ticket_granted())
    assert body | {"token": None} == contract.ticket_granted() | {"token": None}
    assert re.fullmatch("[0-9A-Za-z]{32}", body["token"])


def test_every_ticket_is_another_one(service):
    tickets = {service.ticket("somebody", role="USER") for _ in range(20)}

    assert len(tickets) == 20


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_bad_token_gets_no_ticket_but_the_documented_body(service, kind):
    answer = service.request_ticket(BAD_TOKENS[kind])

    assert (answer.status_code, answer.json()) == (401, contract.ticket_refused())
    assert list(answer.json()) == list(contract.ticket_refused())


def test_no_token_gets_no_ticket(service):
    answer = service.request_ticket()

    assert (answer.status_code, answer.json()) == (401, contract.ticket_refused())


def test_a_plain_connection_serves_whoever_the_ticket_was_for(service, producer):
    pizza = records.pizza()
    client = service.plain(pizza["user_uuid"], role="USER")

    producer.pizza(pizza)

    assert client.wait_for(pizza["uuid"]).name == "CREATE_PIZZA"


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
@pytest.mark.parametrize(
    "query, reason",
    [
        ("", "Connection key cannot be empty"),
        ("key=", "Connection key cannot be empty"),
        ("key=x8m1q6uLSJGYOQzXTESWc72UObD5xokh", "Wrong connection key."),
        ("key=short", "Wrong connection key."),
        ("key=%00%ff", "Wrong connection key."),
    ],
)
def test_a_missing_or_wrong_key_is_upgraded_and_closed_with_4001(service, path, query, reason):
    client = service.plain_at(query, path=path)

    assert client.wait_for_close() == (4001, reason)
    assert client.messages() == []


def test_a_ticket_is_good_for_one_connection_only(service):
    ticket = service.ticket("once", role="USER")
    first = service.plain_at(f"key={ticket}")

    second = service.plain_at(f"key={ticket}")

    assert second.wait_for_close() == (4001, "Wrong connection key.")
    assert first.is_open()


def test_of_many_who_redeem_a_ticket_at_once_exactly_one_wins(service):
    for _ in range(5):
        clients = redeem_at_once(service, service.ticket("contended", role="USER"), contenders=8)

        assert count_winners(clients) == 1


def redeem_at_once(service, ticket, contenders):
    start = threading.Barrier(contenders)
    clients = []

    def redeem():
        start.wait()
        clients.append(service.plain_at(f"key={ticket}"))

    threads = [threading.Thread(target=redeem) for _ in range(contenders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clients


def count_winners(clients):
    """Waits until all but one are closed: the losers, who must be told so."""
    eventually(lambda: sum(client.is_open() for client in clients) <= 1, 2, "all but one closed")
    losers = [client for client in clients if not client.is_open()]
    assert {loser.wait_for_close() for loser in losers} == {(4001, "Wrong connection key.")}
    return len(clients) - len(losers)


def test_a_plain_connection_ends_when_its_token_expires(service):
    client = service.plain("short-lived", role="USER", lifetime=3)

    code, _reason = client.wait_for_close(within=4)

    assert code == 4002


def test_a_ticket_dies_with_the_token_it_was_issued_for(service):
    ticket = service.ticket("short-lived", role="USER", lifetime=2)
    time.sleep(3)

    code, _reason = service.plain_at(f"key={ticket}").wait_for_close()

    assert code in (4001, 4002)


def test_a_service_with_a_public_key_takes_its_tokens_only(start_service, rsa_keys):
    private_pem, public_pem_file = rsa_keys
    service = start_service({"auth": {"secret": None, "public_key_file": str(public_pem_file)}})

    service.open_socket_io(
        auth={"token": tokens.token("rsa-user", role="ADMIN", secret=private_pem, algorithm="RS256")}
    ).wait_until_authorized()
    assert_refused_for_good(service.open_socket_io(auth={"token": tokens.token("hs-user", role="ADMIN")}))


@pytest.fixture(scope="module")
def rsa_keys(run_folder):
    """A key pair made for this run: the private half as PEM text, the public half as a file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private_pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public_pem_file = run_folder / "rs256.pem"
    public_pem_file.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private_pem, public_pem_file
