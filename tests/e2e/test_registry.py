"""A registry that is away, slow, at fault or overrun: only what needs it waits, and not for longer than it must.

`make faults` does each of it for longer, and prints the figures of docs/reliability.md.
"""

import random
import time

import pytest

from support import records, shapes
from support.flaky_registry import FlakyRegistry
from support.waiting import SLACK, eventually
from support.witness import STORES, Crowd, Stream, assert_whole, percentile


class Trial:
    """A service that asks the registry through a door, and events of which one partition's wait for a schema at times."""

    # What each fault is, and how it ends. One that is only slow need not end.
    FAULTS = {
        "down": (FlakyRegistry.go_away, FlakyRegistry.come_back),
        "slow, 1 to 3 s": (lambda door: setattr(door, "delay_seconds", random.uniform(1, 3)), None),
        "500": (lambda door: door.close_door(500), FlakyRegistry.open_door),
        "429, Retry-After: 1": (lambda door: door.close_door(429, ("Retry-After", "1")), FlakyRegistry.open_door),
    }
    STORE = 0

    def __init__(self, start_service, producer, door):
        self.service = start_service({"registry": {"urls": [door.url]}})
        self.crowd = Crowd(self.service)
        self._door, self._producer = door, producer
        self._others = [store for store in range(STORES) if self._partition(store) != self._partition(self.STORE)]
        self._held = []
        self.stream = Stream(producer, 100)

    def hold_up(self, fault, seconds):
        """How long the partition's next event took from the registry's recovery on, and what each of the others took."""
        begin, end = self.FAULTS[fault]
        began = time.monotonic()
        begin(self._door)
        held = records.pizza(store_id=self.STORE)
        self._producer.pizza(held, shapes.unseen(shapes.PIZZA))
        self._held.append(held["uuid"])
        eventually(lambda: self.times(began), 2, "events of the others")
        came = lambda: [at for at, _, uuid in self.crowd.contract.seen if uuid == held["uuid"]]
        if end:
            waiting = lambda: self.service.metric("dumbwaiter_partitions_waiting", reason="registry")
            eventually(lambda: waiting() == 1, 2, "a partition that waits")
            time.sleep(max(0, began + seconds - time.monotonic()))
            assert not came()
            end(self._door)
        recovered = time.monotonic()
        shown = eventually(came, 2, "the event that waited")[0]
        self._door.delay_seconds = 0
        return shown - (recovered if end else self._door.answered_at), self.times(began)

    def times(self, since):
        """What the events of the other partitions took that were written since."""
        written = self.stream.written
        return [
            at - written[uuid]
            for at, store, uuid in list(self.crowd.contract.seen)
            if store in self._others and written.get(uuid, 0) > since
        ]

    def close(self):
        self.stream.stop()
        assert_whole(self.stream, self.crowd)
        for witness in self.crowd.witnesses:
            assert [uuid for _, _, uuid in witness.seen if uuid in self._held] == self._held, "each once"
        self.crowd.close()

    def _partition(self, store):
        self._producer.pizza(records.pizza(store_id=store))
        return self._producer.last_place().split("-")[1]


@pytest.fixture
def trial(start_service, producer, registry):
    door = FlakyRegistry(registry.wait_until_ready())
    yield Trial(start_service, producer, door)
    door.stop()


def try_each_fault(trial, rounds, seconds, say):
    p99 = lambda times: f"{percentile(sorted(times), 99) * 1000:.0f} ms"
    trial.stream.wait_until(100 * rounds)
    say(f"registry well: p99 {p99(eventually(lambda: trial.times(0), 2, 'events'))}")
    for fault in trial.FAULTS:
        resumed, times = [], []
        for _ in range(rounds):
            took, of_others = trial.hold_up(fault, seconds)
            resumed.append(took)
            times += of_others
        say(
            f"registry {fault}, {rounds} times: p99 of {len(times)} events of other partitions {p99(times)}; "
            f"the waiting partition's first {percentile(sorted(resumed), 50) * 1000:.0f} ms after the recovery, "
            f"{max(resumed) * 1000:.0f} at most"
        )
        assert max(resumed) < 2 * SLACK
    trial.close()
    say(f"{trial.stream.count} events, 0 lost, 0 doubled, 0 connections dropped")


def test_a_registry_that_fails_holds_up_the_partition_that_needs_it_only(trial, say):
    try_each_fault(trial, 1, 1, say)


@pytest.mark.by_hand
@pytest.mark.timeout(600)
def test_a_registry_that_fails_for_longer(trial, say):
    try_each_fault(trial, 6, 8, say)
