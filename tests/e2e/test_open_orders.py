"""The open orders: known across a restart although older than the window, and waited for by conditions that overtake
them. Orders and conditions are in topics of their own, so nothing keeps their order but the service.

These tests have a broker of their own: records older than the window must stand before all others.
"""

import time

import pytest
from confluent_kafka import Producer as KafkaProducer

from support import records, shapes, tokens
from support.flaky_registry import FlakyRegistry
from support.kafka import Kafka
from support.records import Producer
from support.service import Service
from support.waiting import eventually

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def own_kafka(run_folder, registry):
    kafka = Kafka(run_folder / "orders-kafka").prepare().start().wait_until_ready()
    registry.wait_until_ready()
    kafka.create_topics("order.created", "order.condition", partitions=3)
    yield kafka
    kafka.kill()


@pytest.fixture(scope="module")
def own_producer(own_kafka, registry):
    return Producer(own_kafka.brokers, registry)


@pytest.fixture
def start(own_kafka, registry, driver):
    """Starts a service, which may not be ready yet: `start(settings, registry_url)`."""
    started = []

    def start_one(settings=None, registry_url=registry.url):
        started.append(Service(own_kafka.brokers, registry_url, driver, settings).start())
        return started[-1]

    yield start_one
    for service in started:
        service.stop()


@pytest.fixture
def flaky(registry):
    flaky = FlakyRegistry(registry)
    yield flaky
    flaky.open_door()
    flaky.stop()


def send_old_order(producer, hours, **changes):
    order = records.order(**changes)
    at = int(time.time() * 1000) - hours * HOUR_MS
    payload = producer.encode(shapes.ORDER, order)
    producer.send_bytes("order.created", payload, key=order["_id"], timestamp=at)
    return order


def another_shape():
    """A writer's schema that no service has asked for yet."""
    return shapes.evolve(shapes.ORDER, first=[shapes.field(f"extra_{records.new_id()}", "long", default=0)])


def test_a_restart_knows_the_owners_of_orders_that_are_older_than_the_window(own_producer, start):
    forgotten = send_old_order(own_producer, hours=30, clientId="regular")
    order = send_old_order(own_producer, hours=20, clientId="regular")
    closed = send_old_order(own_producer, hours=19, clientId="regular")
    at = int(time.time() * 1000) - 18 * HOUR_MS
    done = own_producer.encode(shapes.CONDITION, records.condition(closed["_id"], "DONE"))
    own_producer.send_bytes("order.condition", done, key=closed["_id"], timestamp=at)
    fresh = own_producer.order(records.order(clientId="regular"))

    service = start().wait_until_ready()
    assert service.metric("dumbwaiter_open_orders") == 2, "one is too old, one is closed"
    assert service.metric("dumbwaiter_journal_entries") == 1, "older records are no events"
    owner = service.socket_io("regular", role="CUSTOMER")
    staff = service.socket_io("staff", role="ADMIN")
    for its in (order, closed, fresh):
        own_producer.condition(records.condition(its["_id"], "COLLECTED"))
        owner.wait_for("order:condition", its["_id"])
    own_producer.condition(records.condition(forgotten["_id"], "COLLECTED"))
    staff.wait_for("order:condition", forgotten["_id"])
    assert forgotten["_id"] not in {order_id for _, order_id in owner.order_events()}


def test_without_a_look_back_only_the_window_is_read(own_producer, start):
    service = start({"orders": {"look_back": "0s"}}).wait_until_ready()
    assert service.metric("dumbwaiter_open_orders") == 1


