"""All the ways in which a record names the schema that wrote it; what clients get is the same.

The service of this module has a catalog, topics and a folder of schemas of its own; the registry is the real one,
but for GUIDs, which it does not have: those come from a stand-in of a few lines.
"""

import json
import struct
import uuid

import pytest

from support import catalogs, records, shapes
from support.answering import AnsweringServer
from support.contract import compact
from support.paths import REPOSITORY, RUN
from support.service import Service
from support.shapes import evolve, field, record
from support.waiting import eventually

BUNDLED_PIZZA = json.loads((REPOSITORY / "schemas" / "pizza.avsc").read_text())

# Each written by somebody else: only the folder, only the registry's history, only the catalog knows it.
IN_FOLDER = evolve(shapes.PIZZA, namespace="known.to.the.folder")
IN_HISTORY = evolve(shapes.PIZZA, namespace="known.to.the.registry")
NEWER_IN_HISTORY = evolve(shapes.PIZZA, namespace="known.to.the.registry", first=[field("crust", "string")])
IN_CATALOG = evolve(shapes.PIZZA, namespace="known.to.the.catalog", replace={"price": field("price", "float")})

TOPICS = ("enc.pizza", "enc.raw", "enc.old", "enc.orders")
CATALOG = catalogs.catalog(
    catalogs.pizza_event("enc.pizza"),
    catalogs.pizza_event("enc.raw", name="RAW_PIZZA", encoding="raw"),
    catalogs.pizza_event("enc.old", name="OLD_PIZZA", encoding="raw", writer="old_pizza.avsc"),
    catalogs.order_events(
        "enc.orders", "enc.orders", new={"record": "PopulatedOrder"}, changed={"record": "OrderCondition"}
    ),
)


@pytest.fixture(scope="module")
def settings(kafka):
    kafka.create_topics(*TOPICS, partitions=1)
    folder = RUN / "encodings"
    (folder / "schemas").mkdir(parents=True)
    (folder / "old_pizza.avsc").write_text(json.dumps(IN_CATALOG))
    (folder / "schemas" / "pizza.avsc").write_text(json.dumps(IN_FOLDER))
    own = catalogs.settings(folder / "catalog.toml", CATALOG, ["^enc[.].*"])
    return own | {"decode": {"schemas": str(folder / "schemas")}}


@pytest.fixture(scope="module")
def pizzeria(settings, kafka, registry, driver):
    registry.register_as("enc.pizza-value", IN_HISTORY)
    registry.register_as("enc.pizza-value", NEWER_IN_HISTORY)
    service = Service(kafka.brokers, registry.url, driver, settings).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture
def service(pizzeria):
    yield pizzeria
    pizzeria.forget_clients()


def by_prefix(registry, pizza):
    return records.framed(registry.register(shapes.PIZZA), records.body(shapes.PIZZA, pizza)), []


def by_header_with_id(registry, pizza):
    value = struct.pack(">bI", 0, registry.register(shapes.PIZZA))
    return records.body(shapes.PIZZA, pizza), [("trace", b"t"), ("__value_schema_id", value)]


def by_content_id(registry, pizza):
    value = struct.pack(">q", registry.register(shapes.PIZZA))
    return records.body(shapes.PIZZA, pizza), [("apicurio.value.contentId", value)]


def by_global_id(registry, pizza):
    value = struct.pack(">q", registry.global_id("enc.pizza-value", 1))
    return records.body(IN_HISTORY, pizza), [("apicurio.value.globalId", value)]


def single_object_of(schema):
    def encode(_registry, pizza):
        return records.single_object(schema, records.body(schema, pizza)), []

    return encode


