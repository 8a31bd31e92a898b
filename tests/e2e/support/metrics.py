"""The Prometheus text page, as much of it as the tests ask about: samples by name, summed over labels."""

import re

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
