"""What the service is to reach on an idle machine, and whether a result has it.

A goal is about a figure of one server on one workload, as it is or as a multiple of another server's in the same round.
"""

from dataclasses import dataclass

from figures import FIGURES, ratio, spread, values
from workloads import OURS, SECURED, THROUGHPUT


@dataclass(frozen=True)
class Goal:
    workload: str
    figure: str
    bound: float
    # Whose figure is the measure; none: the figure itself.
    base: str | None = None
    peer: str = OURS
    is_least: bool = False

    def found(self, runs):
        if self.base:
            return ratio(runs, self.workload, self.figure, self.peer, self.base)
        return spread(values(runs, self.workload, self.peer, self.figure))

    def is_reached(self, found):
        return found["median"] >= self.bound if self.is_least else found["median"] <= self.bound

    @property
    def says(self):
        bound = f"{'>=' if self.is_least else '<='} {self.bound:,.4g}"
        return f"{bound} x {self.base}" if self.base else bound


PER_DELIVERY, PER_EVENT = "server.cpu_us_per_delivery", "server.cpu_us_per_event"
PER_CONNECT, PER_CLIENT = "server.connect_cpu_us_per_client", "rss_per_client_kib"

GOALS = (
    Goal("W1", PER_DELIVERY, 1.10, "raw"),
    Goal("W1", "latency_us.staff.p99", 0.5, "socketioxide"),
    Goal("W1sat", PER_DELIVERY, 0.30),
    Goal("W1sat", "peak_mib", 64),
    Goal("W1sat", "lost", 0),
    Goal("W2", PER_EVENT, 0.75, "socketioxide"),
    Goal("W2", "latency_us.customers.p99", 2_000),
    Goal("W2", PER_EVENT, 1.4, "raw", THROUGHPUT),
    Goal("W2", "latency_us.customers.p50", 12_000, peer=THROUGHPUT),
    Goal("W2sat", PER_EVENT, 25),
    Goal("W2sat", "lost", 0),
    Goal("W3", PER_CLIENT, 1),
    Goal("W3", PER_CLIENT, 10, peer=SECURED),
    Goal("W3storm", PER_CLIENT, 1),
    Goal("W4", PER_CONNECT, 2.6, "raw"),
    Goal("W4t", PER_CONNECT, 4.5, "raw"),
    Goal("W5", "records_per_second", 600_000, is_least=True),
)


def judged(runs):
    """Rows of text, for the goals that were measured."""
    for goal in GOALS:
        found = goal.found(runs)
        if found:
            low, middle, high = (f"{found[name]:,.4g}" for name in ("low", "median", "high"))
            measured = middle if low == high else f"{middle} ({low}-{high})"
            what = f"{goal.peer}: {FIGURES[goal.figure]}"
            yield goal.workload, what, goal.says, measured, "yes" if goal.is_reached(found) else "**no**"