def test_a_condition_that_overtakes_its_order_waits_for_it(own_producer, registry, flaky, start):
    service = start({"orders": {"wait": "30s"}}, flaky.url).wait_until_ready()
    owner = service.socket_io("hasty", role="CUSTOMER")
    first = own_producer.order(records.order(clientId="hasty"))
    own_producer.condition(records.condition(first["_id"], "IN_PROGRESS"))
    owner.wait_for("order:condition", first["_id"])

    flaky.close_door()
    order = own_producer.order(records.order(clientId="hasty"), schema=another_shape())
    own_producer.condition(records.condition(order["_id"], "IN_PROGRESS"))
    eventually(lambda: service.metric("dumbwaiter_partitions_waiting", reason="order") == 1, 2, "it waits")
    flaky.open_door()

    owner.wait_for("order:condition", order["_id"], within=6)
    assert owner.order_events()[-2:] == [("order:new", order["_id"]), ("order:condition", order["_id"])]
    assert service.metric("dumbwaiter_order_waits_total", outcome="found") >= 1
    assert service.metric("dumbwaiter_order_waits_total", outcome="given_up") == 0
    eventually(lambda: service.metric("dumbwaiter_partitions_waiting") == 0, 2, "nothing waits")


def test_a_condition_whose_order_does_not_come_in_time_reaches_staff_only(own_producer, flaky, start):
    service = start({"orders": {"wait": "300ms"}}, flaky.url).wait_until_ready()
    owner, staff = service.socket_io("patient", role="CUSTOMER"), service.socket_io("staff", role="ADMIN")
    first = own_producer.order(records.order(clientId="patient"))
    own_producer.condition(records.condition(first["_id"], "IN_PROGRESS"))
    owner.wait_for("order:condition", first["_id"])

    flaky.close_door()
    order = own_producer.order(records.order(clientId="patient"), schema=another_shape())
    own_producer.condition(records.condition(order["_id"], "IN_PROGRESS"))
    staff.wait_for("order:condition", order["_id"])
    assert service.metric("dumbwaiter_order_waits_total", outcome="given_up") == 1
    flaky.open_door()

    owner.wait_for("order:new", order["_id"], within=6)
    assert ("order:condition", order["_id"]) not in owner.order_events()


def test_a_condition_of_an_order_that_nobody_knows_costs_one_question_and_not_the_wait(own_producer, start):
    service = start({"orders": {"wait": "30s"}}).wait_until_ready()
    staff = service.socket_io("staff", role="ADMIN")
    before = service.metric("dumbwaiter_order_waits_total", outcome="unknown")
    begin = time.monotonic()
    unknown = [records.condition(records.new_id()) for _ in range(200)]
    for condition in unknown:
        own_producer.enqueue(
            "order.condition", own_producer.encode(shapes.CONDITION, condition), key=condition["_id"]
        )
    own_producer.flush()

    staff.events.wait_for_count(1 + len(unknown), 2, "conditions")
    assert time.monotonic() - begin < 10
    assert service.metric("dumbwaiter_order_waits_total", outcome="unknown") == before + len(unknown)
    assert service.metric("dumbwaiter_order_waits_total", outcome="given_up") == 0


def test_the_marker_behind_a_transaction_is_not_waited_for(own_kafka, own_producer, start):
    service = start({"orders": {"wait": "30s"}}).wait_until_ready()
    staff = service.socket_io("staff", role="ADMIN")
    transactional = KafkaProducer({"bootstrap.servers": own_kafka.brokers, "transactional.id": "orders"})
    transactional.init_transactions()
    transactional.begin_transaction()
    order = records.order()
    transactional.produce("order.created", own_producer.encode(shapes.ORDER, order), order["_id"])
    transactional.commit_transaction()
    staff.wait_for("order:new", order["_id"])

    before = service.metric("dumbwaiter_order_waits_total", outcome="unknown")
    unknown = own_producer.condition(records.condition(records.new_id()))
    begin = time.monotonic()
    staff.wait_for("order:condition", unknown["_id"], within=3)
    assert time.monotonic() - begin < 15
    assert service.metric("dumbwaiter_order_waits_total", outcome="unknown") == before + 1


