"""`dumbwaiter replay`: records of the past once more, as lines or to test clients; it only reads."""

import json
import subprocess
import threading
import time

import pytest
from confluent_kafka.admin import AdminClient

from support import records, shapes
from support.inbox import Inbox
from support.paths import SERVICE
from support.processes import free_port, inherited_environment
from support.records import new_id
from support.service import merged, toml
from support.tools import run


def rfc3339(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


@pytest.fixture
def config(service, tmp_path):
    """The settings of the shared service, as an instance and a group of its own."""
    path = tmp_path / "dumbwaiter.toml"
    path.write_text(toml(merged(service.settings, {"kafka": {"group": f"replay-{new_id()}"}})))
    return path


@pytest.fixture
def pizzas(kafka, registry, service, producer, tmp_path):
    """A topic of one's own with ten pizzas in two partitions, a second apart, a minute ago: its settings, and they."""
    topic = f"replay.{new_id()}"
    kafka.create_topics(topic, partitions=2)
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(
        f'[[event]]\nname = "CREATE_PIZZA"\nclients = ["plain"]\ntopic = "{topic}"\nschema = "pizza.avsc"\n'
        'audience = ["store:{store_id}"]\n[grants]\nkeys = ["store:{store_id}"]\n'
    )
    settings = {"kafka": {"topics": [topic]}, "catalog": {"file": str(catalog)}}
    config = tmp_path / "dumbwaiter.toml"
    config.write_text(toml(merged(service.settings, settings)))
    begin = int(time.time()) - 60
    sent = [records.pizza(store_id=7 + n % 2) for n in range(10)]
    for n, pizza in enumerate(sent):
        payload = producer.encode(shapes.PIZZA, pizza)
        producer.enqueue(topic, payload, partition=n % 2, timestamp=(begin + n) * 1000)
    producer.flush()
    return topic, config, begin, [pizza["uuid"] for pizza in sent]


def uuids(outcome):
    assert outcome.code == 0, outcome
    return [line["data"]["uuid"] for line in outcome.json_lines()]


def test_a_range_of_times_comes_in_the_order_of_time(pizzas):
    topic, config, begin, sent = pizzas

    everything = run("replay", "--config", config, "--since", "5m")
    some = run("replay", "--config", config, "--since", rfc3339(begin + 3), "--until", rfc3339(begin + 7), topic)
    of_store = run("replay", "--config", config, "--since", "5m", "--claims", '{"store_id": 8}')

    assert uuids(everything) == sent
    assert uuids(some) == sent[3:7]
    assert uuids(of_store) == sent[1::2]
    first = of_store.json_lines()[0]
    assert (first["topic"], first["partition"], first["offset"]) == (topic, 1, 0)
    assert (first["event"], first["audience"], first["by"]) == ("CREATE_PIZZA", ["store:8"], ["store:8"])
    assert first["timestamp"] == rfc3339(begin + 1).replace("Z", ".000Z")
    assert "10 records, 10 events, 5 shown" in of_store.err


def test_a_range_of_offsets(pizzas):
    topic, config, _, sent = pizzas

    some = run("replay", "--config", config, "--offsets", f"{topic}-0:1-2", "--offsets", f"{topic}-1:3")
    beyond = run("replay", "--config", config, "--offsets", f"{topic}-0:3-5")

    assert uuids(some) == [sent[2], sent[4], sent[7], sent[9]]
    assert (beyond.code, beyond.out) == (1, "") and "holds offsets 0 to 4" in beyond.err


def test_the_past_goes_by_at_a_speed(pizzas):
    _, config, _, sent = pizzas

    started = time.monotonic()

    assert uuids(run("replay", "--config", config, "--since", "5m", "--speed", "6")) == sent

    # Nine seconds of the past.
    assert time.monotonic() - started >= 1.5


def test_owners_are_those_that_the_range_opens(config, producer, kafka):
    before = time.time() - 1
    order = producer.order(records.order(clientId="u-replay"))
    producer.condition(records.condition(order["_id"]))
    condition = producer.last_place()

    lines = run("replay", "--config", config, "--since", rfc3339(before), "--claims", '{"sub": "u-replay"}')
    topic, partition, offset = condition.rsplit("-", 2)
    alone = run("replay", "--config", config, "--offsets", f"{topic}-{partition}:{offset}-{offset}")

    ours = [line for line in lines.json_lines() if line["data"]["_id"] == order["_id"]]
    assert [(line["event"], line["by"]) for line in ours] == [
        ("order:new", ["user:u-replay"]),
        ("order:condition", ["user:u-replay"]),
    ]
    assert ours[0]["data"] == order
    assert [line["audience"] for line in alone.json_lines()] == [["role:ADMIN", "role:WATCHER"]]
    assert "1 do not say whose order" in alone.err
    groups = AdminClient({"bootstrap.servers": kafka.brokers}).list_consumer_groups().result()
    assert [group.group_id for group in groups.valid if group.group_id.startswith("replay-")] == []


def test_a_test_client_gets_the_past_as_if_it_were_now(pizzas, service):
    topic, config, _, sent = pizzas
    address = f"127.0.0.1:{free_port()}"
    command = [SERVICE, "replay", "--config", config, "--offsets", f"{topic}-0:0", "--speed", "max", "--serve", address]
    words = Inbox("replay's standard error")
    replay = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=inherited_environment()
    )
    try:
        threading.Thread(target=lambda: [words.add(line) for line in replay.stderr], daemon=True).start()
        words.wait_for(lambda line: "waiting for a client" in line, 5, "word that it listens")
        client = service.seen_at(address).plain("test client", store_id=7)

        messages = client.inbox.wait_for_count(5, 5, "pizzas")

        assert [message.id for message in messages] == sent[0::2]
        assert replay.wait(timeout=50) == 0
        words.wait_for(lambda line: "5 records replayed" in line, 2, "the summary")
    finally:
        replay.kill()
        replay.wait()


def test_what_cannot_be_replayed_is_told(pizzas):
    _, config, _, _ = pizzas

    nowhere = run("replay", "--config", config, "--since", "1m", "no.such.topic")
    nothing = run("replay", "--config", config, "--since", "1m", "--until", "30m")
    when = run("replay", "--config", config, "--since", "yesterday")

    assert nowhere.code == 1 and "no.such.topic" in nowhere.err and "kafka.topics" in nowhere.err
    assert (nothing.code, nothing.out) == (0, "")
    assert when.code == 2 and "expected a time such as" in when.err


def test_lines_are_json(pizzas):
    _, config, _, _ = pizzas

    lines = run("replay", "--config", config, "--since", "5m").out.splitlines()

    assert all(list(json.loads(line))[:5] == ["topic", "partition", "offset", "timestamp", "event"] for line in lines)
