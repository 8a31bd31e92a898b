"""A client that stops reading costs only itself: it misses nothing, and nobody waits for it."""

import json
import time

import pytest

from support import records, shapes
from support.raw import TEXT, RawClient

PIZZAS = 20_000


@pytest.fixture
def pizzas(producer):
    """Many pizzas of about 1 KB, encoded beforehand, in one partition: their order is total."""
    many = [records.pizza(store_id=42, name=f"pizza {i}", description="d" * 700) for i in range(PIZZAS)]
    return [pizza["uuid"] for pizza in many], [producer.encode(shapes.PIZZA, pizza) for pizza in many]


def test_a_client_that_stops_reading_misses_nothing_and_holds_up_nobody(service, producer, pizzas):
    uuids, payloads = pizzas
    slow = RawClient(service.ws_url(f"key={service.ticket('slow', role='USER', store_id=42)}"))
    fast = service.plain("fast", role="USER", store_id=42)

    for payload in payloads:
        producer.enqueue("pizza.created", payload, key="42")
    producer.flush()

    # The slow one has not read a byte; that the fast one gets all shows that it does not wait for the other.
    assert ids(message.text for message in fast.inbox.wait_for_count(PIZZAS, 6, "pizzas")) == uuids
    [lagging] = service.connections(key="store:42", state="lagging")
    assert lagging["lag_events"] > 0 and "user:slow" in lagging["keys"]
    assert read_texts(slow, PIZZAS) == uuids
    slow.close()


def read_texts(client, count):
    texts = []
    for opcode, payload in client.frames(silence=10):
        if opcode == TEXT:
            texts.append(payload.decode())
        if len(texts) == count:
            break
    return ids(texts)


def ids(texts):
    return [json.loads(text)["data"]["uuid"] for text in texts]


def test_a_client_that_has_caught_up_is_live_again(service, producer, pizzas):
    uuids, payloads = pizzas
    some = PIZZAS // 10
    slow = RawClient(service.ws_url(f"key={service.ticket('slow', role='USER', store_id=42)}"))
    for payload in payloads[:some]:
        producer.enqueue("pizza.created", payload, key="42")
    producer.flush()
    assert read_texts(slow, some) == uuids[:some]

    started = time.monotonic()
    producer.send_bytes("pizza.created", payloads[some], key="42")

    assert read_texts(slow, 1) == [uuids[some]]
    assert time.monotonic() - started < 5
    slow.close()
