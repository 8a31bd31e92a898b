"""Handshakes as clients really make them, and how wrong ones are refused before and after the upgrade."""

import json

import pytest

from support import records, tokens
from support.service import UPGRADE

# Engine.IO's own codes for requests that never become a connection.
REFUSALS = [
    ("GET", "EIO=4&transport=polling", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=carrier-pigeon", 0, "Transport unknown"),
    ("GET", "EIO=4", 0, "Transport unknown"),
    ("GET", "EIO=4&transport=websocket&sid=nobody-has-this", 1, "Session ID unknown"),
    ("POST", "EIO=4&transport=websocket", 2, "Bad handshake method"),
    ("GET", "EIO=3&transport=websocket", 5, "Unsupported protocol version"),
    ("GET", "EIO=5&transport=websocket", 5, "Unsupported protocol version"),
]


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
@pytest.mark.parametrize("method, query, code, message", REFUSALS)
def test_a_wrong_request_is_refused_before_the_upgrade(service, path, method, query, code, message):
    answer = service.http(method, f"{path}?{query}", headers=UPGRADE)

    assert answer.status_code == 400
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == {"code": code, "message": message}


def test_a_request_that_asks_for_no_upgrade_is_a_bad_request(service):
    answer = service.http("GET", "/ws/?EIO=4&transport=websocket")

    assert (answer.status_code, answer.json()["code"]) == (400, 3)


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
@pytest.mark.parametrize(
    "query", ["EIO=4&transport=websocket", "transport=websocket&EIO=4", "transport=websocket&t=P1&EIO=4"]
)
def test_socket_io_is_served_with_and_without_the_slash(service, path, query):
    client = service.plain_at(query, path=path)

    opened = first_frame(client)

    assert opened.startswith("0{")
    assert list(json.loads(opened[1:])) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
def test_plain_clients_are_served_with_and_without_the_slash(service, producer, path):
    ticket = service.ticket("staff", role="ADMIN")
    client = service.plain_at(f"key={ticket}", path=path)

    pizza = producer.pizza(records.pizza())

    client.wait_for(pizza["uuid"])


def test_an_unknown_path_is_not_found(service):
    assert service.http("GET", "/nothing-here").status_code == 404


def test_an_unknown_namespace_is_refused_by_name(service):
    client = service.open_socket_io(namespace="/kitchen", auth={"token": tokens.token("staff", role="ADMIN")})

    assert client.wait_for_life("connect_error") == "Invalid namespace"
    assert client.frames.all()[1] == '44/kitchen,{"message":"Invalid namespace"}'


def test_a_bare_connect_takes_the_token_of_the_request(service):
    client = socket_by_hand(service)

    client.send("40")

    client.inbox.wait_for(lambda message: message.text == '42["authorization:ok"]', 2, "authorization:ok")


def test_a_connect_with_a_token_by_hand(service):
    client = service.plain_at("EIO=4&transport=websocket")
    first_frame(client)

    client.send("40" + json.dumps({"token": tokens.token("staff", role="ADMIN")}))

    client.inbox.wait_for(lambda message: message.text == '42["authorization:ok"]', 2, "authorization:ok")


def test_unknown_events_and_a_probe_ping_do_not_disturb(service, producer):
    client = socket_by_hand(service)
    client.send("40")
    client.inbox.wait_for(lambda message: message.text == '42["authorization:ok"]', 2, "authorization:ok")

    client.send('42["what:is:this",{"a":[1,2,3]}]')
    client.send('427["with:ack"]')

    order = producer.order(records.order())
    client.inbox.wait_for(lambda message: order["_id"] in message.text, 2, "the order")
    assert client.is_open()


@pytest.mark.parametrize("frame", ["40", "42{not json", "42", "4", "9", "", '451-["binary"]'])
def test_what_breaks_the_protocol_ends_the_connection(service, frame):
    client = socket_by_hand(service)
    client.send("40")
    client.inbox.wait_for(lambda message: message.text == '42["authorization:ok"]', 2, "authorization:ok")

    client.send(frame)

    client.wait_for_close()


@pytest.mark.parametrize("frame", ["1", "abc", "4abc"])
def test_a_fresh_connection_ends_when_the_client_says_so_or_talks_nonsense(service, frame):
    client = socket_by_hand(service)

    client.send(frame)

    client.wait_for_close()


def test_a_disconnect_of_the_client_ends_the_connection(service):
    client = socket_by_hand(service)
    client.send("40")
    client.inbox.wait_for(lambda message: message.text == '42["authorization:ok"]', 2, "authorization:ok")

    client.send("41")

    client.wait_for_close()


def test_pings_of_the_client_are_answered_one_by_one(service):
    client = socket_by_hand(service)

    for count in (1, 2, 3):
        client.send("2")
        client.inbox.wait_for_count(1 + count, 2, "frames")

    assert [message.text for message in client.inbox.all()[1:4]] == ["3", "3", "3"]


def test_an_event_before_the_connect_ends_the_connection(service):
    client = socket_by_hand(service)

    client.send('42["order:new"]')

    client.wait_for_close()


def test_a_message_that_is_too_big_ends_the_connection_with_1009(service):
    client = service.plain("talkative", role="USER")

    client.send("x" * 100_000)

    code, _reason = client.wait_for_close()
    assert code == 1009


def test_what_a_plain_client_says_is_ignored(service, producer):
    client = service.plain("talkative", role="ADMIN")

    client.send("hello?")
    client.send(b"\x00\x01")

    pizza = producer.pizza(records.pizza())
    client.wait_for(pizza["uuid"])
    assert len(client.messages()) == 1


def test_the_official_client_comes_back_by_itself_when_the_service_restarts(start_service):
    service = start_service()
    client = service.open_socket_io(
        auth={"token": tokens.token("staff", role="ADMIN")}, reconnectionDelay=100, reconnectionDelayMax=200
    ).wait_until_authorized()

    service.process.terminate()
    client.wait_for_life("disconnect")
    service.start().wait_until_ready()

    client.events.wait_for_count(2, 3, "authorization:ok")
    assert {event.name for event in client.events.all()} == {"authorization:ok"}


def socket_by_hand(service):
    """A Socket.IO connection without a Socket.IO library: its token came with the request."""
    headers = {"Authorization": f"Bearer {tokens.token('by-hand', role='ADMIN')}"}
    client = service.plain_at("EIO=4&transport=websocket", headers=headers)
    first_frame(client)
    return client


def first_frame(client):
    return client.inbox.wait_for_count(1, 2, "frames")[0].text
