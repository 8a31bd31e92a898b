"""Offsets that hold no record: compacted away, markers of transactions, records of aborted ones. None of them is a loss."""

import json
import time
from urllib.parse import quote

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka import Producer as KafkaProducer
from confluent_kafka.admin import AdminClient, NewTopic

from support import records, shapes
from support.kafka import Kafka
from support.records import Producer
from support.service import Service
from support.waiting import eventually

ABORTED = 1_000
STORES = 8


@pytest.fixture(scope="module")
def kafka_that_compacts(run_folder):
    cleaner = {"log.cleaner.enable": "true", "log.cleaner.backoff.ms": 200}
    kafka = Kafka(run_folder / "compacting-kafka", settings=cleaner).prepare().start().wait_until_ready()
    kafka.create_topics("order.created", "order.condition", partitions=1)
    compacts = {"cleanup.policy": "compact", "segment.ms": "200", "min.cleanable.dirty.ratio": "0.001"}
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    for outcome in admin.create_topics([NewTopic("pizza.created", 1, 1, config=compacts)]).values():
        outcome.result(timeout=30)
    yield kafka
    kafka.kill()


@pytest.fixture(scope="module")
def producer(kafka_that_compacts, registry):
    return Producer(kafka_that_compacts.brokers, registry.wait_until_ready())


@pytest.fixture
def service(kafka_that_compacts, registry, driver):
    service = Service(kafka_that_compacts.brokers, registry.url, driver).start().wait_until_ready()
    yield service
    service.stop()


def come(service, cursor=""):
    return service.plain_at(f"key={service.ticket('screen', role='ADMIN')}&cursor={quote(cursor)}")


def cursor_of(client):
    return json.loads(client.messages()[-1].text)["cursor"]


def pizzas(client):
    return [message.id for message in client.messages() if message.name == "CREATE_PIZZA"]


def assert_resumed(client):
    status = eventually(lambda: [m.data for m in client.messages() if m.name == "STATUS"], 2, "STATUS")[0]
    assert (status["resumed"], status["gap"]) == (True, None), "no false gap"


def new_pizza(producer, store=7):
    return producer.pizza(records.pizza(store_id=store))["uuid"]


def test_aborted_transactions_are_invisible_and_leave_no_gap(kafka_that_compacts, service, producer, say):
    client = come(service)
    wanted = [new_pizza(producer)]
    eventually(lambda: pizzas(client) == wanted, 2, "the first pizza")
    early = cursor_of(client)
    transactional = KafkaProducer({"bootstrap.servers": kafka_that_compacts.brokers, "transactional.id": "baker"})
    transactional.init_transactions()

    def write(count):
        transactional.begin_transaction()
        made = [records.pizza() for _ in range(count)]
        for pizza in made:
            transactional.produce("pizza.created", producer.encode(shapes.PIZZA, pizza), pizza["uuid"])
        transactional.flush()
        return [pizza["uuid"] for pizza in made]

    for _ in range(5):
        write(ABORTED // 5)
        transactional.abort_transaction()
        wanted += write(3)
        transactional.commit_transaction()
    wanted.append(new_pizza(producer))
    eventually(lambda: len(pizzas(client)) >= len(wanted), 5, "all that was committed")
    assert pizzas(client) == wanted
    back = come(service, early)
    assert_resumed(back)
    eventually(lambda: len(pizzas(back)) >= len(wanted) - 1, 5, "all again")
    assert pizzas(back) == wanted[1:]
    say(f"0 of {ABORTED} aborted records seen, 0 false gaps")


def test_what_compaction_has_taken_is_no_gap(kafka_that_compacts, service, producer):
    client = come(service)
    first = new_pizza(producer)
    eventually(lambda: pizzas(client) == [first], 2, "the first pizza")
    cursor = cursor_of(client)
    client.close()
    written = [new_pizza(producer, store=number % STORES) for number in range(20 * STORES)]
    newest = written[-STORES:]
    service.process.kill()

    def is_compacted():
        # A segment is closed by a record that comes later than its time.
        time.sleep(0.3)
        newest.append(new_pizza(producer, store=100))
        return len(in_kafka(kafka_that_compacts) & set(written)) <= 2 * STORES

    eventually(is_compacted, 10, "most records compacted away")
    service.start().wait_until_ready()
    back = come(service, cursor)
    assert_resumed(back)
    fence = new_pizza(producer)
    back.inbox.wait_for(lambda m: m.name == "CREATE_PIZZA" and m.id == fence, 5, "the fence")
    seen = pizzas(back)
    assert set(newest[:STORES]) <= set(seen) and len(seen) == len(set(seen))
    late = come(service, cursor_of(back))
    assert_resumed(late)


def in_kafka(kafka):
    """The pizzas that the topic still has."""
    reader = Consumer(
        {"bootstrap.servers": kafka.brokers, "group.id": "count", "auto.offset.reset": "earliest", "enable.partition.eof": True}
    )
    reader.assign([TopicPartition("pizza.created", 0, 0)])
    found = set()
    while True:
        message = reader.poll(10)
        if message is None or message.error():
            reader.close()
            return found
        # Behind the frame (5 bytes) and its length (1) comes the first field, the uuid.
        found.add(message.value()[6:42].decode(errors="replace"))
