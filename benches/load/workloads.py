"""What is measured: crowds of clients, and events for them.

W1 is a shop's screens, which see all; W2 is its customers, who see what is theirs; `sat` gives all events at once,
which is what a restart upstream, or a producer's backlog, looks like.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Workload:
    name: str
    says: str
    clients: int
    staff: int
    # Events a second, for `seconds`; or so many at once.
    rate: float = 0
    seconds: float = 10
    burst: int = 0
    protocol: str = "socketio"
    # The figure of the chart, and what it is called there.
    figure: str = "server.cpu_us_per_delivery"
    unit: str = "CPU us a delivery"

    @property
    def customers(self):
        return self.clients - self.staff

    @property
    def events(self):
        return self.burst or round(self.rate * self.seconds)

    def scaled(self, clients, seconds):
        """A small run of the same kind, to see whether all of it works."""
        staff = round(self.staff * clients) if self.staff > 100 else self.staff
        customers = round(self.customers * clients)
        events = max(1, round(self.burst * clients)) if self.burst else 0
        return replace(self, clients=max(1, staff + customers), staff=staff, seconds=seconds, burst=events)


PER_EVENT = {"figure": "server.cpu_us_per_event", "unit": "CPU us an event"}
PER_CONNECT = {"figure": "server.connect_cpu_us_per_client", "unit": "CPU us a connect"}
PER_CLIENT = {"figure": "rss_per_client_kib", "unit": "KiB a client at rest"}

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "1,000 staff, 50 events/s", 1_000, 1_000, rate=50),
        Workload("W1b", "5,000 staff, 10 events/s", 5_000, 5_000, rate=10),
        Workload("W1sat", "1,000 staff, 1,000 events at once", 1_000, 1_000, burst=1_000),
        Workload("W2", "19,000 customers and 5 staff, 2,000 events/s", 19_005, 5, rate=2_000, **PER_EVENT),
        Workload("W2-5k", "5,000 customers and 5 staff, 2,000 events/s", 5_005, 5, rate=2_000, **PER_EVENT),
        Workload("W2-1k", "1,000 customers and 5 staff, 2,000 events/s", 1_005, 5, rate=2_000, **PER_EVENT),
        Workload("W2sat", "19,000 customers and 5 staff, 30,000 events at once", 19_005, 5, burst=30_000, **PER_EVENT),
        Workload("W3", "19,000 customers at rest", 19_000, 0, seconds=8, **PER_CLIENT),
        Workload("W4", "10,000 connects with a token", 10_000, 0, seconds=1, **PER_CONNECT),
        Workload("W4t", "10,000 connects by ticket", 10_000, 0, seconds=1, protocol="plain", **PER_CONNECT),
    )
}
