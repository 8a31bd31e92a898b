"""A result as Markdown: the goals, then a table for each workload."""

from figures import BASES, FIGURES
from goals import judged
from workloads import WORKLOADS


def table(result):
    head = f"Measured {result['at']} on {result['machine']}: medians of {result['rounds']}, (lowest-highest).\n"
    goals = [("", "figure", "wanted", "measured", "reached"), ("---",) * 5, *judged(result["runs"])]
    parts = [head, "\n## What is to be reached\n\n", _lines(goals)]
    for workload in dict.fromkeys(row["workload"] for row in result["summary"]):
        rows = [row for row in result["summary"] if row["workload"] == workload]
        parts.append(f"\n## {workload}: {WORKLOADS[workload].says}\n\n{_table_of(workload, rows)}")
    return "".join(parts)


def _table_of(workload, rows):
    figures = [figure for figure in FIGURES if any(figure in row["figures"] for row in rows)]
    bases = [base for base in BASES if any(base in row["ratios"] for row in rows)]
    lines = [["", *(FIGURES[figure] for figure in figures), *(f"x {base}" for base in bases)]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [_cell(row["figures"].get(figure), figure) for figure in figures]
        ratios = [f"{row['ratios'][base]:.2f}" if base in row["ratios"] else "-" for base in bases]
        lines.append([row["peer"], *cells, *ratios])
    note = f"\nRatios are of {WORKLOADS[workload].unit}, medians of the rounds' own.\n" if bases else ""
    return _lines(lines) + note


def _lines(rows):
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(spread, figure):
    if not spread:
        return "-"
    low, middle, high = (_number(spread[name], figure) for name in ("low", "median", "high"))
    return middle if low == high else f"{middle} ({low}-{high})"


def _number(value, figure):
    if figure == "lost":
        return f"{value:.0%}" if value else "0"
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"
