"""What has left the window is read from Kafka for the client that wants it, or it is told (docs/resume.md)."""

import json
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from support import catalogs, records, shapes, tokens
from support.waiting import eventually

# A window that leaves fast: a segment lives for a sixteenth of it.
SHORT = {"journal": {"max_age": "2s"}}
RESUMED = {"resumed": True, "gap": None, "stale_since": None}


def status_of(client, within=15):
    """What a plain client that asked for more than the contract is told first."""
    message = client.inbox.wait_for_count(1, within, "STATUS")[0]
    assert message.name == "STATUS"
    return message.data


def plain(service, query, **claims):
    return service.plain_at(f"key={service.ticket('screen', **(claims or {'role': 'ADMIN'}))}&{query}")


def cursor_of(client):
    return json.loads(client.messages()[-1].text)["cursor"]


def cursor_now(service):
    client = plain(service, "cursor=")
    status_of(client)
    cursor = cursor_of(client)
    client.close()
    return cursor


def ids(client):
    return [message.id for message in client.messages()[1:]]


def pizzas(producer, count, **changes):
    return [producer.pizza(records.pizza(store_id=n % 50, **changes))["uuid"] for n in range(count)]


def age(service, producer, cursor):
    """Until that cursor is older than the window, which newer events push on."""

    def is_older():
        producer.pizza(records.pizza())
        client = plain(service, f"cursor={quote(cursor)}")
        status_of(client)
        client.close()
        return service.metric("dumbwaiter_backfills_total") > before

    before = service.metric("dumbwaiter_backfills_total")
    time.sleep(2)
    eventually(is_older, 15, "a window that has moved on")


def expect_each_once(client, expected, within=15):
    eventually(lambda: set(expected) <= set(ids(client)), within, f"{len(expected)} pizzas")
    got = [uuid for uuid in ids(client) if uuid in set(expected)]
    assert sorted(got) == sorted(expected), "each one once"


def test_a_plain_client_older_than_the_window_gets_all_it_missed_and_goes_on(start_service, producer):
    service = start_service(SHORT)
    cursor = cursor_now(service)
    missed = pizzas(producer, 300)
    age(service, producer, cursor)

    client = plain(service, f"cursor={quote(cursor)}")
    assert status_of(client) == RESUMED
    live = pizzas(producer, 10)
    expect_each_once(client, missed + live)
    assert service.metric("dumbwaiter_backfills_total", outcome="found") >= 1
    # From the middle of what was read for it.
    middle = client.messages()[150]
    got = ids(client)[:150]
    client.close()
    client = plain(service, f"cursor={quote(json.loads(middle.text)['cursor'])}")
    assert status_of(client) == RESUMED
    expect_each_once(client, [uuid for uuid in missed + live if uuid not in got])
    assert not set(got) & set(ids(client))


def test_of_the_past_too_one_sees_only_what_one_may(start_service, producer):
    service = start_service(SHORT)
    cursor = cursor_now(service)
    missed = pizzas(producer, 100)
    ours = producer.pizza(records.pizza(store_id=4711))["uuid"]
    age(service, producer, cursor)

    client = plain(service, f"cursor={quote(cursor)}", store_id=4711)
    assert status_of(client) == RESUMED
    expect_each_once(client, [ours])
    assert not set(missed) & set(ids(client))


def test_the_official_client_recovers_from_before_the_window(start_service, producer):
    service = start_service(SHORT)
    auth = {"token": tokens.token("screen", role="ADMIN")}
    client = service.open_socket_io(
        name="screen", auth=auth, query={"recovery": "1"}, reconnectionDelay=100
    ).wait_until_authorized()
    first = producer.order(records.order())["_id"]
    client.wait_for("order:new", first)

    service.process.kill()
    missed = [producer.order(records.order()) for _ in range(100)]
    conditions = [producer.condition(records.condition(order["_id"])) for order in missed[:50]]
    # Longer than the window reaches back when the instance starts again.
    time.sleep(4)
    service.start().wait_until_ready()

    client.wait_for("order:condition", conditions[-1]["_id"], within=15)
    after = producer.order(records.order())["_id"]
    client.wait_for("order:new", after)
    ours = {order["_id"] for order in missed} | {first, after}
    got = [event for event in client.order_events() if event[1] in ours]
    expected = [("order:new", order_id) for order_id in ours]
    expected += [("order:condition", condition["_id"]) for condition in conditions]
    assert sorted(got) == sorted(expected), "each one once"
    connects = [detail["recovered"] for kind, detail in client.life.all() if kind == "connect"]
    assert connects == [False, True]
    assert service.metric("dumbwaiter_backfills_total", outcome="found") == 1


@pytest.mark.parametrize("bound", [{"max_records": 50}, {"max_bytes": "2KiB"}])
def test_more_than_the_bound_is_told_as_a_gap(start_service, producer, bound):
    service = start_service(SHORT | {"backfill": bound})
    cursor = cursor_now(service)
    missed = pizzas(producer, 100)
    age(service, producer, cursor)

    client = plain(service, f"cursor={quote(cursor)}")
    assert status_of(client) == {"resumed": False, "gap": "too_much", "stale_since": None}
    live = pizzas(producer, 3)
    expect_each_once(client, live)
    assert not set(missed) & set(ids(client))


def test_a_replay_reaches_behind_the_window(start_service, producer):
    service = start_service(SHORT)
    cursor = cursor_now(service)
    before = pizzas(producer, 5)
    time.sleep(1)
    since = datetime.now(UTC)
    missed = pizzas(producer, 100)
    age(service, producer, cursor)

    client = plain(service, f"since={quote(since.isoformat(timespec='milliseconds').replace('+00:00', 'Z'))}")
    status = status_of(client)
    assert status["gap"] is None
    assert abs(datetime.fromisoformat(status["since"]) - since) < timedelta(milliseconds=2)
    live = pizzas(producer, 5)
    expect_each_once(client, missed + live)
    assert not set(before) & set(ids(client))
    assert "cursor" not in json.loads(client.messages()[-1].text)

    client = plain(service, "since=1m")
    assert status_of(client)["gap"] is None
    expect_each_once(client, before + missed + live)


def test_twenty_at_once_take_turns_and_all_get_all(start_service, producer):
    service = start_service(SHORT | {"backfill": {"readers": 2, "timeout": "14s"}})
    cursor = cursor_now(service)
    missed = pizzas(producer, 200)
    age(service, producer, cursor)

    clients = [plain(service, f"cursor={quote(cursor)}") for _ in range(20)]
    most = 0
    while not all(client.messages() for client in clients):
        most = max(most, service.metric("dumbwaiter_backfills_running"))
    assert most <= 2
    for client in clients:
        assert status_of(client) == RESUMED
        expect_each_once(client, missed)
    assert service.metric("dumbwaiter_backfills_running") == 0
