"""W3C traceparent of Kafka's headers: into the log, and to clients that ask for it; to nobody else."""

import json

import pytest

from support import contract, described, records, shapes, tokens
from support.service import Service
from support.waiting import eventually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"
BAD = "00-00000000000000000000000000000000-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def traced(kafka, registry, driver):
    settings = {"web": {"traceparent": True}, "log": {"events": True, "format": "json", "level": "info"}}
    service = Service(kafka.brokers, registry.url, driver, settings).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture
def service_with_traces(traced):
    yield traced
    traced.forget_clients()


def send_pizza(producer, traceparent, **more):
    pizza = records.pizza(**more)
    headers = [("traceparent", traceparent.encode())] if traceparent else []
    producer.send_bytes("pizza.created", producer.encode(shapes.PIZZA, pizza), "7", headers=headers)
    return pizza["uuid"]


def send_order(producer, traceparent):
    order = records.order()
    headers = [("traceparent", traceparent.encode())] if traceparent else []
    producer.send_bytes("order.created", producer.encode(shapes.ORDER, order), order["_id"], headers=headers)
    return order


def told(client, uuid):
    """The message about that pizza; one who asks for more gets others, too."""
    return json.loads(client.inbox.wait_for(lambda message: uuid in message.text, 2, f"pizza {uuid}").text)


def test_plain_clients_that_ask_get_one_more_field_and_others_do_not(service_with_traces, producer):
    service = service_with_traces
    ticket = lambda: service.ticket("screen", store_id=7)  # noqa: E731
    asked = service.plain_at(f"key={ticket()}&traceparent=1")
    with_cursor = service.plain_at(f"key={ticket()}&traceparent=1&cursor=")
    others = [service.plain_at(f"key={ticket()}"), service.plain_at(f"key={ticket()}&traceparent=yes")]
    invalid = service.metric("dumbwaiter_traceparents_total", outcome="invalid")

    good, bad, none = send_pizza(producer, PARENT), send_pizza(producer, BAD), send_pizza(producer, None)

    for uuid, trace in ((good, {"traceparent": PARENT}), (bad, {}), (none, {})):
        plain = others[0].wait_for(uuid).text
        message = told(asked, uuid)
        assert contract.compact({"event_name": "CREATE_PIZZA", "data": message["data"]}) == plain
        assert message.keys() - {"event_name", "data"} == trace.keys() and trace.items() <= message.items()
        message = told(with_cursor, uuid)
        assert message.keys() == {"event_name", "data", "cursor"} | trace.keys()
        assert described.message_faults("CREATE_PIZZA", message) == []
        assert others[1].wait_for(uuid).text == plain
    assert service.metric("dumbwaiter_traceparents_total", outcome="invalid") == invalid + 1


def test_socket_io_clients_that_ask_get_one_more_argument_before_the_cursor(service_with_traces, producer):
    service = service_with_traces
    auth = {"token": tokens.token("screen", role="ADMIN")}
    queries = ({"traceparent": "1"}, {"traceparent": "1", "recovery": "1"}, {})
    asked, recovering, other = (
        service.open_socket_io(name=f"screen {n}", auth=auth, query=query, reconnectionDelay=100).wait_until_authorized()
        for n, query in enumerate(queries)
    )

    order, without = send_order(producer, PARENT), send_order(producer, None)

    for order, trace in ((order, {"traceparent": PARENT}), (without, {})):
        assert asked.wait_for("order:new", order["_id"]).args == [order, trace]
        assert other.wait_for("order:new", order["_id"]).args == [order]
        args = recovering.wait_for("order:new", order["_id"]).args
        assert args[:2] == [order, trace] and isinstance(args[2], str) and len(args) == 3
        assert described.message_faults("orderNew", args) == []


def test_what_is_caught_up_with_has_its_traces(service_with_traces, producer):
    service = service_with_traces
    ticket = lambda: service.ticket("screen", store_id=7)  # noqa: E731
    witness = service.plain_at(f"key={ticket()}&cursor=")
    first, missed = send_pizza(producer, PARENT), send_pizza(producer, PARENT)
    cursor = told(witness, first)["cursor"]
    told(witness, missed)

    resumed = service.plain_at(f"key={ticket()}&cursor={cursor}&traceparent=1")
    replayed = service.plain_at(f"key={ticket()}&since=15m&traceparent=1")

    assert told(resumed, missed)["traceparent"] == PARENT
    assert told(replayed, missed)["traceparent"] == PARENT


def test_the_log_tells_of_events_and_poison_with_their_trace(service_with_traces, producer):
    uuid = send_pizza(producer, PARENT)
    pizza = producer.last_place()
    producer.send_bytes("pizza.created", b"\x01poison", headers=[("traceparent", PARENT.encode())])
    poison = producer.last_place()

    def lines(message, place):
        lines = (json.loads(line) for line in service_with_traces.log().splitlines())
        said = [line for line in lines if line["message"] == message]
        return [line for line in said if "{topic}-{partition}-{offset}".format_map(line) == place]

    for message, place in (("event", pizza), ("record passed over as poison", poison)):
        eventually(lambda: lines(message, place), 2, message)  # noqa: B023
        assert [(line["trace_id"], line["parent_id"]) for line in lines(message, place)] == [(TRACE, SPAN)], message
    [line] = lines("event", pizza)
    assert (line["event"], line["level"]) == ("CREATE_PIZZA", "INFO")
    assert uuid not in service_with_traces.log()


def test_nothing_changes_where_it_is_off(service, producer):
    client = service.plain_at(f"key={service.ticket('screen', store_id=7)}&traceparent=1")

    uuid = send_pizza(producer, PARENT)

    assert json.loads(client.wait_for(uuid).text).keys() == {"event_name", "data"}
    # Poison is told with its trace in any case; other tests have sent some.
    assert [line for line in service.log().splitlines() if TRACE in line and "poison" not in line] == []
