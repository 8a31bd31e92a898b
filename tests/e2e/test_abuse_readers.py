"""Clients that take nothing off their sockets: each costs what a position costs, is gone after 25 s, and slows nobody.

The same over TLS: what is encrypted and not taken is one record at most.
"""

import json
import time

import pytest

from support import records, shapes, tokens
from support.costs import resident_bytes
from support.raw import RawClient, text
from support.secured import Secured
from support.service import Service
from support.waiting import SLACK, eventually

READERS, PIZZAS, ORDERS = 60, 2_000, 400
GONE_AFTER = 25


@pytest.fixture(scope="module")
def secured(kafka, registry, driver, tmp_path_factory):
    def start(settings):
        return Service(kafka.brokers, registry.url, driver, settings).start().wait_until_ready()

    secured = Secured(start, tmp_path_factory.mktemp("tls"))
    yield secured
    secured.service.stop()


@pytest.fixture
def pizzas(producer):
    many = [records.pizza(store_id=4711, description="d" * 700) for _ in range(PIZZAS)]
    return [producer.encode(shapes.PIZZA, pizza) for pizza in many]


@pytest.fixture
def orders(producer):
    """For the Socket.IO clients, who get no pizzas."""
    return [producer.encode(shapes.ORDER, records.order(additionalInformation="i" * 1_000)) for _ in range(ORDERS)]


class House:
    """A service, one good client of it, and those who never read a byte behind their handshake: their windows are at zero as
    soon as their small buffers are full."""

    def __init__(self, name, service, context=None):
        self.name = name
        self.service = service
        self._context = context
        self.good = service.plain("good", role="USER", store_id=4711)
        self._sleepers = []

    def put_to_sleep(self):
        self._sleepers = [self._non_reader(number) for number in range(READERS)]
        self._resident, self._journal = resident_bytes(self.service.process), self._journal_bytes()

    def grown(self):
        """The growth since then of the process, and of its journal."""
        return resident_bytes(self.service.process) - self._resident, self._journal_bytes() - self._journal

    def ended(self):
        return sum(
            self.service.metric("dumbwaiter_connections_ended_total", ending=ending)
            for ending in ("too_slow", "gone", "unresponsive")
        )

    def close(self):
        for sleeper in self._sleepers:
            sleeper.close()
        self.good.close()

    def _journal_bytes(self):
        return self.service.metric("dumbwaiter_journal_bytes")

    def _non_reader(self, number):
        if number % 3:
            ticket = self.service.ticket("sleeper", role="USER", store_id=4711)
            return RawClient(self.service.ws_url(f"key={ticket}"), ssl=self._context)
        client = RawClient(self.service.ws_url("EIO=4&transport=websocket"), ssl=self._context)
        client.send(text("40" + json.dumps({"token": tokens.token("sleeper", role="ADMIN", store_id=4711)})))
        return client


def deliver_to(houses, producer, pizzas):
    """Seconds until the good clients have these and all before."""
    expected, start = len(houses[0].good.messages()) + len(pizzas), time.monotonic()
    for pizza in pizzas:
        producer.enqueue("pizza.created", pizza, key="4711")
    producer.flush()
    for house in houses:
        house.good.inbox.wait_for_count(expected, 4, f"pizzas {house.name}")
    return time.monotonic() - start


def test_who_does_not_read_costs_a_position_and_is_gone_after_25_s(own_service, secured, producer, pizzas, orders, say):
    houses = [House("in the clear", own_service), House("over TLS", secured.service, secured.context())]
    alone = deliver_to(houses, producer, pizzas)

    for house in houses:
        house.put_to_sleep()
    asleep = time.monotonic()
    for order in orders:
        producer.enqueue("order.created", order)
    beside = deliver_to(houses, producer, pizzas)

    assert beside < SLACK * (alone + 1)
    for house in houses:
        grown, journal = house.grown()
        say(f"{house.name}, {READERS} clients did not read {PIZZAS} events: {grown / 1e6:.1f} MB beside {journal / 1e6:.1f} MB of journal")
        # The journal is everybody's; the connections hold nothing of it. In the kernel, each holds its send buffer.
        assert grown < 2 * journal + READERS * 100_000 + 8 * 2**20, house.name
    for house in houses:
        eventually(lambda: house.ended() >= READERS, GONE_AFTER + 2, f"all who did not read are gone, {house.name}")
        gone = time.monotonic() - asleep
        say(f"{house.name}, gone after {gone:.1f} s")
        # Not before: one that reads on within that time misses nothing (test_slow_client).
        assert gone > GONE_AFTER - 1, house.name
    deliver_to(houses, producer, pizzas[:1])
    for house in houses:
        eventually(lambda: house.service.metric("dumbwaiter_connections") == 1, 1, "the good one is the only one")
        house.close()
    say(f"the good ones had all after {beside:.2f} s, without the others {alone:.2f} s")
