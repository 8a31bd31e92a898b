"""Three Kafka brokers on loopback that hold every record three times, for what needs a leader that moves.

Each is a controller, too, one of a quorum that is fixed when the storage is formatted.
"""

import time

from confluent_kafka.admin import AdminClient, NewTopic

from support.kafka import Kafka
from support.processes import free_port
from support.waiting import eventually

_NODES = (1, 2, 3)

_REPLICATED = {
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    # A broker that was away leads again within seconds, so that all of them lead when the next one goes.
    "leader.imbalance.check.interval.seconds": 1,
    "leader.imbalance.per.broker.percentage": 0,
}


class Cluster:
    def __init__(self, folder):
        ports = {node: free_port() for node in _NODES}
        self._nodes = {
            node: Kafka(folder / f"broker-{node}", settings=_REPLICATED, quorum=(node, ports)).prepare() for node in _NODES
        }
        self.brokers = ",".join(node.brokers for node in self._nodes.values())
        self._admin = AdminClient({"bootstrap.servers": self.brokers})

    def start(self):
        for node in self._nodes.values():
            node.start()
        for node in self._nodes.values():
            node.wait_until_ready()
        return self

    def kill(self):
        for node in self._nodes.values():
            node.kill()

    def create_topics(self, *names, partitions):
        for outcome in self._admin.create_topics([NewTopic(name, partitions, 3) for name in names]).values():
            outcome.result(timeout=30)

    def roll(self, told):
        """Stops and starts one after the other, each once all records are held three times again and all brokers lead."""
        for number, node in self._nodes.items():
            self.wait_until_whole()
            before = self.leaders()
            began = time.monotonic()
            node.stop()
            stopped = time.monotonic() - began
            moved = sum(leader != self.leaders()[place] for place, leader in before.items())
            node.start().wait_until_ready()
            told(f"broker {number} was stopped in {stopped:.1f} s, {moved} of {len(before)} leaders moved")
        self.wait_until_whole()

    def wait_until_whole(self):
        def is_whole():
            partitions = self._partitions()
            return len({p.leader for p in partitions.values()}) == 3 and all(len(p.isrs) == 3 for p in partitions.values())

        eventually(is_whole, 20, "every record held three times, every broker a leader")

    def leaders(self):
        return {place: partition.leader for place, partition in self._partitions().items()}

    def _partitions(self):
        topics = self._admin.list_topics(timeout=30).topics
        return {
            (name, number): partition
            for name, topic in topics.items()
            if not name.startswith("__")
            for number, partition in topic.partitions.items()
        }
