"""Broken and endless frames: each ends its connection with the right close code, soon, and costs next to nothing.

Both protocols stand on the same frames, so each attack is made on both.
"""

import itertools
import struct
import time

import pytest

from support import records
from support.costs import Cost
from support.raw import BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, RawClient, client_frame, text
from support.waiting import SLACK, eventually

GONE_WITHIN = 1 * SLACK
PROTOCOLS = ("plain", "socketio")


@pytest.fixture(scope="module")
def service(own_service):
    return own_service


def attacker(service, protocol):
    if protocol == "plain":
        return RawClient(service.ws_url(f"key={service.ticket('attacker', role='USER')}"))
    return RawClient(service.ws_url("EIO=4&transport=websocket"))


def close_code(frames):
    """What the last frame says; None where it is no Close or has no code."""
    opcode, payload = frames[-1] if frames else (None, b"")
    return struct.unpack_from(">H", payload)[0] if opcode == CLOSE and payload else None


def closing(code, reason=b""):
    return client_frame(FINAL | CLOSE, struct.pack(">H", code) + reason)


def fragments(payload, count):
    return (
        client_frame(TEXT, payload)
        + client_frame(CONTINUATION, payload) * (count - 2)
        + client_frame(FINAL | CONTINUATION, payload)
    )


BROKEN = {
    "no mask": (b"\x81\x02hi", 1002),
    "no mask on a close": (b"\x88\x00", 1002),
    "the first reserved bit": (client_frame(FINAL | 0x40 | TEXT, b"x"), 1002),
    "the second reserved bit": (client_frame(FINAL | 0x20 | TEXT, b"x"), 1002),
    "the third reserved bit": (client_frame(FINAL | 0x10 | TEXT, b"x"), 1002),
    "a reserved bit on a ping": (client_frame(FINAL | 0x40 | PING), 1002),
    "opcode 3": (client_frame(FINAL | 0x3, b"x"), 1002),
    "opcode 7": (client_frame(FINAL | 0x7, b"x"), 1002),
    "opcode 11": (client_frame(FINAL | 0xB), 1002),
    "opcode 15": (client_frame(FINAL | 0xF), 1002),
    "a length of 2^63": (client_frame(FINAL | TEXT, length=1 << 63), 1002),
    "a length of 2^64 - 1": (client_frame(FINAL | TEXT, length=(1 << 64) - 1), 1002),
    "a length of 2^63 - 1": (client_frame(FINAL | TEXT, length=(1 << 63) - 1), 1009),
    "a length of 2^32": (client_frame(FINAL | BINARY, length=1 << 32), 1009),
    "a length one above the limit": (client_frame(FINAL | TEXT, length=65_537), 1009),
    "a length that is not in its shortest form": (b"\x81\xfe\x00\x01" + bytes(4) + b"x", 1002),
    "a long length that is not in its shortest form": (b"\x81\xff" + (1).to_bytes(8) + bytes(4) + b"x", 1002),
    "fragments above the limit": (fragments(b"6" * 30_000, 3), 1009),
    "too many empty fragments": (fragments(b"", 1_025), 1009),
    "a continuation of nothing": (client_frame(FINAL | CONTINUATION, b"x"), 1002),
    "an empty continuation of nothing": (client_frame(CONTINUATION), 1002),
    "a message in a message": (client_frame(TEXT, b"6") + client_frame(FINAL | TEXT, b"6"), 1002),
    "a ping in fragments": (client_frame(PING, b"x"), 1002),
    "a long ping": (client_frame(FINAL | PING, b"x" * 126), 1002),
    "a ping of 2^63 - 1": (client_frame(FINAL | PING, length=(1 << 63) - 1), 1002),
    "a long pong": (client_frame(FINAL | PONG, b"x" * 126), 1002),
    "bytes that are no UTF-8": (client_frame(FINAL | TEXT, b"6\xff"), 1007),
    "an overlong form": (client_frame(FINAL | TEXT, b"6\xc0\x80"), 1007),
    "a surrogate": (client_frame(FINAL | TEXT, b"6\xed\xa0\x80"), 1007),
    "above the last character": (client_frame(FINAL | TEXT, b"6\xf4\x90\x80\x80"), 1007),
    "half a character": (client_frame(FINAL | TEXT, b"6\xd0"), 1007),
    "bad UTF-8 in fragments": (client_frame(TEXT, b"6") + client_frame(FINAL | CONTINUATION, b"\xff"), 1007),
    "a close with half a code": (client_frame(FINAL | CLOSE, b"\x03"), 1002),
    "a close with code 999": (closing(999), 1002),
    "a close with code 1005": (closing(1005), 1002),
    "a close with code 1006": (closing(1006), 1002),
    "a close with code 65535": (closing(65_535), 1002),
    "a close with bad UTF-8": (closing(1000, b"\xff"), 1007),
    "a long close": (client_frame(FINAL | CLOSE, b"\x03\xe8" + b"x" * 124), 1002),
    "a close in fragments": (client_frame(CLOSE, b"\x03\xe8"), 1002),
    "a second close": (closing(1001) * 2, 1001),
    "a ping after the close": (closing(1001) + client_frame(FINAL | PING), 1001),
    "rubbish after the close": (closing(1001) + b"\xff" * 1_000, 1001),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_broken_frames_end_the_connection_with_their_code_within_a_second(service, protocol, say):
    seconds = {}
    for what, (attack, code) in BROKEN.items():
        client = attacker(service, protocol)
        start = time.monotonic()
        client.send(attack)
        # It goes on as if nothing had happened, and never closes by itself.
        client.send(client_frame(FINAL | PING) * 100)
        assert close_code(client.end(GONE_WITHIN)) == code, what
        seconds[what] = time.monotonic() - start
        client.close()
    slowest = max(seconds, key=seconds.get)
    say(f"{protocol}: {len(seconds)} attacks, the slowest to be gone: {slowest}, {seconds[slowest]:.2f} s")


FLOODS = {
    "pings": client_frame(FINAL | PING) * 10_000,
    "long pings": client_frame(FINAL | PING, b"p" * 125) * 500,
    "pongs": client_frame(FINAL | PONG) * 10_000,
    "long pongs": client_frame(FINAL | PONG, b"p" * 125) * 500,
    "small messages": text("6") * 10_000,
    "large messages": text("3" + "x" * 65_000),
    "messages of 1,000 empty fragments": client_frame(TEXT, b"6")
    + client_frame(CONTINUATION) * 998
    + client_frame(FINAL | CONTINUATION),
    "messages of which each fragment is followed by a ping": client_frame(TEXT, b"6")
    + (client_frame(CONTINUATION) + client_frame(FINAL | PING)) * 500
    + client_frame(FINAL | CONTINUATION),
}
ATTACKERS = 20


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_ends_within_a_second(service, flood, say):
    told = flooded(service, "plain", [FLOODS[flood]])
    say(f"{flood}: {told}")


def test_floods_of_all_sorts_end_within_a_second(service, say):
    told = flooded(service, "socketio", FLOODS.values())
    say(f"all at once: {told}")


def flooded(service, protocol, floods):
    """What it cost that so many sent each of these until they were cut off; nobody read an answer before."""
    cost, ended = Cost(service), endings(service, protocol)
    clients = [(attacker(service, protocol), flood) for flood in floods for _ in range(ATTACKERS)]
    flooding = clients
    # They take turns to send.
    deadline = time.monotonic() + GONE_WITHIN * (1 + len(clients) / ATTACKERS)
    while flooding:
        assert time.monotonic() < deadline, f"{len(flooding)} still flood"
        flooding = [(client, flood) for client, flood in flooding if client.send(flood)]
    told, grown = cost.share(len(clients))
    # Who sends on after its end may lose the Close frame to the reset of the connection.
    assert {close_code(client.end(GONE_WITHIN)) for client, _ in clients} <= {1008, None}
    eventually(lambda: endings(service, protocol) == ended + len(clients), 1, "every attacker ended as a flood")
    for client, _ in clients:
        client.close()
    assert grown < len(clients) * 100_000 + 8 * 2**20
    return told


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_patient_reader_of_its_own_flood_sees_1008(service, protocol):
    client = attacker(service, protocol)
    for sent in itertools.count(100, 100):
        assert client.send(client_frame(FINAL | PONG) * 100)
        if closed := [frame for frame in client.frames(silence=0.01) if frame[0] == CLOSE]:
            break
    assert closed[0][1][2:] == b"Too much at once" and close_code(closed) == 1008
    # Frames are dear, however small: by their bytes alone these would be 80,000.
    assert sent < 10_000
    client.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_pings_at_once_are_answered_by_a_few_pongs_and_the_newest(service, protocol):
    client = attacker(service, protocol)
    client.send(b"".join(client_frame(FINAL | PING, b"%03d" % number) for number in range(1_000)))
    pongs = []
    for opcode, payload in client.frames(silence=2 * SLACK):
        pongs += [payload] if opcode == PONG else []
        if payload == b"999":
            break
    # Some for each read, and it takes a few.
    assert len(pongs) < 300 and pongs == sorted(pongs)
    client.close()


def test_who_stays_just_below_the_flood_costs_little(service, say):
    clients = [attacker(service, "plain") for _ in range(ATTACKERS)]
    cost = Cost(service)
    deadline = time.monotonic() + 2
    while (now := time.monotonic()) < deadline:
        for client in clients:
            assert client.send(client_frame(FINAL | PING, b"p" * 125))
        time.sleep(max(0, now + 1 / 30 - time.monotonic()))
    say(f"30 long pings a second, each in a packet of its own, answers not read: {cost.share(ATTACKERS)[0]}")
    for client in clients:
        client.close()


def test_a_good_client_is_served_during_and_after_all_that(service, producer):
    good = service.plain("good", role="ADMIN")
    bad = [attacker(service, protocol) for protocol in PROTOCOLS for _ in range(20)]
    for client in bad:
        client.send(FLOODS["pings"])
    good.wait_for(producer.pizza(records.pizza())["uuid"])
    for client in bad:
        client.close()
    good.close()
    eventually(lambda: service.metric("dumbwaiter_connections") == 0, 2, "no connection is left")
    eventually(lambda: service.metric("process_open_fds") < 200, 2, "no socket is left")


def endings(service, protocol):
    return service.metric("dumbwaiter_connections_ended_total", protocol=protocol, ending="flood")
