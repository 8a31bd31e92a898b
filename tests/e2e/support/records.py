"""What the shop's systems write to Kafka: orders, conditions and pizzas, framed as the Confluent serializers do it.

    byte 0      magic, 0
    bytes 1-4   schema id of the registry, big-endian
    from 5      the record in Avro binary, by the writer's schema

Encoding is fastavro's, sending is confluent-kafka's. Every maker gives its record a fresh id, by which a test knows
its own events among everybody's.
"""

import io
import struct
import uuid

import fastavro
from confluent_kafka import Producer as KafkaProducer

from support import contract, shapes


def new_id():
    """24 hex digits, as the order system's database makes them."""
    return uuid.uuid4().hex[:24]


def order(**changes):
    """The documented example order under a new id, with some fields changed."""
    return contract.order() | {"_id": new_id()} | changes


def condition(order_id, condition="COLLECTED", **more):
    return {"_id": order_id, "condition": condition} | more


def pizza(**changes):
    return {
        "uuid": str(uuid.uuid4()),
        "name": "Quattro formaggi",
        "store_id": 7,
        "user_uuid": str(uuid.uuid4()),
        "size": 30,
        "accepted": False,
        "price": 149.99,
        "description": None,
        "img_url": "/static/pizzas/quattro.png",
        "created_date": 1521744995176577,
        "time_prepared": 1521746795000000,
    } | changes


class Producer:
    """Writes records to one Kafka, with schemas registered at one registry."""

    def __init__(self, brokers, registry):
        self._registry = registry
        self._kafka = KafkaProducer(
            {
                "bootstrap.servers": brokers,
                # A restart of the broker must neither lose nor double what the tests then count.
                "enable.idempotence": True,
                "message.timeout.ms": 60_000,
                "reconnect.backoff.max.ms": 500,
                "linger.ms": 1,
                # Some tests write records that are larger than the service takes.
                "message.max.bytes": 16_000_000,
                # Silent: while the broker is down it would report every refused connection.
                "log_level": 0,
            }
        )
        self._faults = []
        self._last_place = None

    def order(self, order, schema=shapes.ORDER):
        """One `order.created` record; gives the order back, for what is expected of it."""
        self.send("order.created", schema, order, key=order["_id"])
        return order

    def condition(self, condition, schema=shapes.CONDITION):
        self.send("order.condition", schema, condition, key=condition["_id"])
        return condition

    def pizza(self, pizza, schema=shapes.PIZZA):
        self.send("pizza.created", schema, pizza, key=str(pizza["store_id"]))
        return pizza

    def send(self, topic, schema, value, key=None):
        self.send_bytes(topic, self.encode(schema, value), key)

    def encode(self, schema, value):
        return framed(self._registry.register(schema), body(schema, value))

    def send_bytes(self, topic, payload, key=None, **more):
        """Any bytes at all, acknowledged by the broker when this returns."""
        self.enqueue(topic, payload, key, **more)
        self.flush()

    def enqueue(self, topic, payload, key=None, **more):
        """`more` may be headers (a list of pairs) and a partition."""
        while True:
            try:
                self._kafka.produce(topic, payload, key, on_delivery=self._delivered, **more)
                return
            except BufferError:
                self._kafka.poll(0.1)

    def partitions(self, topic):
        """How many it has now, which the producer knows from then on."""
        return len(self._kafka.list_topics(topic, timeout=10).topics[topic].partitions)

    def flush(self):
        left = self._kafka.flush(60)
        assert left == 0 and not self._faults, f"{left} records not written, faults: {self._faults}"

    def last_place(self):
        """Where the newest acknowledged record stands: topic-partition-offset."""
        return self._last_place

    def _delivered(self, error, message):
        if error is not None:
            self._faults.append(error)
        else:
            self._last_place = f"{message.topic()}-{message.partition()}-{message.offset()}"


def body(schema, value):
    """A record in Avro binary, with nothing around it."""
    output = io.BytesIO()
    fastavro.schemaless_writer(output, fastavro.parse_schema(schema), value)
    return output.getvalue()


def framed(schema_id, body):
    return struct.pack(">bI", 0, schema_id) + body


def single_object(schema, body):
    """Avro's single-object encoding: a marker and the fingerprint, as fastavro computes it, before the body."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    return b"\xc3\x01" + bytes.fromhex(fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")) + body
