"""Everything around the clients of a soak that can break: Kafka, a registry, a Redis, two instances, a load balancer.

The first instance lives from beginning to end, so that its memory and descriptors at both can be compared; its log goes through
a pipe. The second reaches Kafka through a proxy that can be cut, and is killed and stopped.
"""

import os
import threading

from support import catalogs
from support.balancer import Balancer
from support.flaky_registry import FlakyRegistry
from support.kafka import Kafka, Listener
from support.proxy import CuttingProxy
from support.redis import Redis
from support.service import Service

PARTITIONS = 3
_TOPICS = ("pizza.created", "order.created", "order.condition")
# A new topic by this is one more of new orders.
_CATALOG = catalogs.catalog(
    catalogs.pizza_event("pizza.created"), catalogs.order_events("^order[.]created.*", "order.condition")
)


class World:
    def __init__(self, registry, folder, window):
        """`window`: seconds of the journal; what is older is read from Kafka."""
        self.folder = folder
        self.kafka_way = CuttingProxy("127.0.0.1:1")
        self.kafka = Kafka(folder / "kafka", [Listener("PROXIED", "PLAINTEXT", advertised=self.kafka_way.address)])
        self.kafka.prepare().start().wait_until_ready()
        self.kafka_way.aim(self.kafka.address("PROXIED"))
        self.kafka.create_topics(*_TOPICS, partitions=PARTITIONS)
        self.registry = FlakyRegistry(registry)
        self.redis = Redis(folder / "redis").start()
        settings = self._settings(window)
        self.first = Service(self.kafka.brokers, self.registry.url, None, settings)
        self.second = Service(self.kafka_way.address, self.registry.url, None, settings)
        self.log_pipe = LogPipe(folder / "first.log")
        self.first.start(log=self.log_pipe.writing)
        self.start_second()
        self.instances = (self.first.wait_until_ready(), self.second.wait_until_ready())
        self.balancer = Balancer(
            [service.listen for service in self.instances], [service.admin_listen for service in self.instances]
        )

    def start_second(self):
        """All its lives log to one file."""
        with open(self.folder / "second.log", "ab") as log:
            self.second.start(log=log)

    def close(self):
        self.balancer.close()
        for service in self.instances:
            service.stop()
        self.log_pipe.close()
        self.registry.stop()
        self.redis.kill()
        self.kafka.kill()
        self.kafka_way.close()

    def _settings(self, window):
        catalog = self.folder / "catalog.toml"
        catalog.write_text(_CATALOG)
        return self.redis.settings() | {
            "catalog": {"file": str(catalog)},
            "journal": {"max_age": f"{window}s"},
            # What waits for its order waits as long as a fault lasts, and nothing is shown to staff only for that.
            "orders": {"look_back": f"{2 * window + 60}s", "wait": "30s"},
            "shutdown": {"grace": "1s", "drain": "5s"},
            "log": {"level": "info"},
        }


class LogPipe:
    """A pipe whose other end is read into a file, while `is_read`."""

    def __init__(self, file):
        self._reading, writing = os.pipe()
        self.writing = os.fdopen(writing, "wb")
        self.is_read = threading.Event()
        self.is_read.set()
        threading.Thread(target=self._read, args=(file,), daemon=True).start()

    def close(self):
        self.is_read.set()
        self.writing.close()

    def _read(self, file):
        with open(file, "wb", buffering=0) as output, os.fdopen(self._reading, "rb", buffering=0) as pipe:
            while part := pipe.read(1 << 16):
                output.write(part)
                self.is_read.wait()
