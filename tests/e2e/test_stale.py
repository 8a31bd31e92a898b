"""Clients that asked for cursors are told when a partition stands still because the registry does not answer.

That a broker is gone is asked in test_kafka.
"""

from datetime import datetime, timedelta, timezone

import pytest

from support import records, shapes, tokens
from support.proxy import CuttingProxy
from support.waiting import eventually

# Between a record that stands still and the telling of it.
TOLD_WITHIN = 8


@pytest.fixture
def gate(registry):
    """The way to the registry, which can be closed for one service alone."""
    host_port, _, path = registry.url.removeprefix("http://").partition("/")
    proxy = CuttingProxy(host_port)
    proxy.url = f"http://{proxy.address}/{path}"
    yield proxy
    proxy.close()


def plain_with_cursors(service):
    return service.plain_at(f"key={service.ticket('screen', role='ADMIN')}&cursor=")


def official_with_cursors(service):
    options = {"auth": {"token": tokens.token("screen", role="ADMIN")}, "query": {"recovery": "1"}}
    return service.open_socket_io(name="screen", **options).wait_until_authorized()


def stale_since(status):
    assert (status["resumed"], status["gap"]) == (True, None)
    told = status["stale_since"]
    return told and datetime.fromisoformat(told)


def next_status(client, number, within=TOLD_WITHIN):
    """The data of the client's STATUS of that number, from 1."""
    inbox = getattr(client, "events", None) or client.inbox

    def found():
        statuses = [event.data for event in inbox.all() if event.name == "STATUS"]
        return statuses[number - 1 : number]

    return eventually(found, within, f"STATUS number {number}")[0]


def test_a_topic_that_waits_for_the_registry_makes_the_picture_stale(start_service, gate, producer):
    service = start_service({"registry": {"urls": [gate.url]}})
    plain, official = plain_with_cursors(service), official_with_cursors(service)
    order = producer.order(records.order())
    official.wait_for("order:new", order["_id"])
    assert next_status(plain, 1) == {"resumed": False, "gap": None, "stale_since": None}

    gate.is_open = False
    gate.cut()
    before = datetime.now(timezone.utc)
    pizza = producer.pizza(records.pizza(), shapes.unseen(shapes.PIZZA))

    since = stale_since(next_status(plain, 2))
    assert stale_since(next_status(official, 1)) == since
    assert before - timedelta(seconds=4) < since < datetime.now(timezone.utc) - timedelta(seconds=4)
    assert service.readyz() == 200 and "picture: stale" in service.readiness()
    assert service.metric("dumbwaiter_partitions_stalled") == 1
    assert service.metric("dumbwaiter_stale_seconds") >= 5
    # The orders flow, and whoever comes now is told at once.
    order = producer.order(records.order())
    official.wait_for("order:new", order["_id"])
    newcomer = plain_with_cursors(service)
    told = next_status(newcomer, 1)["stale_since"]
    assert datetime.fromisoformat(told) == since

    gate.is_open = True
    plain.inbox.wait_for(lambda m: m.name == "CREATE_PIZZA" and m.id == pizza["uuid"], 6, "the pizza that waited")
    assert stale_since(next_status(plain, 3)) is None
    assert stale_since(next_status(official, 2)) is None
    eventually(lambda: "picture: current" in service.readiness(), 2, "current again")
    names = [message.name for message in plain.messages()]
    assert names.index("CREATE_PIZZA") < len(names) - 1 - names[::-1].index("STATUS"), "first what waited"
    assert "clients see a stale picture" in service.log() and "no partition stands still any more" in service.log()


def test_the_official_client_goes_on_from_the_cursor_of_a_status(start_service, gate, producer):
    """The library keeps the last argument of a STATUS as its offset, so that must be where the client stands."""
    service = start_service({"registry": {"urls": [gate.url]}})
    official = official_with_cursors(service)
    order = producer.order(records.order())
    official.wait_for("order:new", order["_id"])
    gate.is_open = False
    gate.cut()
    producer.pizza(records.pizza(), shapes.unseen(shapes.PIZZA))
    assert stale_since(next_status(official, 1)) is not None

    service.process.kill()
    missed = [producer.order(records.order())["_id"] for _ in range(5)]
    gate.is_open = True
    service.start().wait_until_ready()
    ours = {order["_id"], *missed}
    seen = lambda: {event.id for event in official.events.all() if event.name == "order:new"}
    eventually(lambda: ours <= seen(), 10, "what was missed")

    got = [event.id for event in official.events.all() if event.name == "order:new" and event.id in ours]
    assert sorted(got) == sorted(ours), "each one once"
    assert [detail["recovered"] for kind, detail in official.life.all() if kind == "connect"] == [False, True]
