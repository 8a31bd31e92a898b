"""Documented payloads: what the two client documents show is what goes over the wire, letter by letter.

Judged on the raw text of the frames, since a parsed object forgets the order of fields and the form of numbers.
"""

from support import contract, records
from support.contract import compact


def test_an_order_arrives_as_the_document_shows_it(service, producer):
    documented = contract.order()
    client = service.socket_io("staff", role="ADMIN")

    # Under its documented id: an order that other tests may have seen too, but this client has not.
    producer.order(documented)

    assert client.wait_for_frame(documented["_id"]) == f'42["order:new",{compact(documented)}]'


def test_a_condition_arrives_as_the_document_shows_it(service, producer):
    documented = contract.condition()
    client = service.socket_io("staff", role="WATCHER")

    producer.condition(documented)

    assert client.wait_for_frame('["order:condition"') == f'42["order:condition",{compact(documented)}]'


def test_an_order_with_everything_in_it_keeps_types_and_order(service, producer):
    documented = contract.order()
    variant = {
        "_id": "625ab27addbcb27222de91ef",
        "title": 'XL "острый" \\ \u2028\t',
        "visible": True,
        "image": "/images/xl.png",
        "icon": None,
        "cost": 150,
        "weight": 450,
        "createdAt": 1650111098902,
        "updatedAt": 1650111098903,
    }
    full = documented | {
        "_id": records.new_id(),
        "address": "ул. Артёма, 1",
        "deliveryCost": 9007199254740991,
        "discount": {"type": "WEEKDAY", "percent": 12.5},
        "additionalInformation": "",
        "deliveryCalculateManually": False,
        "time": 1650710000000,
        "products": [
            documented["products"][0] | {"variant": variant},
            documented["products"][0] | {"product": None},
        ],
    }
    client = service.socket_io("staff", role="ADMIN")

    producer.order(full)

    assert client.wait_for_frame(full["_id"]) == f'42["order:new",{compact(full)}]'
    assert client.wait_for("order:new", full["_id"]).data == full


def test_an_order_without_products_or_discount_arrives(service, producer):
    bare = records.order(clientId=None, discount=None, products=[])
    client = service.socket_io("staff", role="ADMIN")

    producer.order(bare)

    assert client.wait_for_frame(bare["_id"]) == f'42["order:new",{compact(bare)}]'


def test_a_pizza_without_description_arrives_as_documented(service, producer):
    pizza = records.pizza(description=None)
    client = service.plain("staff", role="ADMIN")

    producer.pizza(pizza)

    assert client.wait_for(pizza["uuid"]).text == (
        '{"event_name":"CREATE_PIZZA","data":{'
        f'"uuid":"{pizza["uuid"]}","name":"Quattro formaggi","store_id":7,"user_uuid":"{pizza["user_uuid"]}",'
        '"size":30,"accepted":false,"price":149.99,"description":null,"img_url":"/static/pizzas/quattro.png",'
        '"created_date":"2018-03-22T18:56:35.176577Z","time_prepared":"2018-03-22T19:26:35.000000Z"}}'
    )


def test_an_event_has_one_argument_and_authorization_ok_none(service, producer):
    client = service.socket_io("staff", role="ADMIN")
    order = producer.order(records.order())
    client.wait_for("order:new", order["_id"])

    counts = {event.name: len(event.args) for event in client.events.all()}

    assert counts == {"authorization:ok": 0, "order:new": 1}
    assert '42["authorization:ok"]' in client.frames.all()
