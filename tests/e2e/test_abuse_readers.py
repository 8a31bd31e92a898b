"""Clients that take nothing off their sockets: each costs what a position costs, is gone after 25 s, and slows nobody."""

import json
import time

import pytest

from support import records, shapes, tokens
from support.costs import resident_bytes
from support.raw import RawClient, text
from support.waiting import SLACK, eventually

READERS, PIZZAS, ORDERS = 60, 2_000, 400
GONE_AFTER = 25


@pytest.fixture(scope="module")
def service(own_service):
    return own_service


@pytest.fixture
def pizzas(producer):
    many = [records.pizza(store_id=4711, description="d" * 700) for _ in range(PIZZAS)]
    return [producer.encode(shapes.PIZZA, pizza) for pizza in many]


@pytest.fixture
def orders(producer):
    """For the Socket.IO clients, who get no pizzas."""
    return [producer.encode(shapes.ORDER, records.order(additionalInformation="i" * 1_000)) for _ in range(ORDERS)]


def non_reader(service, number):
    """Never reads a byte behind the handshake: its window is at zero as soon as its small buffer is full."""
    if number % 3:
        return RawClient(service.ws_url(f"key={service.ticket('sleeper', role='USER', store_id=4711)}"))
    client = RawClient(service.ws_url("EIO=4&transport=websocket"))
    client.send(text("40" + json.dumps({"token": tokens.token("sleeper", role="ADMIN", store_id=4711)})))
    return client


def deliver_to(good, producer, pizzas):
    """Seconds until the good client has these and all before."""
    expected, start = len(good.messages()) + len(pizzas), time.monotonic()
    for pizza in pizzas:
        producer.enqueue("pizza.created", pizza, key="4711")
    producer.flush()
    good.inbox.wait_for_count(expected, 4, "pizzas")
    return time.monotonic() - start


def ended(service):
    return sum(
        service.metric("dumbwaiter_connections_ended_total", ending=ending) for ending in ("too_slow", "gone", "unresponsive")
    )


def test_who_does_not_read_costs_a_position_and_is_gone_after_25_s(service, producer, pizzas, orders, say):
    good = service.plain("good", role="USER", store_id=4711)
    alone = deliver_to(good, producer, pizzas)

    sleepers = [non_reader(service, number) for number in range(READERS)]
    before, journal = resident_bytes(service.process), service.metric("dumbwaiter_journal_bytes")
    asleep = time.monotonic()
    for order in orders:
        producer.enqueue("order.created", order)
    beside = deliver_to(good, producer, pizzas)
    grown = resident_bytes(service.process) - before
    journal = service.metric("dumbwaiter_journal_bytes") - journal

    # The journal is everybody's; the connections hold nothing of it. In the kernel, each holds its send buffer.
    assert grown < 2 * journal + READERS * 100_000 + 8 * 2**20
    assert beside < SLACK * (alone + 1)
    eventually(lambda: ended(service) >= READERS, GONE_AFTER + 2, "all who did not read are gone")
    gone = time.monotonic() - asleep
    deliver_to(good, producer, pizzas[:1])
    eventually(lambda: service.metric("dumbwaiter_connections") == 1, 1, "the good one is the only one")

    say(f"{READERS} clients did not read {PIZZAS} events: {grown / 1e6:.1f} MB beside {journal / 1e6:.1f} MB of journal;")
    say(f"gone after {gone:.1f} s; the good one had all after {beside:.2f} s, without them {alone:.2f} s")
    # Not before: one that reads on within that time misses nothing (test_slow_client).
    assert gone > GONE_AFTER - 1
    for sleeper in sleepers:
        sleeper.close()
    good.close()
