"""Runs -> medians with their spread, and ratios within a round -> the table."""

from statistics import median

from workloads import WORKLOADS

# What others are compared with, in the same round: the machine changes faster than the servers do.
BASES = ("raw", "socketioxide")

FIGURES = {
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


def summarize(runs):
    """One row for each workload and server: {figure: {median, low, high}}, and ratios to the bases."""
    rows = []
    for workload in dict.fromkeys(run["workload"] for run in runs):
        of_workload = [run for run in runs if run["workload"] == workload]
        for peer in dict.fromkeys(run["peer"] for run in of_workload):
            mine = [run for run in of_workload if run["peer"] == peer]
            spreads = {figure: _spread([value_of(run, figure) for run in mine]) for figure in FIGURES}
            figures = {figure: spread for figure, spread in spreads.items() if spread}
            rows.append({"workload": workload, "peer": peer, "figures": figures, "ratios": _ratios(of_workload, mine)})
    return rows


def value_of(run, figure):
    """A figure of a run; None where it has none."""
    events = run["events"]
    match figure:
        case "peak_mib":
            return run["server"]["rss_peak_kib"] / 1024
        case "lost":
            # A part of what was due.
            return events["missing"] / events["expected"] if events["expected"] else None
    value = run
    for name in figure.split("."):
        value = value[name] if value else None
    return value


def table(result):
    """Markdown: a table for each workload."""
    parts = [f"Measured {result['at']} on {result['machine']}: medians of {result['rounds']}, (lowest-highest).\n"]
    for workload in dict.fromkeys(row["workload"] for row in result["summary"]):
        rows = [row for row in result["summary"] if row["workload"] == workload]
        parts.append(f"\n## {workload}: {WORKLOADS[workload].says}\n\n{_table_of(workload, rows)}")
    return "".join(parts)


def _table_of(workload, rows):
    figures = [figure for figure in FIGURES if any(figure in row["figures"] for row in rows)]
    heads = ["", *(FIGURES[figure] for figure in figures), *(f"x {base}" for base in BASES)]
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        cells = [_cell(row["figures"].get(figure), figure) for figure in figures]
        ratios = [f"{row['ratios'][base]:.2f}" if base in row["ratios"] else "-" for base in BASES]
        lines.append([row["peer"], *cells, *ratios])
    text = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    return f"{text}\nRatios are of {WORKLOADS[workload].unit}, medians of the rounds' own.\n"


def _ratios(runs, mine):
    """To each base, of the workload's own figure, round by round."""
    ratios = {}
    for base in BASES:
        in_rounds = {run["round"]: _main_figure(run) for run in runs if run["peer"] == base}
        pairs = [(_main_figure(run), in_rounds.get(run["round"])) for run in mine]
        quotients = [figure / other for figure, other in pairs if figure is not None and other]
        if quotients:
            ratios[base] = median(quotients)
    return ratios


def _main_figure(run):
    return value_of(run, WORKLOADS[run["workload"]].figure)


def _spread(values):
    values = [value for value in values if value is not None]
    return {"median": median(values), "low": min(values), "high": max(values)} if values else None


def _cell(spread, figure):
    if not spread:
        return "-"
    low, middle, high = (_number(spread[name], figure) for name in ("low", "median", "high"))
    return middle if low == high else f"{middle} ({low}-{high})"


def _number(value, figure):
    if figure == "lost":
        return f"{value:.0%}" if value else "0"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
