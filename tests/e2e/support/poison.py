"""One record for every way in which a record can be poison: `(topic, reason, bytes)`, made from good records.

The bytes are written by hand where no serializer would write them. What a position in a record means is said where it
is used: zigzag numbers, so 0x02 is 1, 0x01 is -1 and 0x80 goes on.
"""

import struct

from support import records, shapes
from support.records import body, framed
from support.shapes import evolve, field, nullable, record

UNKNOWN_ID = 987_654
DECIMAL = evolve(shapes.PIZZA, replace={"price": field("price", shapes.PRICE_DECIMAL)})
ENUM = evolve(
    shapes.ORDER,
    replace={"condition": field("condition", {"type": "enum", "name": "State", "symbols": ["NEW", "DONE"]})},
)
RECURSIVE = evolve(shapes.PIZZA, first=[field("part_of", nullable("Pizza"))])
UNRELATED = record("Weather", field("degrees", "double"))


def nested(depth):
    """A pizza with a record in a record in a record."""
    inside = "int"
    for level in range(depth):
        inside = record(f"Level{level}", field("inside", inside))
    return evolve(shapes.PIZZA, first=[field("deep", inside)])


def every_kind(registry, pizzas, orders, conditions):
    """The kinds, over the three topics; the schemas that some of them need are registered here."""
    pizza_id, order_id = registry.register(shapes.PIZZA), registry.register(shapes.ORDER)
    condition_id = registry.register(shapes.CONDITION)
    pizza, order = body(shapes.PIZZA, records.pizza()), body(shapes.ORDER, records.order())
    condition = body(shapes.CONDITION, records.condition(records.new_id()))
    # A schema of another kind, which the registry has and nobody can read Avro with.
    json_schema = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}
    no_avro = registry.register_as("poison-json-value", json_schema, kind="JSON")

    yield pizzas, "too_short", b""
    yield orders, "too_short", b"\x00\x00\x00\x07"
    yield conditions, "too_short", b"\xc3\x01\x01\x02"
    yield pizzas, "wrong_magic", b"these bytes were never Avro"
    yield conditions, "wrong_magic", b'{"_id":"6263bda571a52b2d541ec5f7","condition":"DONE"}'
    yield orders, "unknown_schema", framed(UNKNOWN_ID, order)
    yield conditions, "unknown_schema", b"\xc3\x01" + b"\xff" * 8 + condition
    yield pizzas, "bad_schema", framed(no_avro, pizza)
    yield pizzas, "incompatible_schema", framed(registry.register(UNRELATED), struct.pack("<d", 21.5))
    # At every byte: each beginning of a record that is not the whole of it.
    for length in range(len(condition)):
        yield conditions, "truncated", framed(condition_id, condition[:length])
    for length in range(0, len(order), 97):
        yield orders, "truncated", framed(order_id, order[:length])
    # A length beyond the end: nothing may be reserved for it.
    yield conditions, "truncated", framed(condition_id, b"\xfe\xff\xff\xff\x0f" + condition)
    yield pizzas, "trailing_bytes", framed(pizza_id, pizza + b"\x00")
    yield orders, "trailing_bytes", framed(order_id, order + order)
    yield conditions, "bad_utf8", framed(condition_id, b"\x04\xff\xfe" + b"\x08DONE")
    # clientId has no branch 7, and the enum no symbol 9.
    yield orders, "bad_index", framed(order_id, split_at(shapes.ORDER, "clientId")[0] + b"\x0e" + order)
    yield orders, "bad_index", framed(registry.register(ENUM), with_enum_index(9))
    yield conditions, "overflow", framed(condition_id, b"\xff" * 9 + b"\x7f" + condition)
    yield conditions, "overflow", framed(condition_id, b"\x01" + condition)
    for price in (float("nan"), float("inf"), float("-inf")):
        yield pizzas, "not_finite", framed(pizza_id, body(shapes.PIZZA, records.pizza(price=price)))
    for unscaled in (b"", b"\x01" * 10_000):
        yield pizzas, "bad_decimal", framed(registry.register(DECIMAL), with_decimal(unscaled))
    for micros in (2**62, -(2**62)):
        late = records.pizza(created_date=micros)
        yield pizzas, "date_out_of_range", framed(pizza_id, body(shapes.PIZZA, late))
    yield pizzas, "too_large", framed(pizza_id, body(shapes.PIZZA, records.pizza(name="\x01" * 200_000)))
    yield pizzas, "too_large", framed(pizza_id, body(shapes.PIZZA, records.pizza(name="x" * 5_000_000)))
    # The order claims 2^40 lines, which are not there; it must not be tried to make room for them.
    yield orders, "too_large", framed(order_id, split_at(shapes.ORDER, "products")[0] + b"\x80" * 5 + b"\x40")
    yield pizzas, "too_deep", framed(registry.register(RECURSIVE), b"\x00" + pizza)
    yield pizzas, "too_deep", framed(registry.register(nested(64)), b"\x02" + pizza)


def with_enum_index(index):
    """An order in the schema with an enum, whose symbol has that number."""
    before, after = split_at(ENUM, "condition")
    return before + bytes([2 * index]) + after


def split_at(schema, name):
    """The bytes of an order before and after one of its fields."""
    place = [f["name"] for f in schema["fields"]].index(name)
    order = records.order()
    parts = schema["fields"][:place], schema["fields"][place + 1 :]
    return [body(record("Part", *fields), order) for fields in parts]


def with_decimal(unscaled):
    """A pizza in the schema with a decimal, which has those bytes."""
    as_bytes = evolve(shapes.PIZZA, replace={"price": field("price", "bytes")})
    return body(as_bytes, records.pizza(price=unscaled))
