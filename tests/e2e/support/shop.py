"""Pizzas that are written all the time, and what came of them on the screens of a swarm."""

from collections import Counter

from support import records, shapes
from support.steady import SteadyWriter


class Shop(SteadyWriter):
    """Writes pizzas all the time, and knows which store each one is of."""

    def __init__(self, producer, rate, stores):
        super().__init__(producer, rate)
        self.written = {store: [] for store in range(stores)}
        self.begin()

    def _write_one(self, number):
        store = number % len(self.written)
        pizza = records.pizza(store_id=store)
        self._producer.enqueue("pizza.created", self._producer.encode(shapes.PIZZA, pizza), key=str(store))
        self.written[store].append(pizza["uuid"])


def judge(swarm, shop):
    """Lost and doubled events, over all clients."""
    lost = doubled = 0
    for screen in swarm.screens:
        ours = set(shop.written[screen.store])
        got = Counter(uuid for uuid in screen.seen if uuid in ours)
        lost += len(ours - got.keys())
        doubled += sum(got.values()) - len(got)
        assert {uuid for uuid in screen.seen} <= ours, "strangers"
    return lost, doubled
