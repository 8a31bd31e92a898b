"""The Prometheus text page, as much of it as the tests ask about: samples by name, summed over labels.

Every page that any test asks for is compared with docs/metrics.md: so a value that a label should not have is noticed wherever it occurs.
"""

import functools
import re

from support.paths import DOCS

_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Metrics:
    def __init__(self, text):
        self.text = text
        self._samples = [
            (name, dict(_LABEL.findall(labels)), float(value)) for name, labels, value in _SAMPLE.findall(text)
        ]

    def sum(self, name, **labels):
        """The sum of all samples of that name which bear these labels; 0 where there is none."""
        return sum(
            value for sample, its, value in self._samples if sample == name and labels.items() <= its.items()
        )

    def label_names(self, name):
        """The label names of the metric's samples, or None where it has no sample."""
        found = [frozenset(its) for sample, its, _ in self._samples if sample == name]
        assert len(set(found)) <= 1, f"{name} has samples with different labels"
        return set(found[0]) if found else None

    def labels(self, name):
        """Label to the values that it has."""
        found = {}
        for sample, its, _ in self._samples:
            for label, value in its.items() if sample == name else ():
                found.setdefault(label, set()).add(value)
        return found

    def names(self):
        return {name for name, _, _ in self._samples}

    def undocumented(self):
        """What is on the page and not in docs/metrics.md."""
        return sorted({fault for name, its, _ in self._samples for fault in _faults(name, its)})


def _faults(name, labels):
    documented = _documented()
    row = documented.get(name, documented.get(re.sub("_(bucket|sum|count)$", "", name)))
    if row is None:
        return [name]
    found = {label: value for label, value in labels.items() if label != "le"}
    wrong = [f"{name} {label}={value}" for label, value in found.items() if value not in row.get(label, {value})]
    return wrong if found.keys() == row.keys() else [f"{name} {sorted(found)}"]


@functools.cache
def _documented():
    """Metric to its labels, each with a set of its values; one that holds everything where they are not closed."""
    text = (DOCS / "metrics.md").read_text()
    rows = re.findall(r"^\| `((?:dumbwaiter|process)_\w+)` \|(?: \w+ \|)? [^|\n]*\|([^|\n]*)", text, re.MULTILINE)
    return {name: {label: _values(cells) for label, *cells in map(_names, _split(cell))} for name, cell in rows}


def _split(cell):
    return [part for part in cell.split(";") if part.strip()]


def _names(part):
    return re.findall("`([^`]+)`", part)


def _values(names):
    return set(names) or _Everything()


class _Everything:
    def __contains__(self, _):
        return True
