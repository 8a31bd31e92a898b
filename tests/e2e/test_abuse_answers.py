"""Hostile records, schemas, registries and key sets: counted, bounded in memory, and nothing else waits for them."""

import json

import pytest

from support import catalogs, records, shapes, tokens
from support.costs import peak_resident_bytes, resident_bytes
from support.hostile import HostileServer, drips, leads_to, never_ends, promises_much, says
from support.issuer import Issuer
from support.records import body, framed, new_id
from support.shapes import evolve, field, nullable, record
from support.waiting import eventually

DEEP = "[" * 100_000 + "]" * 100_000
GOOD_SCHEMA = 1
# What it may take beside the largest answer and record at a time.
MEMORY = 64 * 2**20


@pytest.fixture
def hostile():
    server = HostileServer()
    yield server
    server.stop()


def varint(number):
    """An Avro long: zigzag, seven bits a byte."""
    number = (number << 1) ^ (number >> 63)
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def nested(kind, depth):
    """Text of a schema that many levels deep, which no serializer would write."""
    if kind == "arrays":
        return '{"type":"array","items":' * depth + '"null"' + "}" * depth
    levels = "".join(f'{{"type":"record","name":"L{n}","fields":[{{"name":"f","type":' for n in range(depth))
    return levels + '"int"' + "}]}" * depth


def with_bomb(schema_type):
    return json.dumps(evolve(shapes.PIZZA, first=[field("bomb", schema_type)]))


# What the registry says a writer's schema is: none can be used.
SCHEMAS = {
    "a type in itself": json.dumps(evolve(shapes.PIZZA, first=[field("part_of", nullable("Pizza"))])),
    "a type in itself, by a list": json.dumps(
        evolve(shapes.PIZZA, first=[field("parts", {"type": "array", "items": "Pizza"})])
    ),
    "records 60 deep": nested("records", 60),
    "records 10,000 deep": nested("records", 10_000),
    "arrays 10,000 deep": nested("arrays", 10_000),
    "20,000 fields": json.dumps(record("Pizza", *[field(f"f{n}", "int") for n in range(20_000)])),
    "2^20 types by names used again": json.dumps(
        evolve(
            shapes.PIZZA,
            first=[
                field("a0", record("A0", *[field(f"x{n}", "int") for n in range(32)])),
                *[
                    field(f"a{n}", record(f"A{n}", *[field(f"y{m}", f"A{n - 1}") for m in range(32)]))
                    for n in range(1, 4)
                ],
            ],
        )
    ),
    "3 MB of a name": json.dumps(record("P" * 3_000_000, field("x", "int"))),
    "no JSON": "{" * 1_000,
    "no Avro": json.dumps({"type": "constructor", "__proto__": {"type": "string"}}),
    "an enum without symbols": json.dumps({"type": "enum", "name": "E", "symbols": []}),
    "a fixed of 2^62 bytes": with_bomb({"type": "fixed", "name": "F", "size": 1 << 62}),
    "an unknown name": with_bomb("Nowhere"),
}

# Bombs: a writer's schema for a field before the others, which no reader asks for, and its bytes.
LIST_OF_NULLS = {"type": "array", "items": "null"}
BOMBS = {
    "2^20 nulls in four bytes": (LIST_OF_NULLS, varint(1 << 20) + b"\0"),
    "2^62 nulls": (LIST_OF_NULLS, varint(1 << 62) + b"\0"),
    "2^20 nulls, 1,000 times": (LIST_OF_NULLS, varint(1 << 19) * 1_000 + b"\0"),
    "-2^63 items": (LIST_OF_NULLS, b"\xff" * 9 + b"\x01" + b"\0\0"),
    "a block that lies about its bytes": (LIST_OF_NULLS, varint(-5) + varint(1 << 61) + b"\0"),
    "a list of empty records": (
        {"type": "array", "items": {"type": "record", "name": "Empty", "fields": []}},
        varint(1 << 40) + b"\0",
    ),
    "lists of lists of nulls": ({"type": "array", "items": LIST_OF_NULLS}, varint(1 << 10) + (varint(1 << 18) + b"\0") * 1_024 + b"\0"),
    "a map of 2^40": ({"type": "map", "values": "null"}, varint(1 << 40) + b"\0\0"),
    "a string of 2^62 bytes": ("string", varint(1 << 62)),
    "bytes of -1": ("bytes", varint(-1)),
    "a number that never ends": ("long", b"\xff" * 1_000),
    "a branch that is not there": (["null", "int"], varint(1 << 40)),
}