ENCODINGS = {
    "Confluent prefix": by_prefix,
    "Confluent header with an id": by_header_with_id,
    "Apicurio content id": by_content_id,
    "Apicurio global id": by_global_id,
    "single object, bundled schema": single_object_of(BUNDLED_PIZZA),
    "single object, schema of the folder": single_object_of(IN_FOLDER),
    "single object, an old version in the registry": single_object_of(IN_HISTORY),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_pizza_arrives_however_its_schema_is_named(service, producer, registry, encoding):
    staff = service.plain("staff", role="ADMIN")
    pizza = records.pizza()
    payload, headers = ENCODINGS[encoding](registry, pizza)
    producer.send_bytes("enc.pizza", payload, headers=headers)
    assert staff.wait_for(pizza["uuid"]).data["created_date"] == "2018-03-22T18:56:35.176577Z"


def test_versions_that_follow_each_other_in_the_history_are_told_apart(service, producer):
    staff = service.plain("staff", role="ADMIN")
    first, second = records.pizza(), records.pizza()
    for schema, pizza in [(NEWER_IN_HISTORY, first | {"crust": "thin"}), (IN_HISTORY, second)]:
        producer.send_bytes("enc.pizza", records.single_object(schema, records.body(schema, pizza)))
    staff.wait_for(second["uuid"])
    assert [message.id for message in staff.messages()] == [first["uuid"], second["uuid"]]


def test_raw_avro_is_read_by_the_schema_that_the_catalog_names(service, producer):
    staff = service.plain("staff", role="ADMIN")
    raw, old = records.pizza(), records.pizza(price=12.5)
    producer.send_bytes("enc.raw", records.body(BUNDLED_PIZZA, raw))
    producer.send_bytes("enc.old", records.body(IN_CATALOG, old))
    assert staff.wait_for(raw["uuid"]).name == "RAW_PIZZA"
    assert staff.wait_for(old["uuid"]).name == "OLD_PIZZA"
    assert '"price":12.5,' in staff.wait_for(old["uuid"]).text


def test_a_guid_in_a_header_or_before_the_body_is_asked_of_the_registry(settings, kafka, driver, producer):
    guid = uuid.uuid4()
    registry = GuidRegistry({str(guid): shapes.PIZZA})
    service = Service(kafka.brokers, registry.url, driver, settings).start().wait_until_ready()
    try:
        staff = service.plain("staff", role="ADMIN")
        in_header, before_body = records.pizza(), records.pizza()
        named = b"\x01" + guid.bytes
        body = records.body(shapes.PIZZA, in_header)
        producer.send_bytes("enc.pizza", body, headers=[("__value_schema_id", named)])
        producer.send_bytes("enc.pizza", named + records.body(shapes.PIZZA, before_body))
        staff.wait_for(before_body["uuid"])
        ours = {in_header["uuid"], before_body["uuid"]}
        assert ours <= {message.id for message in staff.messages()}
        assert registry.asked.count(f"/schemas/guids/{guid}") == 1
    finally:
        service.stop()
        registry.stop()


def test_a_guid_that_the_registry_has_no_way_to_know_is_poison_and_holds_up_nobody(service, producer, registry):
    staff = service.plain("staff", role="ADMIN")
    fence = records.pizza()
    producer.send_bytes("enc.pizza", *by_prefix(registry, fence)[:1])
    # Behind whatever the tests before have left in the topic.
    staff.wait_for(fence["uuid"], within=24)
    before = service.metric("dumbwaiter_records_poison_total", reason="unknown_schema")
    producer.send_bytes("enc.pizza", b"body", headers=[("__value_schema_id", b"\x01" + uuid.uuid4().bytes)])
    after = records.pizza()
    producer.send_bytes("enc.pizza", *by_prefix(registry, after)[:1])
    # It is asked for some seconds, as a replica may lag behind.
    staff.wait_for(after["uuid"], within=12)
    assert service.metric("dumbwaiter_records_poison_total", reason="unknown_schema") == before + 1


def test_a_schema_with_references_is_put_together(service, producer, registry):
    """Product and variant stand under subjects of their own, as the registries' manuals recommend for shared types."""
    names = {"Product": shapes.PRODUCT, "Variant": shapes.VARIANT, "OrderedProduct": shapes.ORDERED_PRODUCT}
    line = record(
        "OrderedProduct",
        *shapes.ORDERED_PRODUCT["fields"][:3],
        field("product", ["null", "shop.events.Product"]),
        field("variant", ["null", "shop.events.Variant"]),
    )
    registry.register_as("ref-product", names["Product"])
    registry.register_as("ref-variant", names["Variant"])
    inner = [("shop.events.Product", "ref-product"), ("shop.events.Variant", "ref-variant")]
    registry.register_as("ref-line", line, inner)
    items = {"type": "array", "items": "shop.events.OrderedProduct"}
    top = evolve(shapes.ORDER, replace={"products": field("products", items)})
    by_id = registry.register_as("ref-order", top, [("shop.events.OrderedProduct", "ref-line")])
    registry.register_as("enc.orders-value", top, [("shop.events.OrderedProduct", "ref-line")])

    staff = service.socket_io("staff", role="ADMIN")
    one, other = records.order(), records.order()
    producer.send_bytes("enc.orders", records.framed(by_id, records.body(shapes.ORDER, one)))
    # The fingerprint is that of the whole schema, as whoever writes has it.
    producer.send_bytes("enc.orders", records.single_object(shapes.ORDER, records.body(shapes.ORDER, other)))
    for order in (one, other):
        assert staff.wait_for_frame(order["_id"]) == f'42["order:new",{compact(order)}]'


def test_events_of_one_topic_are_told_apart_by_record_name_in_whatever_namespace(service, producer):
    staff = service.socket_io("staff", role="ADMIN")
    owner = service.socket_io("4920737570657261646d696e", role="CUSTOMER")
    foreign = evolve(shapes.CONDITION, namespace="com.example.orders.v2")
    unmapped = service.metric("dumbwaiter_records_unmapped_total", topic="enc.orders")
    order = records.order()

    producer.send("enc.orders", evolve(shapes.ORDER, namespace="com.example.orders.v2"), order, key="k")
    producer.send("enc.orders", record("Courier", field("name", "string")), {"name": "Ann"}, key="k")
    producer.send("enc.orders", foreign, records.condition(order["_id"], "DONE"), key="k")

    # In order, as they are of one topic; the condition's owner is known from the order.
    for client in (staff, owner):
        client.wait_for("order:condition", order["_id"])
        assert client.order_events() == [("order:new", order["_id"]), ("order:condition", order["_id"])]
    assert service.metric("dumbwaiter_records_unmapped_total", topic="enc.orders") == unmapped + 1


def test_without_a_registry_what_needs_none_arrives_and_the_rest_is_told(start_service, settings, producer):
    service = start_service(settings | {"registry": {"urls": None}})
    staff = service.plain("staff", role="ADMIN")
    first, last = records.pizza(), records.pizza()
    poison = service.metric("dumbwaiter_records_poison_total", reason="unknown_schema")
    producer.send_bytes("enc.pizza", records.single_object(IN_FOLDER, records.body(IN_FOLDER, first)))
    producer.send_bytes("enc.pizza", records.framed(1, records.body(shapes.PIZZA, records.pizza())))
    producer.send_bytes("enc.raw", records.body(BUNDLED_PIZZA, last))
    staff.wait_for(first["uuid"])
    staff.wait_for(last["uuid"])
    eventually(
        lambda: service.metric("dumbwaiter_records_poison_total", reason="unknown_schema") > poison, 2, "poison counted"
    )
    assert "set registry.urls" in service.log()


class GuidRegistry(AnsweringServer):
    """Answers for schemas by GUID, as the Confluent registry does; Apicurio has no GUIDs."""

    def __init__(self, schemas):
        self._schemas = schemas
        self.asked = []
        super().__init__()
        self.url = self.address

    def answer(self, path, headers):
        self.asked.append(path)
        schema = self._schemas.get(path.removeprefix("/schemas/guids/"))
        if schema is None:
            return 404, {"error_code": 40403, "message": "not found"}
        return 200, {"schema": json.dumps(schema)}
