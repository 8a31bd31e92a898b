"""Clients that come back go on where they were, across a killed instance and between instances (docs/resume.md)."""

import json
from urllib.parse import quote

import pytest

from support import records, tokens
from support.waiting import eventually

MISSED = 200


@pytest.fixture
def instances(start_service):
    """Two that share nothing but Kafka."""
    return start_service(), start_service()


def new_orders(producer, count):
    return [producer.order(records.order())["_id"] for _ in range(count)]


def open_recovering(service, **options):
    auth = {"token": tokens.token("screen", role="ADMIN")}
    options = {"auth": auth, "query": {"recovery": "1"}, "reconnectionDelay": 100} | options
    return service.open_socket_io(name="screen", **options).wait_until_authorized()


def order_ids(client):
    return [event.id for event in client.events.all() if event.name == "order:new"]


def wait_for_orders(client, orders):
    """All of them: they are in several partitions, so the last one written may come first."""
    eventually(lambda: set(orders) <= set(order_ids(client)), 10, f"{len(orders)} orders")


def connects(client):
    return [detail["recovered"] for kind, detail in client.life.all() if kind == "connect"]


def test_the_official_client_recovers_after_its_instance_was_killed_and_started_again(start_service, producer):
    service = start_service()
    client = open_recovering(service)
    before = new_orders(producer, 5)
    client.wait_for("order:new", before[-1])

    service.process.kill()
    missed = new_orders(producer, MISSED)
    service.start().wait_until_ready()
    wait_for_orders(client, missed)
    after = new_orders(producer, 5)
    wait_for_orders(client, before + after)

    ours = set(before + missed + after)
    got = [order_id for order_id in order_ids(client) if order_id in ours]
    assert sorted(got) == sorted(ours), "each one once"
    assert connects(client) == [False, True]


def test_a_client_that_saw_no_event_recovers_too(start_service, producer):
    service = start_service()
    client = open_recovering(service)

    service.process.kill()
    missed = new_orders(producer, 3)
    service.start().wait_until_ready()

    wait_for_orders(client, missed)
    assert sorted(order_ids(client)) == sorted(missed), "each one once"
    assert connects(client) == [False, True]


def test_a_plain_client_goes_back_and_forth_between_instances(instances, producer):
    cursor, got, expected = "", [], []
    for turn in range(6):
        service = instances[turn % 2]
        ticket = service.ticket("screen", role="ADMIN")
        client = service.plain_at(f"key={ticket}&cursor={quote(cursor)}")
        status = client.inbox.wait_for_count(1, 2, "STATUS")[0]
        assert (status.name, status.data) == ("STATUS", {"resumed": turn > 0, "gap": None, "stale_since": None})

        expected += [producer.pizza(records.pizza())["uuid"] for _ in range(10)]
        wait_for_all(client, expected[len(got) :])
        events = client.messages()[1:]
        got += [message.id for message in events]
        cursor = json.loads(events[-1].text)["cursor"]
        client.close()
        # Nobody is connected while these are written.
        expected += [producer.pizza(records.pizza())["uuid"] for _ in range(10)]

    ticket = instances[0].ticket("screen", role="ADMIN")
    client = instances[0].plain_at(f"key={ticket}&cursor={quote(cursor)}")
    wait_for_all(client, expected[len(got) :])
    got += [message.id for message in client.messages()[1:]]
    assert sorted(got) == sorted(expected), "each one once"


def wait_for_all(client, uuids):
    eventually(
        lambda: set(uuids) <= {message.id for message in client.messages()[1:]}, 3, f"{len(uuids)} pizzas"
    )


def test_with_a_key_cursors_are_sealed_and_work_at_every_instance_that_has_it(start_service, producer):
    key = {"cursor": {"key": "a secret for cursors that is long enough"}}
    rotated = {"cursor": {"key": "another secret that is long enough, too", "previous_key": key["cursor"]["key"]}}
    one, two, stranger = start_service(key), start_service(rotated), start_service()
    client = one.plain_at(f"key={one.ticket('screen', role='ADMIN')}&cursor=")
    cursor = json.loads(client.inbox.wait_for_count(1, 2, "STATUS")[0].text)["cursor"]
    client.close()
    missed = producer.pizza(records.pizza())["uuid"]

    for service, data in [
        (two, {"resumed": True, "gap": None, "stale_since": None}),
        (stranger, {"resumed": False, "gap": "unreadable", "stale_since": None}),
    ]:
        client = service.plain_at(f"key={service.ticket('screen', role='ADMIN')}&cursor={quote(cursor)}")
        assert client.inbox.wait_for_count(1, 2, "STATUS")[0].data == data
        if data["resumed"]:
            client.inbox.wait_for(lambda m: m.name == "CREATE_PIZZA" and m.id == missed, 2, "missed pizza")
