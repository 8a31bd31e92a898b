"""Socket.IO and Engine.IO abuse, and what made socket.io, engine.io, socket.io-parser and ws fail, each by its CVE.

Each attack either ends its own connection or changes nothing; the service stands, and whoever is connected notices nothing.
"""

import json
import socket
import struct
import time
import uuid

import pytest

from support import records, tokens
from support.bare import connect, everything
from support.costs import resident_bytes
from support.raw import BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, RawClient, client_frame, text
from support.service import UPGRADE
from support.waiting import SLACK, eventually

ENGINE_IO = "EIO=4&transport=websocket"
GONE, STAYS, REFUSED = "its connection ends", "nothing changes", "it is not authorized"


@pytest.fixture(scope="module")
def service(own_service):
    return own_service


@pytest.fixture(autouse=True)
def bystander(service, producer):
    """Somebody who is connected all the while, and gets what is new."""
    client = service.socket_io("bystander", role="ADMIN")
    yield client
    client.wait_for("order:new", producer.order(records.order())["_id"])
    service.forget_clients()


def opened(service):
    client = RawClient(service.ws_url(ENGINE_IO))
    assert next_text(client).startswith("0{")
    return client


def joined(service):
    client = opened(service)
    client.send(text("40" + json.dumps({"token": tokens.token("attacker", role="USER")})))
    assert next_text(client).startswith("40{")
    assert next_text(client) == '42["authorization:ok"]'
    return client


def next_text(client):
    """The next text message; None when the connection ended instead."""
    for opcode, payload in client.frames(silence=2 * SLACK):
        if opcode == TEXT:
            return payload.decode()
    return None


def check(client, packets, outcome):
    for packet in packets:
        client.send(packet if isinstance(packet, bytes) else text(packet))
    if outcome == STAYS:
        client.send(text("2probe"))
        assert next_text(client) == "3probe"
    elif outcome == REFUSED:
        assert next_text(client).startswith("40{")
        assert next_text(client).startswith('42["authorization:error",')
    else:
        start = time.monotonic()
        client.end(within=2 * SLACK)
        assert time.monotonic() - start < 1 * SLACK
    client.close()


def close_frame_of(client):
    """(code, reason) of the Close frame that ends the connection."""
    opcode, payload = client.end(within=2 * SLACK)[-1]
    client.close()
    assert opcode == CLOSE
    return struct.unpack_from(">H", payload)[0], payload[2:]


BEFORE_CONNECT = {
    "an event": (['42["order:new"]'], GONE),
    "an acknowledgement": (["431[]"], GONE),
    "an event for a namespace that is not there": (['42/admin,["x"]'], GONE),
    "a server's packet": (['44{"message":"x"}'], GONE),
    "a second connect at once": (["40", "40"], GONE),
    "17 namespaces": ([f"40/{n}," for n in range(17)], GONE),
    "a flood of namespaces": ([text("40/x,") * 2_000], GONE),
    "a namespace of 60,000 characters": (["40/" + "x" * 60_000 + ","], GONE),
    "a namespace without an end": (["40/" + "x" * 60_000], GONE),
    "a connect that is an array": (['40["token"]'], GONE),
    "a connect that is a number": (["407"], GONE),
    "a connect that is cut off": (['40{"token":"x'], GONE),
    "a connect that is deep": (['40{"a":' + "[" * 50_000], GONE),
    "a token that is deep": (['40{"token":' + "[" * 30_000 + "]" * 30_000 + "}"], REFUSED),
    "a token that is an object": (['40{"token":{"toString":"x"}}'], REFUSED),
    "a token of 60,000 characters": (['40{"token":"' + "x" * 60_000 + '"}'], REFUSED),
    "a token below __proto__": (['40{"__proto__":{"token":"x"}}'], REFUSED),
    "half a character as token": ([r'40{"token":"\ud800"}'], REFUSED),
    "a pid and an offset that are none": (['40{"pid":{"length":1e9},"offset":[null]}'], REFUSED),
}

