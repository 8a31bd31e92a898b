"""Pizzas that are written all the time, and what came of them on the screens of a swarm."""

import itertools
import threading
from collections import Counter

from support import records, shapes


class Shop:
    """Writes pizzas all the time, and knows which store each one is of."""

    def __init__(self, producer, rate, stores):
        self.written = {store: [] for store in range(stores)}
        self._producer = producer
        self._pause = 1 / rate
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(stores,), daemon=True)
        self._thread.start()

    def close(self):
        self._closed.set()
        self._thread.join(30)
        self._producer.flush()

    def _write(self, stores):
        for store in itertools.cycle(range(stores)):
            if self._closed.wait(self._pause):
                return
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
