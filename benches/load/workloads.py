"""What is measured: crowds of clients, and events for them.

W1 is a shop's screens, which see all; W2 is its customers, who see what is theirs; `sat` gives all events at once,
which is what a restart upstream, or a producer's backlog, looks like.
"""

from dataclasses import dataclass, replace

OURS, BEFORE, THROUGHPUT, SECURED = "dumbwaiter", "dumbwaiter-before", "dumbwaiter-throughput", "dumbwaiter-tls"
RAW, JOINED = "raw", "raw-32"
OTHERS = ("socketioxide", "node")


@dataclass(frozen=True)
class Workload:
    name: str
    says: str
    clients: int
    staff: int
    # Who is compared, in turn.
    peers: tuple[str, ...]
    # Events a second, for `seconds`; or so many at once. Without events, how long clients rest.
    rate: float = 0
    seconds: float = 5
    burst: int = 0
    # Handshakes that are begun before the clients come, and dropped when they are in.
    half_open: int = 0
    protocol: str = "socketio"
    # The figure of the chart, and what it is called there.
    figure: str = "server.cpu_us_per_delivery"
    unit: str = "CPU us a delivery"
    more_is_better: bool = False

    @property
    def customers(self):
        return self.clients - self.staff

    @property
    def needs_servers(self):
        return self.clients > 0

    @property
    def events(self):
        return self.burst or round(self.rate * self.seconds)

    def scaled(self, clients, seconds):
        """A small run of the same kind, to see whether all of it works."""
        if not self.needs_servers:
            return replace(self, seconds=0.1)
        staff = round(self.staff * clients) if self.staff > 100 else self.staff
        customers = round(self.customers * clients)
        return replace(
            self,
            clients=max(1, staff + customers),
            staff=staff,
            seconds=seconds,
            burst=max(1, round(self.burst * clients)) if self.burst else 0,
            half_open=round(self.half_open * clients),
        )


PER_EVENT = {"figure": "server.cpu_us_per_event", "unit": "CPU us an event"}
PER_CONNECT = {"figure": "server.connect_cpu_us_per_client", "unit": "CPU us a connect", "seconds": 1}
PER_THREAD = {"figure": "records_per_second", "unit": "records/s a thread", "more_is_better": True, "seconds": 2}
PER_CLIENT = {"figure": "rss_per_client_kib", "unit": "KiB a client at rest"}

# Joined writes are for events that are all there at once: at a rate they would have to wait for each other. Fetches
# that wait for each other make a difference at a rate only.
AT_A_RATE = (RAW, OURS, THROUGHPUT, *OTHERS)
AT_ONCE = (RAW, JOINED, OURS, *OTHERS)
# Ours to a finished frame, with resolution; apache-avro with resolution, serde_avro_fast has none.
DECODERS = (OURS, "serde_avro_fast", "apache-avro")
# Whether the cost of an event grows with the connections that it is not for.
GROWTH = (RAW, OURS, "socketioxide")

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "1,000 staff, 50 events/s", 1_000, 1_000, (*AT_A_RATE, SECURED), rate=50),
        Workload("W1b", "5,000 staff, 10 events/s", 5_000, 5_000, (RAW, OURS, *OTHERS), rate=10),
        Workload("W1sat", "1,000 staff, 1,000 events at once", 1_000, 1_000, AT_ONCE, burst=1_000),
        Workload("W2", "19,000 customers and 5 staff, 2,000 events/s", 19_005, 5, AT_A_RATE, rate=2_000, **PER_EVENT),
        Workload("W2-5k", "5,000 customers and 5 staff, 2,000 events/s", 5_005, 5, GROWTH, rate=2_000, **PER_EVENT),
        Workload("W2-1k", "1,000 customers and 5 staff, 2,000 events/s", 1_005, 5, GROWTH, rate=2_000, **PER_EVENT),
        Workload("W2sat", "19,000 customers and 5 staff, 30,000 at once", 19_005, 5, AT_ONCE, burst=30_000, **PER_EVENT),
        Workload("W3", "19,000 customers at rest for 5 s", 19_000, 0, (OURS, SECURED, *OTHERS), **PER_CLIENT),
        Workload(
            "W3storm",
            "10,000 customers, 30 s after 9,000 half-open handshakes",
            10_000,
            0,
            (OURS, *OTHERS),
            seconds=30,
            half_open=9_000,
            **PER_CLIENT,
        ),
        Workload("W4", "10,000 connects with a token", 10_000, 0, (RAW, OURS, SECURED, *OTHERS), **PER_CONNECT),
        Workload("W4t", "10,000 connects by ticket", 10_000, 0, (RAW, OURS), protocol="plain", **PER_CONNECT),
        Workload("W5", "Avro to JSON, nothing else", 0, 0, DECODERS, **PER_THREAD),
    )
}
