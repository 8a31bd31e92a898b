"""A stream of pizzas through something that breaks, and screens that must see each of them once, in their stores' order."""

import json
import time
from collections import Counter

from websockets.exceptions import ConnectionClosed

from support import records, shapes
from support.plain import PlainClient
from support.steady import SteadyWriter
from support.waiting import eventually

STORES = 8


class Witness(PlainClient):
    """A plain client that notes when it saw which pizza."""

    def __init__(self, service, name="witness", query=""):
        # (monotonic time, store, uuid)
        self.seen = []
        self.statuses = []
        super().__init__(service.ws_url(f"key={service.ticket(name, role='ADMIN')}{query}"), name)

    def _read(self):
        try:
            while True:
                message = json.loads(self._connection.recv())
                if message["event_name"] == "STATUS":
                    self.statuses.append((time.monotonic(), message["data"]["stale_since"]))
                else:
                    self.seen.append((time.monotonic(), message["data"]["store_id"], message["data"]["uuid"]))
        except ConnectionClosed:
            self._ended.set()


class Stream(SteadyWriter):
    """Writes `rate` pizzas a second until `stop`."""

    def __init__(self, producer, rate):
        super().__init__(producer, rate)
        self.written = {}
        self._of_store = {store: [] for store in range(STORES)}
        self.begin()

    def wait_until(self, count):
        eventually(lambda: len(self.written) >= count, 60 + count / self._per_second, f"{count} pizzas written")

    def judge(self, witness, within):
        """Waits for all that was written; then (lost, doubled, stores out of order)."""
        ours = lambda: [(store, uuid) for _, store, uuid in witness.seen if uuid in self.written]
        try:
            eventually(lambda: len(ours()) >= len(self.written), within, "all pizzas")
        except AssertionError:
            pass
        counted = Counter(uuid for _, uuid in ours())
        doubled = sum(counted.values()) - len(counted)
        seen = {store: [uuid for its, uuid in ours() if its == store] for store in self._of_store}
        disordered = sum(list(dict.fromkeys(seen[store])) != wrote for store, wrote in self._of_store.items())
        lost = len(self.written.keys() - counted.keys())
        return lost, doubled, disordered if not lost else None

    def latencies(self, witness):
        """From being handed to the producer to the screen, in seconds, sorted."""
        return sorted(at - self.written[uuid] for at, _, uuid in witness.seen if uuid in self.written)

    def _write_one(self, number):
        store = number % STORES
        pizza = records.pizza(store_id=store)
        self.written[pizza["uuid"]] = time.monotonic()
        self._of_store[store].append(pizza["uuid"])
        self._producer.enqueue("pizza.created", self._producer.encode(shapes.PIZZA, pizza), key=str(store))


class Crowd:
    """Clients of both protocols, with cursors and without, none of whom may notice anything but the events' absence."""

    def __init__(self, service):
        self.resuming = Witness(service, "with-cursor", "&cursor=")
        self.contract = Witness(service, "without")
        self.official = service.socket_io("official", role="ADMIN")
        self.witnesses = [self.resuming, self.contract]

    def assert_nobody_was_dropped(self):
        assert all(witness.is_open() for witness in self.witnesses)
        assert [kind for kind, _ in self.official.life.all() if kind != "connect"] == []

    def close(self):
        for witness in self.witnesses:
            witness.close()


def assert_whole(stream, crowd, within=30):
    """Nothing lost, doubled or out of order, for whoever was connected all the time."""
    for witness in crowd.witnesses:
        assert stream.judge(witness, within) == (0, 0, 0), witness.name
    crowd.assert_nobody_was_dropped()


def percentile(sorted_values, percent):
    return sorted_values[min(len(sorted_values) - 1, len(sorted_values) * percent // 100)]