def test_orders_and_conditions_written_in_one_breath_reach_their_owner_in_order(own_producer, start):
    service = start({"orders": {"wait": "30s"}}).wait_until_ready()
    owner = service.socket_io("breathless", role="CUSTOMER")
    orders = [records.order(clientId="breathless") for _ in range(300)]
    for start_at in range(0, len(orders), 30):
        some = orders[start_at : start_at + 30]
        for order in some:
            own_producer.enqueue("order.created", own_producer.encode(shapes.ORDER, order), key=order["_id"])
        # A condition is written by somebody who has seen the order.
        own_producer.flush()
        for order in some:
            condition = own_producer.encode(shapes.CONDITION, records.condition(order["_id"], "IN_PROGRESS"))
            own_producer.enqueue("order.condition", condition, key=order["_id"])
    own_producer.flush()

    owner.events.wait_for_count(1 + 2 * len(orders), 4, "orders and conditions")
    events = owner.order_events()
    assert len(set(events)) == len(events) == 2 * len(orders)
    for order in orders:
        assert events.index(("order:new", order["_id"])) < events.index(("order:condition", order["_id"]))


def test_the_start_tells_how_far_it_is(own_producer, flaky, start):
    flaky.close_door()
    service = start({"log": {"level": "info"}}, flaky.url)
    eventually(lambda: "reading back what was there at the start" in service.log(), 6, "progress in the log")
    left = service.metric("dumbwaiter_start_records_left")
    assert left > 500 and service.metric("dumbwaiter_start_seconds") == 0
    assert service.readyz() == 503
    flaky.open_door()

    service.wait_until_ready(within=12)
    assert service.metric("dumbwaiter_start_records_left") == 0
    assert service.metric("dumbwaiter_start_seconds") > 5
    assert "read back what was there at the start" in service.log()
    # Conditions were read before their orders could be, and found them.
    assert service.metric("dumbwaiter_order_waits_total", outcome="given_up") == 0
    assert service.metric("dumbwaiter_events_owner_unknown_total") < 250


def open_screen(service, sub, **claims):
    options = {"auth": {"token": tokens.token(sub, **claims)}, "query": {"open": "1", "recovery": "1"}}
    return service.open_socket_io(name=sub, reconnectionDelay=100, **options).wait_until_authorized()


def test_a_screen_that_asks_for_the_open_orders_has_them_across_a_restart_and_never_twice(own_producer, start):
    mine, others = (own_producer.order(records.order(clientId=user)) for user in ("hungry", "other"))
    own_producer.condition(records.condition(mine["_id"], "IN_PROGRESS"))
    service = start().wait_until_ready()

    owner, staff = open_screen(service, "hungry", role="CUSTOMER"), open_screen(service, "staff", role="ADMIN")
    owner.wait_for("order:condition", mine["_id"])
    staff.wait_for("order:new", others["_id"])
    expected = [("order:new", mine["_id"]), ("order:condition", mine["_id"])]
    assert owner.order_events() == expected
    late = open_screen(service, "late", role="CUSTOMER")

    service.process.kill()
    missed = own_producer.order(records.order(clientId="hungry"))
    service.start().wait_until_ready()
    owner.wait_for("order:new", missed["_id"], within=10)
    own_producer.condition(records.condition(mine["_id"], "DONE"))
    own_producer.condition(records.condition(others["_id"], "DONE"))
    staff.wait_for("order:condition", others["_id"])
    expected += [("order:new", missed["_id"]), ("order:condition", mine["_id"])]
    # Partitions have no order: its condition may come behind the other's.
    eventually(lambda: len(owner.order_events()) == len(expected), 2, "all of the owner's")
    assert sorted(owner.order_events()) == sorted(expected)
    assert len(set(staff.order_events())) >= 5
    for order_id in (mine["_id"], others["_id"], missed["_id"]):
        assert staff.order_events().count(("order:new", order_id)) == 1
    assert late.order_events() == []
