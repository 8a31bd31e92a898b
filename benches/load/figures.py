"""Figures of runs: one run's, their medians with the spread, and ratios within a round.

Ratios are taken round by round, since the machine changes faster than the servers do.
"""

from statistics import median

from workloads import OURS, WORKLOADS

FIGURES = {
    "records_per_second": "records/s a thread",
    "server.cpu_us_per_delivery": "CPU us a delivery",
    "server.cpu_us_per_event": "CPU us an event",
    "server.connect_cpu_us_per_client": "CPU us a connect",
    "connect.per_second": "connects/s",
    "events.per_second": "deliveries/s",
    "latency_us.staff.p50": "staff p50 us",
    "latency_us.staff.p99": "staff p99 us",
    "latency_us.customers.p50": "customers p50 us",
    "latency_us.customers.p99": "customers p99 us",
    "rss_per_client_kib": "KiB a client",
    "peak_mib": "peak MiB",
    "lost": "lost",
}

# What others are compared with.
BASES = ("raw", "socketioxide", OURS)


def summarize(runs):
    """One row for each workload and server: {figure: {median, low, high}}, and ratios to the bases."""
    rows = []
    for workload in dict.fromkeys(run["workload"] for run in runs):
        for peer in dict.fromkeys(run["peer"] for run in runs if run["workload"] == workload):
            spreads = {figure: spread(values(runs, workload, peer, figure)) for figure in FIGURES}
            main = WORKLOADS[workload].figure
            found = {base: ratio(runs, workload, main, peer, base) for base in BASES}
            rows.append(
                {
                    "workload": workload,
                    "peer": peer,
                    "figures": {figure: spread for figure, spread in spreads.items() if spread},
                    "ratios": {base: found[base]["median"] for base in BASES if found[base]},
                }
            )
    return rows


def values(runs, workload, peer, figure):
    """{round: figure}, of the runs that have it."""
    mine = [run for run in runs if (run["workload"], run["peer"]) == (workload, peer)]
    found = {run["round"]: value_of(run, figure) for run in mine}
    return {number: value for number, value in found.items() if value is not None}


def ratio(runs, workload, figure, peer, base):
    """The spread of the quotients of the rounds in which both were measured."""
    mine, others = values(runs, workload, peer, figure), values(runs, workload, base, figure)
    return spread({number: value / others[number] for number, value in mine.items() if others.get(number)})


def spread(by_round):
    found = by_round.values()
    return {"median": median(found), "low": min(found), "high": max(found)} if found else None


def value_of(run, figure):
    """A figure of a run; None where it has none."""
    if figure == "peak_mib":
        return run["server"]["rss_peak_kib"] / 1024 if "server" in run else None
    if figure == "lost":
        # A part of what was due.
        due = run["events"]["expected"] if "events" in run else 0
        return run["events"]["missing"] / due if due else None
    value = run
    for name in figure.split("."):
        value = value.get(name) if value else None
    return value
