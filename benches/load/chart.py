"""The summary as one SVG: a panel for each workload, a bar for each server, with a line from lowest to highest."""

from html import escape

from workloads import WORKLOADS

WIDTH, LABEL, BAR, GAP, HEAD, MARGIN = 760, 180, 16, 6, 44, 16
SCALE = WIDTH - LABEL - 110
OURS, OTHERS, LINE, TEXT = "#c2410c", "#94a3b8", "#334155", "#0f172a"


def chart(result):
    panels = {}
    for row in result["summary"]:
        spread = row["figures"].get(WORKLOADS[row["workload"]].figure)
        if spread:
            panels.setdefault(row["workload"], []).append((row["peer"], spread))
    parts, top = [], MARGIN
    for workload, bars in panels.items():
        parts.append(_panel(WORKLOADS[workload], bars, top))
        top += HEAD + len(bars) * (BAR + GAP) + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">\n'
        f'<rect width="{WIDTH}" height="{top}" fill="#ffffff"/>\n{"".join(parts)}</svg>\n'
    )


def _panel(workload, bars, top):
    better = "more" if workload.more_is_better else "less"
    longest = max(spread["high"] for _, spread in bars) or 1
    lines = [
        _text(MARGIN, top + 14, f"{workload.name}: {workload.says}", ' font-weight="600"'),
        _text(MARGIN, top + 30, f"{workload.unit}; {better} is better", f' fill="{LINE}"'),
    ]
    for place, (peer, spread) in enumerate(bars):
        lines.append(_bar(peer, spread, longest, top + HEAD + place * (BAR + GAP)))
    return "".join(lines)


def _bar(peer, spread, longest, top):
    low, middle, high = (LABEL + SCALE * max(0, spread[name]) / longest for name in ("low", "median", "high"))
    centre, colour = top + BAR / 2, OURS if peer.startswith("dumbwaiter") else OTHERS
    return (
        _text(MARGIN, centre + 4, peer)
        + f'<rect x="{LABEL}" y="{top}" width="{middle - LABEL:.1f}" height="{BAR}" fill="{colour}"/>\n'
        + f'<path d="M{low:.1f} {centre}H{high:.1f}" stroke="{LINE}" stroke-width="2"/>\n'
        + _text(round(high) + 6, centre + 4, f"{spread['median']:,.2f}")
    )


def _text(x, y, text, more=""):
    return f'<text x="{x}" y="{y:g}"{more}>{escape(text)}</text>\n'
