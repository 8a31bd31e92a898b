"""All abuse at once, in a control group at the computed bound of docs/operating.md and a fifth more: the service stands."""

import json
import os
import threading
import time

import pytest

from support import records, shapes, tokens
from support.bare import connect
from support.cgroup import limited
from support.costs import peak_resident_bytes
from support.raw import CONTINUATION, FINAL, PING, PONG, TEXT, RawClient, client_frame, text
from support.waiting import eventually

MIB = 2**20
CONNECTIONS = 400
SETTINGS = {
    "journal": {"max_bytes": "32MiB"},
    "orders": {"max_bytes": "16MiB", "look_back": "0s"},
    "backfill": {"readers": 1},
    "kafka": {"properties": {"queued.max.messages.kbytes": "8192", "fetch.max.bytes": "4194304"}},
    "web": {"connections_max": CONNECTIONS},
    # A debug log of floods would be most of the work.
    "log": {"level": "warn"},
}
# The formula of docs/operating.md, with these settings: what is off or cannot be reached here is left out.
BOUND = {
    "base": 40 * MIB,
    "window": 32 * MIB,
    "open orders": 16 * MIB + 30 * MIB,
    "handshakes": 1_024 * 32 * 1024,
    "connections at their worst": CONNECTIONS * 200 * 1024,
    "pasts": 1 * 16 * MIB + 4 * 16 * MIB,
    "Kafka client": 8 * MIB + 4 * MIB,
    "tickets": 64 * MIB,
    "schemas": 20 * MIB,
}


@pytest.fixture
def group():
    group = limited(f"dumbwaiter-e2e-{os.getpid()}", sum(BOUND.values()) * 12 // 10)
    yield group
    if group:
        group.remove()


def test_all_abuse_at_once_stays_below_the_bound(start_service, producer, group, say):
    abuse(start_service, producer, group, seconds=6, events=10_000, say=say)


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_minutes_of_all_abuse_stay_below_the_bound(start_service, producer, group, say):
    abuse(start_service, producer, group, seconds=180, events=300_000, say=say)


def abuse(start_service, producer, group, seconds, events, say):
    service = start_service(SETTINGS, wrap=group.command if group else None)
    deadline = time.monotonic() + seconds
    attacks = [slow_handshakes, floods, unfinished_messages, sleepers, sleepers_that_ping, ticket_hoard, storms, replays]
    threads = [threading.Thread(target=until, args=(deadline, attack, service)) for attack in attacks]
    for thread in threads:
        thread.start()
    pizzas = [producer.encode(shapes.PIZZA, records.pizza(store_id=n % 20, description="d" * 900)) for n in range(1_000)]
    orders = [producer.encode(shapes.ORDER, records.order()) for _ in range(1_000)]
    for number in range(events // 2):
        producer.enqueue("pizza.created", pizzas[number % 1_000])
        producer.enqueue("order.created", orders[number % 1_000])
        if number % 1_000 == 0:
            producer.send_bytes("pizza.created", b"poison")
    producer.flush()
    for thread in threads:
        thread.join()

    assert service.process.is_alive(), service.process.log_tail()
    assert service.livez() == 200
    peak, bound = peak_resident_bytes(service.process), sum(BOUND.values())
    in_group = f"{group.peak_bytes() / MIB:.0f} MiB in its group" if group else "no control group could be made"
    say(f"all abuse for {seconds} s: {peak / MIB:.0f} MiB resident at the peak, {in_group}; bound {bound / MIB:.0f} MiB")
    assert peak < bound * 1.2
    eventually(lambda: is_served(service, producer), 5, "somebody good gets in, and what is new")


def until(deadline, attack, service):
    """Again and again; that the service refuses, or is full, is what it should do."""
    while time.monotonic() < deadline:
        held = []
        try:
            attack(service, held)
            time.sleep(0.5)
        except (OSError, AssertionError, KeyError, ValueError, IndexError):
            time.sleep(0.1)
        for client in held:
            client.close()


def is_served(service, producer):
    try:
        client = service.plain("good", role="ADMIN")
    except Exception:  # Full until the last attacker's connection is closed.
        return False
    client.wait_for(producer.pizza(records.pizza())["uuid"])
    return True


def open_plain(service, held, query=""):
    ticket = service.ticket("attacker", role="ADMIN", store_id=7)
    held.append(RawClient(service.ws_url(f"key={ticket}{query}")))
    return held[-1]


def slow_handshakes(service, held):
    for _ in range(600):
        connection = connect(service, timeout=5)
        held.append(connection)
        connection.sendall(b"GET /ws HTTP/1.1\r\nX: " + b"x" * 15_000)


def floods(service, held):
    for frame in (client_frame(FINAL | PING, b"p" * 125), client_frame(FINAL | PONG), text("6")):
        client = open_plain(service, held)
        while client.send(frame * 500):
            pass


def unfinished_messages(service, held):
    for _ in range(80):
        client = open_plain(service, held)
        client.send(client_frame(TEXT, b"x" * 60_000) + client_frame(CONTINUATION, length=5_000))


def sleepers(service, held):
    for number in range(80):
        if number % 2:
            open_plain(service, held)
        else:
            held.append(RawClient(service.ws_url("EIO=4&transport=websocket&open=1")))
            held[-1].send(text("40" + json.dumps({"token": tokens.token("attacker", role="ADMIN")})))
    time.sleep(3)


def sleepers_that_ping(service, held):
    for _ in range(40):
        open_plain(service, held)
    for _ in range(30):
        for client in held:
            client.send(client_frame(FINAL | PING, b"p" * 125) * 10)


def ticket_hoard(service, _held):
    for number in range(500):
        service.ticket(f"hoarder-{number % 50}", role="ADMIN", more="x" * 500)


def storms(service, held):
    for _ in range(100):
        held.append(RawClient(service.ws_url("EIO=4&transport=websocket")))


def replays(service, held):
    for _ in range(10):
        open_plain(service, held, query="&cursor=&since=15m")
    time.sleep(2)
