"""Writers change their schemas; what clients get stays as documented.

Each case is a version of a writer's schema with a record of it, and the documented form that must come out of it.
"""

from decimal import Decimal

import pytest

from support import records, shapes
from support.contract import compact
from support.shapes import ORDER, PIZZA, evolve, field, nullable


def renamed(value, names):
    return {names.get(name, name): its for name, its in value.items()}


ENUM_CONDITION = {"type": "enum", "name": "Condition", "symbols": ["DONE", "NEW", "COLLECTED"]}
INTEGERS = ("number", "cost", "weight", "productsSum")
SNAKE_CASE = {"clientId": "client_id", "createdAt": "created_at", "updatedAt": "updated_at"}

# name: (writer's schema, what it writes for an order, how the documented order then differs)
ORDER_VERSIONS = {
    "a field added": (
        evolve(ORDER, first=[field("loyalty", nullable({"type": "map", "values": "long"}))]),
        lambda order: order | {"loyalty": {"points": 12}},
        {},
    ),
    "fields with a default gone": (
        evolve(ORDER, drop=("discount", "additionalInformation", "time")),
        lambda order: order,
        {"discount": None, "additionalInformation": None, "time": None},
    ),
    "int where a long is documented": (
        evolve(ORDER, replace={name: field(name, "int") for name in INTEGERS}),
        lambda order: order,
        {},
    ),
    "an alias for a field's name": (
        evolve(
            ORDER,
            replace={
                f["name"]: f | {"name": SNAKE_CASE[f["name"]]} for f in ORDER["fields"] if f["name"] in SNAKE_CASE
            },
        ),
        lambda order: renamed(order, SNAKE_CASE),
        {},
    ),
    "another order of fields": (
        ORDER | {"fields": ORDER["fields"][::-1]},
        lambda order: order,
        {},
    ),
    "an enum where a string is documented": (
        evolve(ORDER, replace={"condition": field("condition", ENUM_CONDITION)}),
        lambda order: order,
        {},
    ),
    "never null where null is allowed": (
        evolve(
            ORDER,
            replace={"clientId": field("clientId", "string"), "discount": field("discount", shapes.DISCOUNT)},
        ),
        lambda order: order,
        {},
    ),
    "null as the second branch of a union": (
        evolve(ORDER, replace={"address": field("address", ["string", "null"])}),
        lambda order: order,
        {},
    ),
    "a foreign namespace and name": (
        evolve(ORDER, namespace="com.example.legacy.v2") | {"name": "ShopOrder"},
        lambda order: order,
        {},
    ),
}

PLAIN_DATE = field("created_date", "string")
MILLIS_DATE = field("created_date", shapes.MILLIS)

# name: (writer's schema, what differs in the written pizza, raw text that the message must have)
PIZZA_VERSIONS = {
    "a decimal price": (
        evolve(PIZZA, replace={"price": field("price", shapes.PRICE_DECIMAL)}),
        {"price": Decimal("149.99")},
        '"price":149.99,',
    ),
    "a decimal price without cents": (
        evolve(PIZZA, replace={"price": field("price", shapes.PRICE_DECIMAL)}),
        {"price": Decimal("1500.00")},
        '"price":1500,',
    ),
    "a small decimal price": (
        evolve(PIZZA, replace={"price": field("price", shapes.PRICE_DECIMAL)}),
        {"price": Decimal("0.05")},
        '"price":0.05,',
    ),
    "a whole price": (PIZZA, {"price": 150.0}, '"price":150,'),
    "a float price": (evolve(PIZZA, replace={"price": field("price", "float")}), {"price": 12.5}, '"price":12.5,'),
    "a long price": (evolve(PIZZA, replace={"price": field("price", "long")}), {"price": 12}, '"price":12,'),
    "a date in milliseconds": (
        evolve(PIZZA, replace={"created_date": MILLIS_DATE}),
        {"created_date": 1521744995176},
        '"created_date":"2018-03-22T18:56:35.176000Z",',
    ),
    "a date as text": (
        evolve(PIZZA, replace={"created_date": PLAIN_DATE}),
        {"created_date": "2018-03-22T18:56:35.176577Z"},
        '"created_date":"2018-03-22T18:56:35.176577Z",',
    ),
    "a store id as int": (evolve(PIZZA, replace={"store_id": field("store_id", "int")}), {}, '"store_id":7,'),
    "a description": (PIZZA, {"description": 'Сыр, "сыр" и 🧀'}, '"description":"Сыр, \\"сыр\\" и 🧀",'),
}


@pytest.mark.parametrize("version", ORDER_VERSIONS)
def test_an_order_of_another_version_arrives_in_documented_form(service, producer, version):
    schema, write, differs = ORDER_VERSIONS[version]
    order = records.order()
    staff = service.socket_io("staff", role="ADMIN")
    owner = service.socket_io(order["clientId"], role="CUSTOMER")

    producer.send("order.created", schema, write(order), key=order["_id"])

    expected = f'42["order:new",{compact(order | differs)}]'
    assert staff.wait_for_frame(order["_id"]) == expected
    assert owner.wait_for_frame(order["_id"]) == expected


@pytest.mark.parametrize("version", PIZZA_VERSIONS)
def test_a_pizza_of_another_version_arrives_in_documented_form(service, producer, version):
    schema, differs, expected = PIZZA_VERSIONS[version]
    pizza = records.pizza(**differs)
    clerk = service.plain("clerk", role="USER", store_id=7)

    producer.pizza(pizza, schema)

    text = clerk.wait_for(pizza["uuid"]).text
    assert expected in text
    assert list(clerk.wait_for(pizza["uuid"]).data) == [f["name"] for f in PIZZA["fields"]]
