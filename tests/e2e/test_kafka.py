"""The service and its Kafka: late at the start, restarted in the middle, with topics that appear later.

These tests have a broker of their own, and share it in the order they are written in.
"""

import time

import pytest

from support import records, shapes, tokens
from support.kafka import Kafka
from support.records import Producer
from support.service import UPGRADE, Service
from support.steady import SteadyWriter
from support.waiting import eventually

METADATA_REFRESH = 1


@pytest.fixture(scope="module")
def own_kafka(run_folder):
    """Prepared, its port known, but not started: that is the first test's business."""
    kafka = Kafka(run_folder / "own-kafka").prepare()
    yield kafka
    kafka.kill()


@pytest.fixture(scope="module")
def own_producer(own_kafka, registry):
    return Producer(own_kafka.brokers, registry.wait_until_ready())


@pytest.fixture(scope="module")
def own_service(own_kafka, registry, driver):
    service = Service(
        own_kafka.brokers, registry.url, driver, {"kafka": {"metadata_refresh": f"{METADATA_REFRESH}s"}}
    )
    yield service.start()
    service.stop()


def test_without_kafka_the_service_lives_but_is_not_ready(own_service):
    eventually(lambda: own_service.livez() == 200, 2, "/livez answers")

    assert own_service.readyz() == 503
    assert own_service.request_ticket("any").status_code == 503
    assert own_service.http("GET", "/ws?key=any", headers=UPGRADE).status_code == 503
    assert own_service.http("GET", "/ws/?EIO=4&transport=websocket", headers=UPGRADE).status_code == 503


def test_it_becomes_ready_once_kafka_is_there(own_service, own_kafka):
    assert own_service.readyz() == 503

    own_kafka.start().wait_until_ready()

    own_service.wait_until_ready()
    assert own_service.livez() == 200


def test_a_topic_that_appears_later_is_read_from_its_first_record(own_service, own_producer, say):
    staff = own_service.plain("staff", role="ADMIN")
    screen = own_service.socket_io("screen", role="WATCHER")
    limit = 2 + METADATA_REFRESH

    # No topic exists yet: each of these first records makes its own. Those of orders are found by a regular expression.
    order = own_producer.order(records.order())
    written = time.monotonic()
    screen.wait_for("order:new", order["_id"], within=limit)
    say(f"a new topic's first record seen {time.monotonic() - written:.1f} s after it was written")
    pizza = own_producer.pizza(records.pizza())
    staff.wait_for(pizza["uuid"], within=limit)
    condition = own_producer.condition(records.condition(order["_id"]))
    screen.wait_for("order:condition", condition["_id"], within=limit)
    own_service.forget_clients()


def test_a_partition_that_is_added_is_read_from_its_first_record(own_service, own_kafka, own_producer, say):
    staff = own_service.plain("staff", role="ADMIN")
    number = own_kafka.partitions("pizza.created")
    own_kafka.add_partitions("pizza.created", number + 1)
    eventually(lambda: own_producer.partitions("pizza.created") > number, 5, "the producer knows of it")

    pizzas = [records.pizza() for _ in range(10)]
    for pizza in pizzas:
        own_producer.enqueue("pizza.created", own_producer.encode(shapes.PIZZA, pizza), partition=number)
    own_producer.flush()
    written = time.monotonic()
    staff.wait_for(pizzas[-1]["uuid"], within=2 + METADATA_REFRESH)
    say(f"a new partition's first records seen {time.monotonic() - written:.1f} s after they were written")
    assert [message.id for message in staff.messages()] == [pizza["uuid"] for pizza in pizzas]
    own_service.forget_clients()


def test_records_written_before_a_service_starts_are_not_sent_as_news(
    own_service, own_kafka, own_producer, registry, driver
):
    own_producer.order(records.order())
    late = Service(own_kafka.brokers, registry.url, driver).start().wait_until_ready()
    try:
        staff = late.socket_io("staff", role="ADMIN")
        order = own_producer.order(records.order())
        staff.wait_for("order:new", order["_id"])
        assert staff.order_events() == [("order:new", order["_id"])]
    finally:
        late.stop()


def test_a_condition_of_an_order_from_before_the_start_reaches_its_owner(
    own_kafka, own_producer, registry, driver
):
    order = own_producer.order(records.order(clientId="early-bird"))
    late = Service(own_kafka.brokers, registry.url, driver).start().wait_until_ready()
    try:
        owner = late.socket_io("early-bird", role="CUSTOMER")
        own_producer.condition(records.condition(order["_id"], "IN_PROGRESS"))
        owner.wait_for("order:condition", order["_id"])
    finally:
        late.stop()


class OrderWriter(SteadyWriter):
    """Hands these orders to the producer one by one."""

    def __init__(self, producer, orders):
        super().__init__(producer, per_second=100)
        self._payloads = [(order["_id"], producer.encode(shapes.ORDER, order)) for order in orders]
        self.begin()

    def wait_until(self, written):
        eventually(lambda: self.count >= written, 3, f"{written} orders handed to the producer")

    def _write_one(self, number):
        if number < len(self._payloads):
            order_id, payload = self._payloads[number]
            self._producer.enqueue("order.created", payload, key=order_id)