def test_hostile_schemas_and_bombs_are_poison_and_the_rest_flows(start_service, kafka, producer, hostile, tmp_path, say):
    topic = f"hostile.poison.{new_id()[:8]}"
    kafka.create_topics(topic, partitions=1)
    hostile.answers[f"/schemas/ids/{GOOD_SCHEMA}"] = says({"schema": json.dumps(shapes.PIZZA)})
    uuid = new_id()
    pizza = body(shapes.PIZZA, records.pizza(uuid=uuid))
    poison = []
    for number, schema in enumerate(SCHEMAS.values(), start=100):
        hostile.answers[f"/schemas/ids/{number}"] = says({"schema": schema})
        poison.append(framed(number, pizza))
    for number, (bomb, value) in enumerate(BOMBS.values(), start=200):
        hostile.answers[f"/schemas/ids/{number}"] = says({"schema": with_bomb(bomb)})
        poison.append(framed(number, value + pizza))
    # Small on the wire, large as JSON: every byte of the name is escaped.
    poison.append(framed(GOOD_SCHEMA, body(shapes.PIZZA, records.pizza(name="\x01" * 300_000))))
    # References that lead to themselves, and answers that are longer than any schema.
    hostile.answers["/schemas/ids/300"] = says({"schema": '"Me"', "references": [{"subject": "me", "version": 1}]})
    hostile.answers["/subjects/me/versions/1"] = hostile.answers["/schemas/ids/300"]
    hostile.answers["/schemas/ids/301"] = never_ends
    hostile.answers["/schemas/ids/302"] = promises_much
    poison += [framed(number, pizza) for number in (300, 301, 302)]

    service = start_service(settings(hostile, tmp_path, topic))
    before = resident_bytes(service.process)
    client = service.plain("staff", role="ADMIN")
    for value in poison:
        producer.send_bytes(topic, value)
    last = records.pizza()
    producer.send_bytes(topic, framed(GOOD_SCHEMA, body(shapes.PIZZA, last)))

    client.wait_for(last["uuid"], within=10)
    # What nobody reads and takes no bytes is skipped, however much it says it is: that does no harm.
    harmless = [message.id for message in client.messages()][:-1]
    assert set(harmless) == {uuid} and len(harmless) < len(BOMBS)
    assert service.metric("dumbwaiter_records_poison_total") == len(poison) - len(harmless)
    assert service.metric("dumbwaiter_registry_requests_total", outcome="too_large") >= 2
    assert service.metric("dumbwaiter_records_poison_total", reason="panic") == 0
    grown = peak_resident_bytes(service.process) - before
    say(f"{len(poison)} hostile schemas and records: {grown / 2**20:.1f} MiB at the peak")
    assert grown < MEMORY


# What is no registry's answer: nothing is given up for it.
NO_ANSWERS = {
    "drips": drips,
    "a page": says("<html>log in, please</html>", **{"Content-Type": "text/html"}),
    "a list": says([1, 2, 3]),
    "a schema that is a number": says({"schema": 7}),
    "deep JSON": says(DEEP),
    "a deep schema": says('{"schema": ' + DEEP + "}"),
    "cut off": says('{"schema": "'),
    "compressed": says(b"\x1f\x8b\x08" + b"\0" * 100, **{"Content-Encoding": "gzip"}),
    "an error": says("", 500),
    "a redirect": None,
}


def test_what_is_no_answer_of_a_registry_holds_up_its_own_partition_only(start_service, kafka, producer, hostile, tmp_path):
    topic, elsewhere = f"hostile.waits.{new_id()[:8]}", HostileServer()
    kafka.create_topics(topic, partitions=len(NO_ANSWERS) + 1)
    hostile.answers[f"/schemas/ids/{GOOD_SCHEMA}"] = says({"schema": json.dumps(shapes.PIZZA)})
    service = start_service(settings(hostile, tmp_path, topic))
    client = service.plain("staff", role="ADMIN")
    waiting = []
    for number, answer in enumerate(NO_ANSWERS.values()):
        hostile.answers[f"/schemas/ids/{400 + number}"] = answer or leads_to(f"{elsewhere.url}/schemas/ids/1")
        waiting.append(records.pizza())
        producer.send_bytes(topic, framed(400 + number, body(shapes.PIZZA, waiting[-1])), partition=number)

    eventually(lambda: service.metric("dumbwaiter_partitions_waiting", reason="registry") == len(waiting), 5, "all wait")
    flows = records.pizza()
    producer.send_bytes(topic, framed(GOOD_SCHEMA, body(shapes.PIZZA, flows)), partition=len(NO_ANSWERS))
    client.wait_for(flows["uuid"])
    # A partition waits from the question on, not from the first bad answer.
    eventually(
        lambda: service.metric("dumbwaiter_registry_requests_total", outcome="failed") >= len(waiting), 5, "all are counted"
    )
    assert elsewhere.asked == []

    for number in range(len(waiting)):
        hostile.answers[f"/schemas/ids/{400 + number}"] = says({"schema": json.dumps(shapes.PIZZA)})
    for pizza in waiting:
        client.wait_for(pizza["uuid"], within=12)
    assert service.metric("dumbwaiter_records_poison_total") == 0
    elsewhere.stop()


def test_hostile_answers_are_no_key_set_and_are_counted(kafka, registry, start_service, hostile):
    issuer, elsewhere = Issuer(), HostileServer()
    issuer.add_key("k1")
    # Asked again after 1, 2, 4 and 8 seconds.
    answers = iter(
        [says('{"keys":' + DEEP + "}"), never_ends, leads_to(f"{elsewhere.url}/keys"), says({"keys": "none"})]
    )
    good = says({"keys": issuer.published})
    hostile.answers["/keys"] = lambda handler: next(answers, good)(handler)

    service = start_service({"auth": {"secret": None, "jwks_url": f"{hostile.url}/keys"}})
    before = resident_bytes(service.process)
    eventually(lambda: service.request_ticket(issuer.token("k1")).status_code == 200, 20, "the good set is found")

    assert hostile.asked == ["/keys"] * 5 and elsewhere.asked == []
    assert service.metric("dumbwaiter_jwks_fetches_total", outcome="unusable") == 3
    assert service.metric("dumbwaiter_jwks_fetches_total", outcome="no_answer") == 1
    assert service.request_ticket(tokens.token("x", algorithm="HS256", kid="k1")).status_code == 401
    assert peak_resident_bytes(service.process) - before < MEMORY
    issuer.stop()
    elsewhere.stop()


def settings(hostile, folder, topic):
    own = catalogs.settings(folder / "catalog.toml", catalogs.catalog(catalogs.pizza_event(topic)), [topic])
    return own | {"registry": {"urls": [hostile.url], "timeout": "1s"}}
