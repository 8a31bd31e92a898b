"""What watches the service in production: the dashboard and the alerts ask for what there is, and each alert has its entry in the runbook."""

import json
import re
import subprocess

import pytest

from support import records
from support.paths import DOCS, PROMTOOL, REPOSITORY
from support.waiting import eventually

RULES = REPOSITORY / "docker" / "prometheus" / "alerts.yml"
DASHBOARD = REPOSITORY / "docker" / "grafana" / "dumbwaiter.json"
RUNBOOK = (DOCS / "runbook.md").read_text()

ALERTS = re.findall(r"- alert: (\w+)", RULES.read_text())

SELECTOR = re.compile(r"\b((?:dumbwaiter|process)_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)(=~|=|!=|!~)"([^"]*)"')
# What Prometheus adds to every sample.
TARGET_LABELS = {"instance", "job"}


def expressions_of(value):
    """All queries of the dashboard, wherever they stand."""
    if isinstance(value, dict):
        found = [value["expr"]] if "expr" in value else []
        return found + [expression for child in value.values() for expression in expressions_of(child)]
    if isinstance(value, list):
        return [expression for child in value for expression in expressions_of(child)]
    return []


@pytest.fixture(scope="module")
def page(shared_service, producer):
    """/metrics after something of everything whose labels are topics."""
    producer.send_bytes("order.created", None)
    producer.send_bytes("order.deleted", b"unmapped")
    order = producer.order(records.order())
    producer.condition(records.condition(order["_id"]))
    producer.pizza(records.pizza())
    topics = {"pizza.created", "order.created", "order.condition", "order.deleted"}

    def read():
        metrics = shared_service.metrics()
        consumed = metrics.labels("dumbwaiter_records_consumed_total").get("topic", set())
        unmapped = metrics.sum("dumbwaiter_records_unmapped_total") and metrics.sum("dumbwaiter_records_tombstone_total")
        return metrics if topics <= consumed and unmapped else None

    eventually(read, 10, "a record of every topic counted")
    return read()


def missing(page, expression):
    """The metrics, labels and values that the expression asks for and the page does not have."""
    faults = []
    for name, matchers in SELECTOR.findall(expression):
        if name not in page.names():
            faults.append(name)
            continue
        labels = page.labels(name)
        for label, operator, values in MATCHER.findall(matchers):
            if label in TARGET_LABELS:
                continue
            wanted = values.split("|") if operator in ("=~", "!~") else [values]
            faults += [
                f"{name}{{{label}={value}}}"
                for value in wanted
                if not any(re.fullmatch(value, its) for its in labels.get(label, ()))
            ]
    return faults


def test_what_the_dashboard_asks_for_is_there(page):
    expressions = expressions_of(json.loads(DASHBOARD.read_text()))

    assert len(expressions) > 40
    assert [fault for expression in expressions for fault in missing(page, expression)] == []


def test_what_the_alerts_ask_for_is_there(page):
    assert len(ALERTS) > 20
    assert missing(page, RULES.read_text()) == []


def test_the_alerts_do_as_their_own_tests_say():
    for command in (["check", "rules", "--lint-fatal", RULES], ["test", "rules", RULES.with_name("alerts_test.yml")]):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_test():
    tested = RULES.with_name("alerts_test.yml").read_text()

    assert [alert for alert in ALERTS if f'alertname="{alert}"' not in tested] == []


def test_every_alert_has_its_entry_in_the_runbook():
    entries = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)
    severities = re.findall(r"severity: (\w+)", RULES.read_text())
    said = re.findall(r"^\*(page|ticket)\.\*", RUNBOOK, re.MULTILINE)

    assert entries == ALERTS
    assert said == severities
    assert re.findall(r"runbook: docs/runbook.md#(\w+)", RULES.read_text()) == [name.lower() for name in ALERTS]
