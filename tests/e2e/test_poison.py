"""Records that cannot be delivered: counted by reason, located in the log, and passed over; the good ones go on."""

import re

import pytest

from support import raw_produce, records, shapes
from support.shapes import field, record
from support.waiting import eventually

UNRELATED = record("Weather", field("degrees", "double"))
UNKNOWN_SCHEMA_ID = 987_654


def poisons(producer):
    """{reason: bytes that are poison for it}."""
    good = producer.encode(shapes.PIZZA, records.pizza())
    return {
        "too_short": b"\x00\x00",
        "wrong_magic": b"these bytes were never Avro",
        "unknown_schema": records.framed(UNKNOWN_SCHEMA_ID, good[5:]),
        "incompatible_schema": producer.encode(UNRELATED, {"degrees": 21.5}),
        "truncated": good[:-3],
        "trailing_bytes": good + b"\x00",
    }


def poison_count(service, reason):
    return service.metric("dumbwaiter_records_poison_total", reason=reason)


@pytest.mark.parametrize(
    "reason", ["too_short", "wrong_magic", "unknown_schema", "incompatible_schema", "truncated", "trailing_bytes"]
)
def test_poison_between_good_records_is_counted_and_the_good_ones_arrive(service, producer, reason):
    staff = service.plain("staff", role="ADMIN")
    before = poison_count(service, reason)
    first, last = records.pizza(), records.pizza()

    # The same key, so the same partition: the last one stands behind the poison.
    producer.pizza(first)
    producer.send_bytes("pizza.created", poisons(producer)[reason], key=str(last["store_id"]))
    producer.pizza(last)

    # The registry is asked about an unknown id for some seconds before the record is given up.
    staff.wait_for(last["uuid"], within=12 if reason == "unknown_schema" else 2)
    assert [message.id for message in staff.messages()] == [first["uuid"], last["uuid"]]
    assert poison_count(service, reason) == before + 1


def test_the_log_says_where_poison_lies_but_not_what_it_is(service, producer):
    staff = service.plain("staff", role="ADMIN")
    producer.send_bytes("pizza.created", b"\x07a-secret-that-must-stay-out-of-the-log", key="7")
    after = producer.pizza(records.pizza())
    staff.wait_for(after["uuid"])

    def lines_about_it():
        return [
            line
            for line in plain_lines(service.log())
            if "pizza.created" in line and "offset" in line and "partition" in line
        ]

    eventually(lines_about_it, 1, "a line with topic, partition and offset")
    assert "a-secret-that-must-stay-out" not in service.log()


def test_an_order_topic_that_the_catalog_does_not_name_is_counted_and_passed_over(service, producer):
    staff = service.socket_io("staff", role="ADMIN")
    deleted = records.order()
    producer.send("order.archived", shapes.ORDER, deleted, key=deleted["_id"])

    # A new topic has to be found first; that its record is counted shows that it was.
    eventually(
        lambda: service.metric("dumbwaiter_records_unmapped_total", topic="order.archived") == 1,
        4,
        "one record unmapped",
    )
    fence = producer.order(records.order())
    staff.wait_for("order:new", fence["_id"])
    assert staff.order_events() == [("order:new", fence["_id"])]


def test_a_header_whose_name_is_no_text_is_left_out_and_the_record_arrives(service, kafka, producer):
    staff = service.plain("staff", role="ADMIN")
    pizza, after = records.pizza(), records.pizza()
    value = producer.encode(shapes.PIZZA, pizza)
    raw_produce.produce(kafka.brokers, "pizza.created", 0, value, [(b"\xff\xfe", b"x"), (b"trace", b"t")])
    producer.send_bytes("pizza.created", producer.encode(shapes.PIZZA, after), partition=0)
    staff.wait_for(after["uuid"])
    assert [message.id for message in staff.messages()] == [pizza["uuid"], after["uuid"]]


def plain_lines(log):
    """Without the terminal colours that a text log may bear."""
    return re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()
