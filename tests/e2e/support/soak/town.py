"""Which events there are, and whose: the arithmetic of drivers/soak/town.mjs, where it is told, from the writer's side."""

import uuid
from dataclasses import dataclass

_STEPS = 5
# So many rounds after an order comes its condition.
_LATER = 200


@dataclass(frozen=True)
class Event:
    kind: str
    number: int
    # Its order's number, for a condition; else its own.
    subject: int
    # Place of the store or customer whose it is.
    owner: int
    # A guest's order, and what becomes of it, are for staff only.
    is_guests: bool = False

    @property
    def is_movers(self):
        return self.owner % 10 == 0


class Town:
    def __init__(self, customers, stores, partitions):
        self.run = uuid.uuid4().hex[:8]
        self.customers = customers
        self.stores = stores
        self.partitions = partitions

    def event(self, number):
        """None where there is none of that number: a condition whose order would lie before the beginning."""
        rounds, step = divmod(number, _STEPS)
        if step == 0:
            return Event("pizza", number, number, rounds % self.stores)
        is_condition = step > 2
        subject = number - _STEPS * _LATER - 2 if is_condition else number
        if subject < 0:
            return None
        order = 2 * (subject // _STEPS) + subject % _STEPS - 1
        kind = "condition" if is_condition else "order"
        return Event(kind, number, subject, order % self.customers, order % 10 == 9)

    def id(self, lane, number):
        return f"{self.run}{lane:04x}{number:012x}"

    def customer(self, place):
        return f"{self.run}-customer-{place}"
