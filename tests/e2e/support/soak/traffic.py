"""What the town writes: so many events a second, and among them records that nobody can read."""

import random

import fastavro

from support import contract, poison, records, shapes
from support.steady import SteadyWriter
from support.waiting import eventually

TOPICS = {"pizza": "pizza.created", "order": "order.created", "condition": "order.condition"}
_SHAPES = {"pizza": shapes.PIZZA, "order": shapes.ORDER, "condition": shapes.CONDITION, "owned": shapes.OWNED_CONDITION}

# Every hundredth record is poison. Not among it: what takes the service seconds each by design (an unknown schema is
# asked for again for 4 s, and its partition waits), and megabytes.
_POISON_EVERY = 100
_POISON_MAX_BYTES = 5_000


class Traffic(SteadyWriter):
    """Writes for a town until `stop`."""

    # What has a schema; `owned` is a condition with its owner.
    KINDS = tuple(_SHAPES)

    def __init__(self, producer, registry, town, per_second, seed):
        super().__init__(producer, per_second)
        self._registry = registry
        self._town = town
        self._chance = random.Random(seed)
        # The lanes of each kind: (topic, partition).
        self.lanes = {kind: [(topic, place) for place in range(town.partitions)] for kind, topic in TOPICS.items()}
        self._ids = {kind: registry.register(shape) for kind, shape in _SHAPES.items()}
        self._prefixes = dict.fromkeys(_SHAPES, b"")
        self._poison = [
            (topic, value)
            for topic, reason, value in poison.every_kind(registry, *TOPICS.values())
            if reason != "unknown_schema" and len(value) <= _POISON_MAX_BYTES
        ]
        self.poisoned = 0
        # Of orders whose condition is not written yet: it bears the order's id, though it may go elsewhere itself.
        self._ids_of_orders = {}
        self.begin()

    def open_lane(self, kind, topic, partition):
        """A new partition, which movers take from now on; it must be known to the producer, too."""
        eventually(lambda: self._producer.partitions(topic) > partition, 5, f"{topic} has partition {partition}")
        self.lanes[kind].append((topic, partition))

    def evolve(self, kind):
        """From now on these are written with a schema that nobody has read yet."""
        version = records.new_id()
        shape = shapes.evolve(_SHAPES[kind], first=[shapes.field(f"since_{version}", "long")])
        schema_id = self._registry.register(shape)
        # The new field's value, which stands in front of the rest: zero.
        self._ids[kind], self._prefixes[kind] = schema_id, b"\0"

    def _write_one(self, number):
        self._write_event(self._town.event(number))
        if (number + 1) % _POISON_EVERY == 0:
            self._poison_one()

    def _write_event(self, event):
        if event is None:
            return
        lane = self._lane(event)
        topic, partition = self.lanes[event.kind][lane]
        shape, value = self._record(event, self._town.id(lane, event.number))
        body = self._prefixes[shape] + records.body(_PARSED[shape], value)
        self._producer.enqueue(topic, records.framed(self._ids[shape], body), partition=partition)

    def _record(self, event, its_id):
        """The shape that it is written in, and the record."""
        if event.kind == "pizza":
            return "pizza", _PIZZA | {"uuid": its_id, "store_id": event.owner}
        owner = None if event.is_guests else self._town.customer(event.owner)
        if event.kind == "order":
            self._ids_of_orders[event.number] = its_id
            return "order", _ORDER | {"_id": its_id, "clientId": owner, "number": event.number}
        closed = {"_id": self._ids_of_orders.pop(event.subject), "condition": "DONE"}
        # Every other one says whose it is; of the rest the order has to be looked up.
        return ("owned", closed | {"clientId": owner}) if event.number % 2 else ("condition", closed)

    def _lane(self, event):
        partitions = self._town.partitions
        more = len(self.lanes[event.kind]) - partitions
        if not event.is_movers or more == 0:
            return event.owner % partitions
        return partitions + event.owner // 10 % more

    def _poison_one(self):
        topic, value = self._chance.choice(self._poison)
        self._producer.enqueue(topic, value, partition=self._chance.randrange(self._town.partitions))
        self.poisoned += 1


_ORDER, _PIZZA = contract.order(), records.pizza()
# Parsed once, since parsing takes longer than encoding.
_PARSED = {kind: fastavro.parse_schema(shape) for kind, shape in _SHAPES.items()}
