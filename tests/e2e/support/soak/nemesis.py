"""Who breaks one thing after the other, by a seed: each fault once, in an order of chance, then all of them again.

A fault includes its end: when a method returns, what was broken is whole again, though its consequences may go on.
"""

import random
import signal
import time

from support.soak.traffic import TOPICS
from support.waiting import eventually

# Of new partitions and topics there may be so many.
_LANES_MAX = 8
_SHORT, _LONG = (1, 5), (4, 12)


class Nemesis:
    def __init__(self, world, traffic, seed):
        self._world = world
        self._traffic = traffic
        self._chance = random.Random(seed)
        self._deck = []
        # What was done, with the seconds that it took.
        self.done = []

    def strike(self):
        """Does the next fault, to its end; gives its name."""
        if not self._deck:
            self._deck = self._chance.sample(FAULTS, len(FAULTS))
        fault = self._deck.pop()
        began = time.monotonic()
        fault(self)
        self.done.append((fault.__name__, time.monotonic() - began))
        return self.done[-1]

    # Kafka

    def kafka_killed(self):
        self._world.kafka.kill()
        self._pause(_LONG)
        self._world.kafka.start().wait_until_ready()

    def kafka_stopped(self):
        self._world.kafka.freeze()
        self._pause(_LONG)
        self._world.kafka.thaw()

    def kafka_cut_off(self):
        """From the second instance only."""
        self._world.kafka_way.is_open = False
        self._world.kafka_way.cut()
        self._pause(_LONG)
        self._world.kafka_way.is_open = True

    def partition_added(self):
        kind = self._chance.choice(list(TOPICS))
        topic = TOPICS[kind]
        lanes = self._traffic.lanes[kind]
        if len(lanes) < _LANES_MAX:
            partition = self._world.kafka.partitions(topic)
            self._world.kafka.add_partitions(topic, partition + 1)
            self._traffic.open_lane(kind, topic, partition)

    def topic_added(self):
        lanes = self._traffic.lanes["order"]
        if len(lanes) < _LANES_MAX:
            topic = f"order.created.{len(lanes)}"
            self._world.kafka.create_topics(topic, partitions=1)
            self._traffic.open_lane("order", topic, 0)

    # The registry: new schemas come just then, for otherwise nobody would ask it

    def registry_down(self):
        self._registry(status=503)

    def registry_at_fault(self):
        self._registry(status=500)

    def registry_overrun(self):
        self._registry(status=429)

    def registry_slow(self):
        self._registry(delay=self._chance.uniform(0.5, 3))

    def registry_hangs(self):
        # Longer than the service waits for an answer.
        self._registry(delay=7)

    def _registry(self, status=None, delay=0):
        registry = self._world.registry
        registry.delay_seconds = delay
        if status is not None:
            registry.close_door(status)
        for kind in self._chance.sample(list(self._traffic.KINDS), 2):
            self._traffic.evolve(kind)
        self._pause(_LONG)
        registry.delay_seconds = 0
        registry.open_door()

    # Instances

    def instance_killed(self):
        self._world.second.process.kill()
        self._pause(_SHORT)
        self._world.start_second()
        self._world.second.wait_until_ready()

    def instance_drained(self):
        assert self._world.second.stop() == 0
        self._world.start_second()
        self._world.second.wait_until_ready()

    def instance_stopped(self):
        process = self._chance.choice(self._world.instances).process
        process.signal(signal.SIGSTOP)
        self._pause(_LONG)
        process.signal(signal.SIGCONT)

    def reloaded(self):
        """With the settings that it has, and with bad ones, which change nothing."""
        service = self._chance.choice(self._world.instances)
        config = service.folder / "dumbwaiter.toml"
        good = config.read_text()
        for text, outcome in ((good + "\n[web\n", "refused"), (good, "taken")):
            config.write_text(text)
            before = service.metric("dumbwaiter_reloads_total", outcome=outcome)
            service.process.signal(signal.SIGHUP)
            eventually(
                lambda: service.metric("dumbwaiter_reloads_total", outcome=outcome) > before, 5, f"reload {outcome}"
            )

    # What else is around them

    def redis_killed(self):
        self._world.redis.kill()
        self._pause(_LONG)
        self._world.redis.start()

    def redis_stopped(self):
        self._world.redis.freeze()
        self._pause(_LONG)
        self._world.redis.thaw()

    def log_stopped(self):
        self._world.log_pipe.is_read.clear()
        self._pause(_LONG)
        self._world.log_pipe.is_read.set()

    def clients_cut_off(self):
        """All at once, as by a balancer that was restarted."""
        self._world.balancer.cut()

    def _pause(self, bounds):
        time.sleep(self._chance.uniform(*bounds))


FAULTS = [
    Nemesis.kafka_killed,
    Nemesis.kafka_stopped,
    Nemesis.kafka_cut_off,
    Nemesis.partition_added,
    Nemesis.topic_added,
    Nemesis.registry_down,
    Nemesis.registry_at_fault,
    Nemesis.registry_overrun,
    Nemesis.registry_slow,
    Nemesis.registry_hangs,
    Nemesis.instance_killed,
    Nemesis.instance_drained,
    Nemesis.instance_stopped,
    Nemesis.reloaded,
    Nemesis.redis_killed,
    Nemesis.redis_stopped,
    Nemesis.log_stopped,
    Nemesis.clients_cut_off,
]
