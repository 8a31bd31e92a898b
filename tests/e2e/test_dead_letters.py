"""Poison of every kind among ten thousand good records: the good ones arrive, the others are counted and copied.

The copies are read by a Kafka consumer of another make, so what is in the topic is what anybody would find there.
"""

import itertools
import time
from collections import Counter

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from support import catalogs, poison, records, shapes
from support.paths import RUN
from support.service import start_serve
from support.waiting import eventually

PIZZAS, ORDERS, CONDITIONS = "mixed.pizza", "mixed.order", "mixed.condition"
LETTERS = "letters"
PARTITIONS = 3
GOOD = 9_900
KINDS_AT_LEAST = 40

CATALOG = catalogs.catalog(catalogs.pizza_event(PIZZAS), catalogs.order_events(ORDERS, CONDITIONS))


@pytest.fixture(scope="module")
def settings(kafka):
    kafka.create_topics(PIZZAS, ORDERS, CONDITIONS, LETTERS, partitions=PARTITIONS)
    take_large_records(kafka, PIZZAS, LETTERS)
    own = catalogs.settings(RUN / "mixed-catalog.toml", CATALOG, ["^mixed[.].*"])
    return own | {"dead_letter": {"topic": LETTERS}}


def take_large_records(kafka, *topics):
    """Brokers take 1 MB by default; some poison is larger, and so is its copy."""
    admin = AdminClient({"bootstrap.servers": kafka.brokers})
    entry = ConfigEntry("max.message.bytes", "16000000", incremental_operation=AlterConfigOpType.SET)
    for topic in topics:
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        for outcome in admin.incremental_alter_configs([resource]).values():
            outcome.result(30)


def good_record(number):
    """(topic, key id, schema, value) of the number-th good record: all three events in turn."""
    name = f"{number:024x}"
    if number % 3 == 0:
        return PIZZAS, name, shapes.PIZZA, records.pizza(uuid=name)
    if number % 3 == 1:
        return ORDERS, name, shapes.ORDER, records.order(_id=name)
    return CONDITIONS, name, shapes.CONDITION, records.condition(name)