def test_a_restart_of_kafka_in_the_middle_loses_and_doubles_nothing(own_service, own_kafka, own_producer):
    staff = own_service.socket_io("staff", role="ADMIN")
    orders = [records.order() for _ in range(300)]
    writer = OrderWriter(own_producer, orders)

    writer.wait_until(100)
    own_kafka.kill()
    writer.wait_until(200)
    own_kafka.start().wait_until_ready()
    writer.wait_until(300)
    writer.stop()

    staff.events.wait_for_count(1 + len(orders), 6, "events")
    fence = own_producer.order(records.order())
    staff.wait_for("order:new", fence["_id"])
    received = [order_id for _name, order_id in staff.order_events()]
    assert received == [order["_id"] for order in orders] + [fence["_id"]]
    assert own_service.readyz() == 200
    own_service.forget_clients()


def test_an_outage_of_kafka_does_not_unready_the_service(own_service, own_kafka, own_producer):
    client = own_service.plain("staff", role="ADMIN")
    lines = len(own_service.log().splitlines())
    own_kafka.kill()

    # Long enough for the Kafka client to have tried, and complained, some forty times.
    time.sleep(2)

    assert (own_service.livez(), own_service.readyz()) == (200, 200)
    assert "kafka: degraded" in own_service.readiness()
    assert client.is_open()
    assert len(own_service.log().splitlines()) - lines < 30
    own_kafka.start().wait_until_ready()
    pizza = own_producer.pizza(records.pizza())
    client.wait_for(pizza["uuid"], within=4)
    eventually(lambda: "kafka: caught up" in own_service.readiness(), 2, "no trouble any more")
    own_service.forget_clients()


def test_clients_with_cursors_are_told_that_kafka_is_gone_and_back(own_service, own_kafka, own_producer):
    # After the outages of the tests before, the Kafka client may take some seconds to try again.
    eventually(lambda: "picture: current" in own_service.readiness(), 4, "a current picture to begin with")
    ticket = own_service.ticket("screen", role="ADMIN")
    plain = own_service.plain_at(f"key={ticket}&cursor=")
    options = {"auth": {"token": tokens.token("screen", role="ADMIN")}, "query": {"recovery": "1"}}
    official = own_service.open_socket_io(**options).wait_until_authorized()

    def statuses(inbox):
        return [event.data for event in inbox.all() if event.name == "STATUS"]

    own_kafka.kill()
    told = eventually(lambda: statuses(plain.inbox)[1:], 8, "STATUS with stale_since")[0]
    assert statuses(plain.inbox)[0]["stale_since"] is None
    assert told["stale_since"] is not None
    assert eventually(lambda: statuses(official.events), 2, "the same by Socket.IO") == [told]
    assert own_service.readyz() == 200 and "picture: stale" in own_service.readiness()

    own_kafka.start().wait_until_ready()
    assert eventually(lambda: statuses(plain.inbox)[2:], 4, "STATUS without")[0] == told | {"stale_since": None}
    assert eventually(lambda: statuses(official.events)[1:], 2, "the same by Socket.IO")[0]["stale_since"] is None
    pizza = own_producer.pizza(records.pizza())
    plain.inbox.wait_for(lambda m: m.name == "CREATE_PIZZA" and m.id == pizza["uuid"], 4, "a pizza")
    own_service.forget_clients()


def test_an_outage_that_outlasts_the_group_session_drops_nobody(own_kafka, own_producer, registry, driver):
    """The brokers have forgotten the member when they are back; positions that it sent meanwhile are no rival's."""
    # The shortest that brokers take, in place of 45 s.
    properties = {"session.timeout.ms": "6000", "heartbeat.interval.ms": "1000"}
    service = Service(own_kafka.brokers, registry.url, driver, {"kafka": {"properties": properties}}).start()
    service.wait_until_ready()
    try:
        client, screen = service.plain("staff", role="ADMIN"), service.socket_io("staff", role="ADMIN")
        for _ in range(3):
            client.wait_for(own_producer.pizza(records.pizza())["uuid"])
        own_kafka.kill()
        eventually(lambda: "session timed out" in service.log(), 10, "the end of the session")
        # Once more the interval of commits.
        time.sleep(6)
        own_kafka.start().wait_until_ready()
        pizza, order = own_producer.pizza(records.pizza()), own_producer.order(records.order())
        client.wait_for(pizza["uuid"], within=8)
        screen.wait_for("order:new", order["_id"])
        assert client.is_open() and [kind for kind, _ in screen.life.all()] == ["connect"]
        ids = [message.id for message in client.messages()]
        assert len(ids) == len(set(ids)), "nothing twice"
    finally:
        service.stop()


@pytest.mark.timeout(300)
def test_a_cluster_that_has_no_broker_for_a_moment_is_found_again(own_service, own_kafka, registry):
    # The broker says less often that it lives than it must, so its controller takes it for dead in between; it answers all the same.
    own_kafka.restart_with(**{"broker.heartbeat.interval.ms": 3_000, "broker.session.timeout.ms": 1_000})
    eventually(
        lambda: own_service.metric("dumbwaiter_kafka_clients_renewed_total") > 0, 20, "all brokers forgotten", every=0.5
    )
    own_kafka.restart_with(**{"broker.heartbeat.interval.ms": 200, "broker.session.timeout.ms": 3_000})

    screen = own_service.plain("screen", role="ADMIN")
    # The former producer's client may have forgotten them, too.
    pizza = Producer(own_kafka.brokers, registry).pizza(records.pizza())
    screen.wait_for(pizza["uuid"], within=15)
    eventually(lambda: "picture: current" in own_service.readiness(), 4, "a current picture")