WHEN_JOINED = {
    "a second connect": (["40"], GONE),
    "a second connect with a token": (['40{"token":"x"}'], GONE),
    "a binary event": (['451-["x",{"_placeholder":true,"num":0}]'], GONE),
    "a binary acknowledgement": (['461-1[{"_placeholder":true,"num":0}]'], GONE),
    "a binary event with no attachment": (['450-["x"]'], GONE),
    "2^64 attachments": (['4518446744073709551616-["x"]'], GONE),
    "less than no attachments": (['45-1-["x"]'], GONE),
    "attachments without an end": (["45" + "9" * 60_000], GONE),
    "an attachment that nobody asked for": ([client_frame(FINAL | BINARY, b"\x00" * 100)], GONE),
    "binary in base64": (["bAAECAw=="], GONE),
    "an event with a huge ack id": (["42" + "9" * 60_000 + '["x"]'], STAYS),
    "an acknowledgement with a huge id": (["43" + "9" * 60_000 + "[]"], STAYS),
    "a negative ack id": (['42-1["x"]'], GONE),
    "an event named __proto__": (['42["__proto__",{"__proto__":{"role":"ADMIN"}}]'], STAYS),
    "an event named constructor": (['42["constructor",{"constructor":{"prototype":{}}}]'], STAYS),
    "an event that is 30,000 deep": (['42["x",' + "[" * 30_000 + "]" * 30_000 + "]"], STAYS),
    "an event that is 50,000 deep, and cut off": (['42["x",' + "[" * 50_000], GONE),
    "an event that is 50,000 deep": (['42["x",' + "[" * 50_000 + "]" * 50_000 + "]"], GONE),
    "objects in objects": (['42["x",' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "]"], STAYS),
    "a name of 60,000 characters": (['42["' + "x" * 60_000 + '"]'], STAYS),
    "a name of 1 MB": (['42["' + "x" * 1_000_000 + '"]'], GONE),
    "a namespace of 1 MB": (["40/" + "x" * 1_000_000 + ","], GONE),
    "a number of 60,000 digits": (['42["x",' + "9" * 60_000 + "]"], STAYS),
    "an upgrade": (["5"], GONE),
    "an open packet": (['0{"sid":"x"}'], GONE),
}


@pytest.mark.parametrize("what", BEFORE_CONNECT)
def test_before_the_connect(service, what):
    packets, outcome = BEFORE_CONNECT[what]
    check(opened(service), packets, outcome)


@pytest.mark.parametrize("what", WHEN_JOINED)
def test_when_joined(service, what):
    packets, outcome = WHEN_JOINED[what]
    check(joined(service), packets, outcome)


def test_refusals_of_namespaces_are_few(service):
    client = opened(service)
    client.send(text("40/x,") * 1_000)
    refusals = [payload for opcode, payload in client.end(within=2 * SLACK) if opcode == TEXT]
    assert len(refusals) == 16
    client.close()


# What a packet did to socket.io or its parser.
PACKETS = {
    "CVE-2020-36049 a long head is joined character by character": (["45" + "1" * 60_000 + '-["x"]'], GONE),
    "CVE-2022-2421 an attachment that is a method": (['451-["x",{"_placeholder":true,"num":"splice"}]'], GONE),
    "CVE-2023-32695 an event whose name is an object": (['42[{"toString":"foo"}]'], GONE),
    "CVE-2024-38355 an event named error": (['42["error"]'], STAYS),
    "CVE-2026-33151 a packet that promises attachments": (['4510000000-["x"]'], GONE),
    "CVE-2026-69185 attachments that come and come": (
        ['45100-["x",{"_placeholder":true,"num":0}]', *[client_frame(FINAL | BINARY, b"x" * 10_000)] * 20],
        GONE,
    ),
}


@pytest.mark.parametrize("cve", PACKETS)
def test_packets(service, cve):
    packets, outcome = PACKETS[cve]
    check(joined(service), packets, outcome)


# What a request did to engine.io: status and Engine.IO's code.
REQUESTS = {
    "CVE-2020-36048 a POST to a transport that keeps it": ("POST", "EIO=4&transport=polling", 0),
    "CVE-2023-31125 a transport named constructor": ("GET", "EIO=4&transport=constructor", 0),
    "CVE-2023-31125 a transport named __proto__": ("GET", "EIO=4&transport=__proto__", 0),
    "CVE-2026-102600 a session named __proto__": ("GET", f"{ENGINE_IO}&sid=__proto__", 1),
    "CVE-2026-102600 a session named constructor": ("GET", f"{ENGINE_IO}&sid=constructor", 1),
}


@pytest.mark.parametrize("cve", REQUESTS)
def test_requests(service, cve):
    method, query, code = REQUESTS[cve]
    answer = service.http(method, f"/ws/?{query}", headers=UPGRADE)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_cve_2016_10518_a_pong_has_the_bytes_of_its_ping_and_no_others(service):
    client = opened(service)
    pings = [bytes([length]) * length for length in (0, 1, 2, 60, 124, 125)]
    client.send(b"".join(client_frame(FINAL | PING, ping) for ping in pings) + text("2"))
    frames = []
    for frame in client.frames(silence=2 * SLACK):
        frames.append(frame)
        if frame == (TEXT, b"3"):
            break
    assert frames == [*((PONG, ping) for ping in pings), (TEXT, b"3")]
    client.close()


def test_cve_2016_10542_a_message_is_too_large_by_its_head(service):
    client = joined(service)
    client.send(client_frame(FINAL | TEXT, length=100_000_000))
    assert close_frame_of(client) == (1009, b"Message too big")


def test_cve_2017_16031_ids_cannot_be_guessed(service):
    sids = set()
    for _ in range(20):
        client = RawClient(service.ws_url(ENGINE_IO))
        sids.add(uuid.UUID(json.loads(next_text(client)[1:])["sid"]))
        client.close()
    assert len(sids) == 20 and {sid.version for sid in sids} == {4}


