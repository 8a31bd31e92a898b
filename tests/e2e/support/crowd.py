"""A crowd of official clients in one process of their own (drivers/crowd.mjs), and what is written for it.

The two share one arithmetic: event `number` has the id `<run><number>`, is due to all staff and to customer
`number % customers`, and lies in partition `number % partitions` of its kind's topic.
"""

import uuid
from pathlib import Path

import fastavro

from support import contract, records, shapes, tokens
from support.json_child import JsonChild
from support.paths import NODE
from support.steady import SteadyWriter

_DRIVER = Path(__file__).with_name("drivers") / "crowd.mjs"

# Every fifth event is a condition, the others are orders.
_CONDITION_EVERY = 5


class Crowd:
    """So many staff and customers, connected at `url` with recovery asked for."""

    def __init__(self, url, staff, customers, partitions, folder):
        self.run = uuid.uuid4().hex[:8]
        self.partitions = partitions
        self.customers = [f"{self.run}-customer-{place}" for place in range(customers)]
        self._child = JsonChild("the crowd", ["node", _DRIVER, NODE], folder / "crowd.log")
        self._child.send(
            {
                "run": self.run,
                "url": url,
                "partitions": partitions,
                "staff": [_token(f"{self.run}-staff-{place}", "ADMIN") for place in range(staff)],
                "customers": [_token(customer, "CUSTOMER") for customer in self.customers],
            }
        )

    def wait_until_joined(self, within):
        return self._child.next(within)["joined"]

    def report(self, count):
        """The sums, if `count` events have been written."""
        self._child.send({"report": count})
        return self._child.next(within=10)

    def stop(self):
        self._child.stop()


class Traffic(SteadyWriter):
    """Writes events for a crowd until `stop`."""

    def __init__(self, producer, registry, crowd, per_second):
        super().__init__(producer, per_second)
        self._schema_ids = {
            "order.created": registry.register(shapes.ORDER),
            "order.condition": registry.register(shapes.OWNED_CONDITION),
        }
        self._crowd = crowd
        self.begin()

    def _write_one(self, number):
        crowd = self._crowd
        its = {"_id": f"{crowd.run}{number:016x}", "clientId": crowd.customers[number % len(crowd.customers)]}
        if number % _CONDITION_EVERY:
            topic, schema, value = "order.created", _ORDERS, _ORDER | its | {"number": number}
        else:
            topic, schema, value = "order.condition", _CONDITIONS, its | {"condition": "IN_PROGRESS"}
        payload = records.framed(self._schema_ids[topic], records.body(schema, value))
        self._producer.enqueue(topic, payload, partition=number % crowd.partitions)


_ORDER = contract.order()
# Parsed once, since parsing takes longer than encoding.
_ORDERS = fastavro.parse_schema(shapes.ORDER)
_CONDITIONS = fastavro.parse_schema(shapes.OWNED_CONDITION)


def _token(sub, role):
    return tokens.token(sub, role=role, lifetime=3600)
