"""`dumbwaiter bench`: does the load test count right, does it see a service that delivers wrongly, whom does it refuse?"""

import json
import time
import uuid

import pytest

from support.paths import REPOSITORY
from support.processes import free_port
from support.service import toml
from support.tools import run

CATALOG = (REPOSITORY / "src" / "event" / "catalog.toml").read_text(encoding="utf-8")


@pytest.fixture
def config(service, tmp_path):
    return written(service, tmp_path)


def written(service, folder):
    """The settings of a service as a file of the command's own."""
    path = folder / "dumbwaiter.toml"
    # The first question of a run finds the registry cold.
    registry = service.settings["registry"] | {"timeout": "25s"}
    path.write_text(toml(service.settings | {"registry": registry}))
    return path


def bench(config, *arguments, within=12):
    return run("bench", "--config", config, "--json", *arguments, within=within)


@pytest.mark.parametrize("protocol", ["plain", "socketio"])
def test_a_good_service_misses_nothing_and_doubles_nothing(service, config, protocol):
    crowd = ["--protocol", protocol, "--clients", 20, "--staff", 3]

    report = bench(config, *crowd, "--produce", "--rate", 50, "--hold", "1s", "--pid", service.process.pid).json()

    assert (report["clients"], report["staff"], report["ended"]) == (20, 3, {})
    assert (report["connect"]["ready"], report["connect"]["failed"]) == (20, {})
    events = report["events"]
    # Three of staff get each of the 50 events, and each has one owner.
    assert (events["produced"], events["expected"], events["deliveries"]) == (50, 200, 200)
    assert (events["missing"], events["double"], events["foreign"], events["other"]) == (0, 0, 0, 0)
    staff, customers = report["latency_us"]["staff"], report["latency_us"]["customers"]
    assert (staff["count"], customers["count"]) == (150, 50)
    assert 0 < staff["p50"] <= staff["p99"] <= staff["max"] < 60_000_000
    server = report["server"]
    # The kernel counts pages by the processor, and may be some behind in the peak. What was there before may have been given back.
    assert all(0 < server[f"rss_{when}_kib"] <= server["rss_peak_kib"] + 1_024 for when in ("before", "idle", "after"))
    assert server["cpu_us_per_event"] >= server["cpu_us_per_delivery"]


def test_many_events_at_once_are_all_counted(config):
    report = bench(config, "--clients", 10, "--staff", 2, "--produce", "--burst", 2000).json()

    events = report["events"]
    assert (events["deliveries"], events["missing"], events["double"]) == (6000, 0, 0)


def test_a_report_for_people_is_some_lines(config):
    told = run("bench", "--config", config, "--clients", 3, "--produce", "--burst", 5, within=12)

    assert told.code == 0 and told.err == ""
    lines = dict(line.split(maxsplit=1) for line in told.out.splitlines())
    assert lines["deliveries"].startswith("15 of 15 due")
    assert lines["faults"] == "0 missing, 0 double, 0 to whom they are not for"
    assert lines["latency"].startswith("staff, ms: p50 ")


@pytest.mark.parametrize(
    ("owner_is_replaced_by", "missing", "foreign"),
    # Nobody but staff gets an order; every customer gets the orders of all.
    [("user:nobody", 6, 0), ("role:CUSTOMER", 0, 12)],
)
def test_a_service_that_delivers_wrongly_is_found_out(
    start_service, kafka, tmp_path, owner_is_replaced_by, missing, foreign
):
    topic = f"order.bench-{uuid.uuid4()}"
    kafka.create_topics(topic, partitions=1)
    catalog = tmp_path / "catalog.toml"
    wrong = CATALOG.replace("user:{clientId}", owner_is_replaced_by, 1).replace('"order.created"', f'"{topic}"')
    catalog.write_text(wrong, encoding="utf-8")
    service = start_service({"catalog": {"file": str(catalog)}})
    config = written(service, tmp_path)

    # 3 customers, 6 events: each owns two.
    arguments = ["--clients", 4, "--staff", 1, "--produce", "--burst", 6, "--topic", topic]
    done = run("bench", "--config", config, "--json", *arguments, within=15)

    events = json.loads(done.out)["events"]
    assert done.code == 1
    assert (events["missing"], events["foreign"], events["double"]) == (missing, foreign, 0)
    assert events["clients_with_missing"] == (3 if missing else 0)


def test_it_only_listens_unless_told_to_produce(config):
    report = bench(config, "--clients", 5, "--hold", "300ms").json()

    assert (report["connect"]["ready"], report["events"]["expected"]) == (5, 0)


def test_a_wrong_secret_is_one_clear_error(service, config, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("another secret, which is as long as one has to be")
    auth = {name: value for name, value in service.settings["auth"].items() if name != "secret"}
    config.write_text(toml(service.settings | {"auth": auth}))

    for protocol in ("plain", "socketio"):
        done = run("bench", "--config", config, "--secret-file", secret, "--protocol", protocol, "--clients", 50)

        assert (done.code, done.out) == (1, "")
        [line] = done.err.splitlines()
        assert line.startswith("the service refuses the token of client ")


def test_nobody_there_is_one_clear_error(config):
    done = run("bench", "--config", config, "--url", f"http://127.0.0.1:{free_port()}", "--clients", 50)

    assert (done.code, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith("no client was let in: dropped: Connection refused")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "http://192.0.2.1:8080"],
        ["--set", "kafka.brokers=192.0.2.1:9092", "--produce"],
    ],
    ids=["service", "brokers"],
)
def test_what_is_not_on_this_machine_is_loaded_only_if_that_is_meant(config, arguments):
    started = time.monotonic()
    done = run("bench", "--config", config, *arguments)

    assert (done.code, done.out) == (1, "")
    assert "192.0.2.1" in done.err and "--allow-remote" in done.err
    # Nothing was tried first.
    assert time.monotonic() - started < 5


def test_more_clients_than_files_are_refused(config):
    done = run("bench", "--config", config, "--clients", 2_000_000)

    assert done.code == 1 and "ulimit -n" in done.err


def test_half_open_handshakes_are_there_while_clients_come(service, config):
    """More than the service has at a time: the oldest gave way, and the clients came in all the same."""
    turned_away = service.metric("dumbwaiter_connections_refused_total", reason="handshakes")

    report = bench(config, "--clients", 5, "--half-open", 1_100, "--hold", "200ms").json()

    assert (report["connect"]["ready"], report["ended"]) == (5, {})
    assert service.metric("dumbwaiter_connections_refused_total", reason="handshakes") - turned_away > 50