def test_cve_2020_28481_a_foreign_page_is_not_heard(service):
    answer = service.http("GET", f"/ws/?{ENGINE_IO}", headers=UPGRADE | {"Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, 4)
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    "name, value",
    [
        # CVE-2021-32640: a list that was taken apart in quadratic time.
        ("Sec-WebSocket-Protocol", "b" + " " * 15_000 + "x"),
        # ws, November 2017, without a number: names that every object has.
        ("Sec-WebSocket-Extensions", "constructor, __proto__; x, hasOwnProperty; permessage-deflate"),
        # The same in quadratic time, if quotes are looked for again and again.
        ("Sec-WebSocket-Extensions", 'a; b="' + r"\c" * 5_000),
        ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=8; client_max_window_bits"),
    ],
)
def test_cve_2021_32640_headers_of_a_handshake_are_not_taken_apart(service, name, value):
    start = time.monotonic()
    answer = head_of_answer(service, f"GET /ws/?{ENGINE_IO}", UPGRADE | {name: value})
    assert answer.startswith("HTTP/1.1 101 ") and "sec-websocket" not in answer.lower().replace("sec-websocket-accept", "")
    assert time.monotonic() - start < 0.2 * SLACK


def test_cve_2022_21676_a_broken_frame_on_the_heels_of_the_handshake(service):
    frame = client_frame(FINAL | 0x30 | TEXT, b"x")
    connection = request(service, f"GET /ws/?{ENGINE_IO}", UPGRADE, after=frame)
    received = everything(connection)
    assert received.startswith(b"HTTP/1.1 101 ") and received.endswith(b"\x88\x10\x03\xeaProtocol error")


def test_cve_2022_41940_a_refused_handshake_whose_connection_breaks(service):
    for query in (ENGINE_IO, "EIO=4&transport=polling", "EIO=3&transport=websocket", f"{ENGINE_IO}&sid=x"):
        for _ in range(20):
            connection = request(service, f"GET /ws/?{query}", UPGRADE)
            # A reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
    assert service.livez() == 200


def test_cve_2024_37890_more_headers_than_there_may_be(service):
    many = {f"X-{number}": "x" for number in range(2_000)}
    assert head_of_answer(service, f"GET /ws/?{ENGINE_IO}", many | UPGRADE).startswith("HTTP/1.1 431 ")


def test_cve_2026_45736_the_answer_to_a_close_is_its_code(service):
    for reason in (b"", b"r" * 123):
        client = joined(service)
        client.send(client_frame(FINAL | CLOSE, struct.pack(">H", 3000) + reason))
        assert close_frame_of(client) == (3000, b"")


def test_cve_2026_48779_tiny_fragments_are_too_many_before_they_are_too_large(service):
    client = joined(service)
    client.send(client_frame(TEXT, b"4") + client_frame(CONTINUATION, b"2") * 1_024)
    assert close_frame_of(client) == (1009, b"Message too big")


def test_cve_2026_62389_fragments_of_messages_that_never_end_take_what_they_weigh(service, say):
    before = resident_bytes(service.process)
    clients = [opened(service) for _ in range(100)]
    for client in clients:
        client.send(client_frame(TEXT, b"4") + client_frame(CONTINUATION, b"2") * 1_000 + client_frame(FINAL | PING))
    for client in clients:
        assert next(client.frames(silence=2 * SLACK)) == (PONG, b"")
    grown = resident_bytes(service.process) - before
    for client in clients:
        client.close()
    say(f"1,000 fragments of a byte, of 100 clients: {grown / 100 / 1000:.0f} KB each")
    assert grown < 100 * 100_000


def test_cve_2026_59725_binary_posts_are_answered_and_leave_nothing_behind(service):
    octets = {"Content-Type": "application/octet-stream", "Content-Length": "1000000"}
    connections = [request(service, "POST /ws/?EIO=4&transport=polling&sid=x", octets) for _ in range(100)]
    for connection in connections:
        connection.sendall(b"x" * 100)
        assert everything(connection).startswith(b"HTTP/1.1 4")
    eventually(lambda: service.metric("process_open_fds") < 150, 2, "no socket is left")


def test_after_all_that_the_service_is_as_it_was(service):
    assert service.readyz() == 200
    assert "panicked" not in service.log()
    # The bystander of this test.
    eventually(lambda: service.metric("dumbwaiter_connections") == 1, 2, "no connection is left")
    assert service.metric("dumbwaiter_connections_ended_total", ending="panic") == 0


def request(service, line, headers, after=b""):
    connection = connect(service)
    lines = [f"{line} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + after)
    return connection


def head_of_answer(service, line, headers):
    connection = request(service, line, headers)
    received = b""
    while b"\r\n\r\n" not in received and (chunk := connection.recv(4096)):
        received += chunk
    connection.close()
    return received.partition(b"\r\n\r\n")[0].decode()
