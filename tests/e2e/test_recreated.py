"""Topics that are deleted and made anew under a running instance, and records that retention takes before they are
read: all that is new comes, once, and whoever asked for cursors is told of the gap (docs/resume.md).

Each test has a topic of its own, so that nobody else's picture goes stale.
"""

import itertools
import json
import signal
import time
from urllib.parse import quote

import pytest

from support import catalogs, records, shapes, tokens
from support.paths import REPOSITORY
from support.waiting import eventually

# The broker forgets a topic, the client hears of it, and the group gives it back.
NOTICED_WITHIN = 10
PARTITIONS = 2
# The broker answers a question for new records after so long at the latest (fetch.wait.max.ms).
FETCH_WAIT = 0.5
_numbers = itertools.count(1)


class Shop:
    """A topic that can be made anew, and an instance that reads it and nothing else."""

    def __init__(self, kafka, producer, start_service, folder):
        self.kafka, self.producer = kafka, producer
        self.topic = f"pizza.anew-{next(_numbers)}"
        self.create()
        schema = folder / "pizza.avsc"
        schema.write_text((REPOSITORY / "schemas" / "pizza.avsc").read_text())
        # The same records for both kinds of clients.
        event = catalogs.pizza_event(self.topic).replace('["plain"]', '["plain", "socketio"]')
        settings = catalogs.settings(folder / "catalog.toml", catalogs.catalog(event), [self.topic])
        self.start_instance = lambda: start_service(settings)
        self.service = self.start_instance()

    def create(self):
        self.kafka.create_topics(self.topic, partitions=PARTITIONS)

    def recreate(self):
        self.kafka.delete_topics(self.topic)
        self.create()

    def bake(self, count, partition=None):
        """That many pizzas, in turn in the topic's partitions."""
        pizzas = [records.pizza() for _ in range(count)]
        for number, pizza in enumerate(pizzas):
            payload = self.producer.encode(shapes.PIZZA, pizza)
            to = number % PARTITIONS if partition is None else partition
            self.producer.enqueue(self.topic, payload, partition=to)
        self.producer.flush()
        return [pizza["uuid"] for pizza in pizzas]

    def plain(self, more="", service=None):
        service = service or self.service
        return service.plain_at(f"key={service.ticket('screen', role='ADMIN')}{more}")

    def official(self):
        options = {"query": {"recovery": "1"}, "auth": {"token": tokens.token("screen", role="ADMIN")}}
        return self.service.open_socket_io(name="screen", **options).wait_until_authorized()

    def lost(self, reason, service=None):
        return (service or self.service).metric("dumbwaiter_partitions_lost_total", reason=reason)


@pytest.fixture
def shop(kafka, producer, start_service, tmp_path):
    return Shop(kafka, producer, start_service, tmp_path)


def shown(client):
    inbox = getattr(client, "events", None) or client.inbox
    return [message for message in inbox.all() if message.name in ("CREATE_PIZZA", "STATUS")]


def what(message):
    """A pizza's id, or what a client is told."""
    return message.data["gap"] if message.name == "STATUS" else message.data["uuid"]


def wait_for_pizzas(client, expected):
    eventually(
        lambda: set(expected) <= set(map(what, shown(client))),
        NOTICED_WITHIN,
        f"{len(expected)} pizzas",
    )


def expect(client, before, gap, after):
    """Those of the old topic, the gap if it is to be told, those of the new one; each once, and nothing else."""
    wait_for_pizzas(client, after)
    seen = [what(message) for message in shown(client) if what(message) is not None]
    split = seen.index(gap) if gap else len(before)
    assert sorted(seen[:split]) == sorted(before)
    assert seen[split : len(seen) - len(after)] == ([gap] if gap else [])
    assert sorted(seen[len(seen) - len(after) :]) == sorted(after)


@pytest.mark.parametrize("old, new", [(20, 6), (6, 40)], ids=["fewer records", "more records"])
def test_a_topic_made_anew_is_read_anew_and_told(shop, old, new):
    contract, live, official = shop.plain(), shop.plain("&cursor="), shop.official()
    before = shop.bake(old)
    for client in (contract, live, official):
        wait_for_pizzas(client, before)

    shop.recreate()
    # They are there before anybody has noticed, mostly.
    after = shop.bake(new)

    expect(contract, before, None, after)
    expect(live, before, "recreated", after)
    expect(official, before, "recreated", after)
    assert shop.lost("recreated") == PARTITIONS
    assert shop.service.metric("dumbwaiter_partitions_stalled") == 0
    assert "deleted and made anew" in shop.service.log()

    # And it goes on from there, for who comes back as for who stayed.
    cursor = json.loads(live.messages()[-1].text)["cursor"]
    live.close()
    missed = shop.bake(4)
    back = shop.plain(f"&cursor={quote(cursor)}")
    wait_for_pizzas(back, missed)
    assert shown(back)[0].data == {"resumed": True, "gap": None, "stale_since": None}
    assert sorted(map(what, shown(back)[1:])) == sorted(missed)
    expect(contract, before, None, after + missed)


def test_who_was_away_meanwhile_is_told_by_the_topic_s_id(shop):
    other = shop.start_instance()
    away, official = shop.plain("&cursor="), shop.official()
    before = shop.bake(6)
    for client in (away, official):
        wait_for_pizzas(client, before)
    cursor = json.loads(away.messages()[-1].text)["cursor"]
    shop.service.process.kill()

    shop.recreate()
    # More than the cursors have seen.
    shop.bake(40)
    eventually(lambda: shop.lost("recreated", other) == PARTITIONS, NOTICED_WITHIN, "noticed")
    shop.service.start().wait_until_ready()

    # One has lived through it, the other has never seen the topic that was.
    for service in (other, shop.service):
        client = shop.plain(f"&cursor={quote(cursor)}", service)
        told = client.inbox.wait_for_count(1, 5, "STATUS")[0]
        assert told.data == {"resumed": False, "gap": "recreated", "stale_since": None}
    eventually(lambda: "recreated" in map(what, shown(official)), NOTICED_WITHIN, "the gap")
    assert [detail["recovered"] for kind, detail in official.life.all() if kind == "connect"] == [False, False]


def test_a_deleted_topic_stalls_nobody_and_may_come_back(shop):
    client = shop.plain("&cursor=")
    before = shop.bake(6)
    wait_for_pizzas(client, before)

    shop.kafka.delete_topics(shop.topic)
    eventually(lambda: "does not exist any more" in shop.service.log(), NOTICED_WITHIN, "noticed")
    assert shop.service.metrics().label_names("dumbwaiter_consumer_lag_records") is None
    shop.create()
    expect(client, before, "recreated", shop.bake(20))
    assert "stand still" not in shop.service.log()


def test_records_that_retention_takes_before_they_are_read_are_told(shop):
    client, contract = shop.plain("&cursor="), shop.plain()
    before = shop.bake(6)
    for one in (client, contract):
        wait_for_pizzas(one, before)
    shop.service.process.signal(signal.SIGSTOP)
    # The broker owes it the answer to one question, in which this one comes; then nobody asks any more.
    before += shop.bake(1, partition=0)
    time.sleep(2 * FETCH_WAIT)
    shop.bake(9, partition=0)
    shop.kafka.delete_records(shop.topic, {0: 13})
    after = shop.bake(4, partition=0)
    shop.service.process.signal(signal.SIGCONT)

    expect(client, before, "too_old", after)
    expect(contract, before, None, after)
    assert shop.lost("overtaken") == 1