def test_one_in_a_hundred_of_every_kind_is_passed_over_and_all_good_ones_arrive(
    start_service, settings, kafka, registry, producer
):
    service = start_service(settings)
    pizzas, orders = service.plain("staff", role="ADMIN"), service.socket_io("staff", role="ADMIN")

    expected = {topic: {partition: [] for partition in range(PARTITIONS)} for topic in (PIZZAS, ORDERS, CONDITIONS)}
    kinds = list(poison.every_kind(registry, PIZZAS, ORDERS, CONDITIONS))
    assert len(kinds) >= KINDS_AT_LEAST
    bad = list(itertools.islice(itertools.cycle(kinds), max(GOOD // 99, len(kinds))))
    every = GOOD // len(bad)
    sent = []
    for number in range(GOOD):
        partition = number // 3 % PARTITIONS
        topic, name, schema, value = good_record(number)
        producer.enqueue(topic, producer.encode(schema, value), key=name, partition=partition)
        expected[topic][partition].append(name)
        if number % every == 0 and len(sent) < len(bad):
            topic, reason, payload = bad[len(sent)]
            key = f"poison-{len(sent)}".encode()
            producer.enqueue(topic, payload, key=key, partition=partition, headers=[("trace", key)])
            sent.append((topic, partition, key, reason, payload))
    # What is deleted is no poison.
    for topic in (PIZZAS, ORDERS, CONDITIONS):
        producer.enqueue(topic, None, key="deleted", partition=0)
    producer.flush()
    assert len(sent) == len(bad)

    wanted = Counter(topic for topic, its in expected.items() for names in its.values() for _ in names)
    pizzas.inbox.wait_for_count(wanted[PIZZAS], 20, "pizzas")
    eventually(
        lambda: len(orders.order_events()) >= wanted[ORDERS] + wanted[CONDITIONS], 20, "orders and conditions there"
    )

    check_order(expected[PIZZAS], [message.id for message in pizzas.messages()])
    arrived = orders.order_events()
    check_order(expected[ORDERS], [name for event, name in arrived if event == "order:new"])
    check_order(expected[CONDITIONS], [name for event, name in arrived if event == "order:condition"])

    metrics = service.metrics()
    for reason, count in Counter(reason for *_, reason, _ in sent).items():
        assert metrics.sum("dumbwaiter_records_poison_total", reason=reason) == count, reason
    assert metrics.sum("dumbwaiter_records_poison_total") == len(sent)
    assert metrics.sum("dumbwaiter_records_tombstone_total") == 3
    eventually(
        lambda: service.metric("dumbwaiter_dead_letters_total", outcome="written") == len(sent), 5, "letters written"
    )
    check_letters(sent, read_letters(kafka, len(sent)))


def check_order(by_partition, arrived):
    """Each once, and those of a partition in its order."""
    assert Counter(arrived) == Counter(name for names in by_partition.values() for name in names)
    place = {name: number for number, name in enumerate(arrived)}
    for partition, names in by_partition.items():
        assert names == sorted(names, key=place.__getitem__), f"partition {partition}"


def check_letters(sent, letters):
    assert len(letters) == len(sent)
    by_key = {letter.key(): letter for letter in letters}
    for topic, partition, key, reason, payload in sent:
        letter = by_key[key]
        headers = letter.headers()
        said = dict(headers)
        assert letter.value() == payload, reason
        assert headers[0] == ("trace", key), "the record's own headers come first"
        assert said["dumbwaiter.reason"] == reason.encode()
        assert said["dumbwaiter.topic"] == topic.encode()
        assert said["dumbwaiter.partition"] == str(partition).encode()
        assert int(said["dumbwaiter.offset"]) >= 0
        assert abs(int(said["dumbwaiter.timestamp"]) / 1000 - time.time()) < 600
        if payload[:1] == b"\0" and len(payload) >= 5:
            assert said["dumbwaiter.schema_id"] == str(int.from_bytes(payload[1:5], "big")).encode()


def read_letters(kafka, count, topic=LETTERS):
    consumer = Consumer(
        {
            "bootstrap.servers": kafka.brokers,
            "group.id": "letters-of-the-test",
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 16_000_000,
        }
    )
    consumer.subscribe([topic])
    letters = []
    deadline = time.monotonic() + 60
    while len(letters) < count and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None, message.error()
            letters.append(message)
    consumer.close()
    return letters


def test_letters_that_cannot_be_written_are_counted_and_nobody_waits(start_service, settings, producer):
    # A letter larger than its topic takes is refused by the broker.
    service = start_service(settings | {"dead_letter": {"topic": "small.letters"}})
    staff = service.plain("staff", role="ADMIN")
    failed = service.metric("dumbwaiter_dead_letters_total", outcome="failed")
    huge = producer.encode(shapes.PIZZA, records.pizza(name="x" * 5_000_000))
    after = records.pizza()
    producer.send_bytes(PIZZAS, huge, partition=0)
    producer.send_bytes(PIZZAS, producer.encode(shapes.PIZZA, after), partition=0)
    staff.wait_for(after["uuid"])
    eventually(
        lambda: service.metric("dumbwaiter_dead_letters_total", outcome="failed") > failed, 10, "a failed letter counted"
    )
    assert "a dead letter is not written" in service.log()


def test_a_dead_letter_topic_that_is_read_itself_is_refused(run_folder):
    settings = {"kafka": {"topics": ["^order[.].*"]}, "dead_letter": {"topic": "order.dead"}}
    process = start_serve(run_folder / "looped", settings)
    assert process.exit_code(within=5) != 0
    assert "in dead_letter.topic" in process.log() and "kafka.topics" in process.log()
