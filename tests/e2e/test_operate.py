"""What an operator meets: settings that are wrong, health, metrics, logs, and the way out."""

import json
import subprocess

import pytest
import requests

from support import records, tokens
from support.paths import PROMTOOL
from support.processes import free_port
from support.service import start_serve, toml
from support.waiting import eventually

GOOD = {
    "kafka": {"brokers": ["127.0.0.1:1"]},
    "registry": {"urls": ["http://127.0.0.1:1/apis/ccompat/v7"]},
    "auth": {"secret": tokens.SECRET},
    "web": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"},
}

# Faults: (what stands in the file, what the message must name).
FAULTS = {
    "an address that is none": ({"web": {"listen": "127.0.0.1:99999"}}, ["web.listen", "127.0.0.1:99999"]),
    "a duration that is none": ({"kafka": {"metadata_refresh": "soon"}}, ["kafka.metadata_refresh", "soon"]),
    "a start that is none": ({"kafka": {"start": "yesterday"}}, ["kafka.start", "yesterday"]),
    "a number where a list belongs": ({"kafka": {"brokers": 9092}}, ["kafka.brokers"]),
    "a misspelled key": ({"kafka": {"borkers": ["127.0.0.1:1"]}}, ["kafka.borkers", "brokers"]),
    "an unknown section": ({"kafak": {"group": "x"}}, ["kafak", "kafka"]),
    "a short secret": ({"auth": {"secret": "too-short-to-be-safe"}}, ["auth.secret"]),
    "a key file that is not there": (
        {"auth": {"public_key_file": "/nonexistent/rs.pem"}},
        ["auth.public_key_file"],
    ),
    "an owned property, group.id": ({"kafka": {"properties": {"group.id": "mine"}}}, ["group.id"]),
    "an owned property, bootstrap.servers": (
        {"kafka": {"properties": {"bootstrap.servers": "x"}}},
        ["bootstrap.servers"],
    ),
    "an owned property, enable.auto.commit": (
        {"kafka": {"properties": {"enable.auto.commit": "true"}}},
        ["enable.auto.commit"],
    ),
    "a broker that is none": ({"kafka": {"brokers": ["http://x:9092"]}}, ["kafka.brokers", "http://x:9092"]),
    "a group without a name": ({"kafka": {"group": ""}}, ["kafka.group"]),
    "an instance without a name": ({"kafka": {"instance": ""}}, ["kafka.instance"]),
}


def with_fault(changes):
    return {section: GOOD.get(section, {}) | changes.get(section, {}) for section in GOOD | changes}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_setting_stops_the_start_and_is_named(run_folder, fault):
    changes, named = FAULTS[fault]

    process = start_serve(run_folder / "faults" / fault.replace(" ", "-"), with_fault(changes))

    assert process.exit_code(within=2) == 2, process.log()
    assert [name for name in named if name not in process.log()] == []


def test_all_faults_are_told_at_once(run_folder):
    process = start_serve(
        run_folder / "faults" / "several",
        with_fault(
            {"web": {"listen": "nowhere"}, "kafka": {"metadata_refresh": "soon"}, "log": {"format": "xml"}}
        ),
    )

    assert process.exit_code(within=2) == 2
    assert all(key in process.log() for key in ("web.listen", "kafka.metadata_refresh", "log.format"))


def test_a_file_that_is_not_toml_is_told_with_its_line(run_folder):
    process = start_serve(run_folder / "faults" / "not-toml", toml(GOOD) + "\n[web\n")

    assert process.exit_code(within=2) == 2
    assert f"dumbwaiter.toml:{len((toml(GOOD) + chr(10)).splitlines()) + 1}" in process.log()


def test_a_missing_file_stops_the_start(run_folder):
    process = start_serve(run_folder / "faults" / "missing", None)

    assert process.exit_code(within=2) == 2
    assert "dumbwaiter.toml" in process.log()


def test_a_secret_that_is_wrong_is_not_repeated(run_folder):
    process = start_serve(run_folder / "faults" / "secret", with_fault({"auth": {"secret": "hunter2"}}))

    assert process.exit_code(within=2) == 2
    assert "hunter2" not in process.log()


def test_a_property_of_the_kafka_client_is_passed_on(start_service):
    service = start_service({"kafka": {"properties": {"socket.keepalive.enable": "true"}}})

    assert service.readyz() == 200


def test_the_environment_overrides_the_file(start_service):
    elsewhere = f"127.0.0.1:{free_port()}"
    service = start_service({}, env={"DUMBWAITER_WEB__LISTEN": elsewhere})

    answer = requests.get(f"http://{elsewhere}/api/v1/ws/ticket", timeout=5)

    assert answer.status_code == 401
    with pytest.raises(requests.ConnectionError):
        service.request_ticket()


@pytest.mark.parametrize("name", ["DUMBWAITER_AUTH__SECRET", "DUMBWAITER_AUTH__SECRET_FILE"])
def test_the_secret_may_come_by_the_environment(start_service, run_folder, name):
    secret_file = run_folder / "secret.txt"
    secret_file.write_text(tokens.SECRET + "\n")
    value = str(secret_file) if name.endswith("_FILE") else tokens.SECRET
    service = start_service({"auth": {"secret": None}}, env={name: value})

    service.socket_io("somebody", role="USER")


def test_sigterm_ends_the_service_with_exit_code_0(start_service):
    service = start_service()
    plain = service.plain("somebody", role="USER")
    socket_io = service.socket_io("somebody", role="USER")

    exit_code = service.process.terminate(within=20)

    assert exit_code == 0
    assert plain.wait_for_close()[0] == 1012
    # What switches off the official client's reconnection is not said when the service only restarts.
    assert socket_io.wait_for_life("disconnect") in ("transport close", "transport error")
    assert "41" not in socket_io.frames.all()


def test_health_answers_on_the_admin_port_only(service):
    assert (service.livez(), service.readyz()) == (200, 200)
    assert service.http("GET", "/metrics").status_code == 404
    assert service.http("GET", "/readyz").status_code == 404


LABELS = {
    "dumbwaiter_records_consumed_total": {"topic"},
    "dumbwaiter_records_poison_total": {"reason"},
    "dumbwaiter_events_total": {"event"},
    "dumbwaiter_deliveries_total": {"protocol"},
    "dumbwaiter_connections": {"protocol"},
    "dumbwaiter_authorizations_total": {"protocol", "outcome"},
    "dumbwaiter_tickets_total": {"outcome"},
    "dumbwaiter_connections_ended_total": {"protocol", "ending"},
    "dumbwaiter_consumer_lag_records": {"topic", "partition"},
    "dumbwaiter_journal_bytes": set(),
}


def traffic(service, producer):
    """A little of everything that is counted."""
    plain = service.plain("metrics-staff", role="ADMIN")
    screen = service.socket_io("metrics-staff", role="ADMIN")
    service.request_ticket("not.a.token")
    service.open_socket_io().wait_for_life("disconnect")
    service.plain_at("key=wrong").wait_for_close()
    producer.send_bytes("pizza.created", b"poison", key="7")
    pizza = producer.pizza(records.pizza())
    order = producer.order(records.order())
    plain.wait_for(pizza["uuid"])
    screen.wait_for("order:new", order["_id"])


def test_every_metric_is_there_with_its_labels(service, producer):
    traffic(service, producer)

    def labels():
        metrics = service.metrics()
        return {name: metrics.label_names(name) for name in LABELS}

    eventually(lambda: None not in labels().values(), 2, "a sample of every metric")
    assert labels() == LABELS


def test_counters_count_what_happened(service, producer):
    before = service.metrics()
    traffic(service, producer)

    def grown(name, **labels):
        return service.metric(name, **labels) - before.sum(name, **labels)

    assert grown("dumbwaiter_records_consumed_total", topic="pizza.created") == 2
    assert grown("dumbwaiter_records_poison_total") == 1
    assert grown("dumbwaiter_events_total", event="CREATE_PIZZA") == 1
    assert grown("dumbwaiter_events_total", event="order:new") == 1
    assert grown("dumbwaiter_tickets_total") >= 2
    eventually(lambda: grown("dumbwaiter_deliveries_total") == 2, 1, "two deliveries counted")
    eventually(lambda: grown("dumbwaiter_event_latency_seconds_count") >= 2, 1, "two latencies observed")
    eventually(lambda: grown("dumbwaiter_connections_ended_total") >= 2, 1, "two refused connections counted")
    eventually(lambda: service.metric("dumbwaiter_consumer_lag_records") == 0, 3, "no lag")
    assert service.metric("dumbwaiter_journal_bytes") > 0


def test_connections_are_counted_while_they_last(service):
    def connections():
        return service.metric("dumbwaiter_connections")

    eventually(lambda: connections() == 0, 3, "the connections of earlier tests gone")
    plain = service.plain("counted", role="USER")
    socket_io = service.socket_io("counted", role="USER")
    eventually(lambda: connections() == 2, 1, "two connections")

    plain.close()
    socket_io.close()

    eventually(lambda: connections() == 0, 3, "both gone")


def test_promtool_finds_nothing_to_say_about_the_metrics(service, producer):
    traffic(service, producer)

    lint = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=service.metrics().text, capture_output=True, text=True
    )

    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")


def test_a_json_log_is_json_line_by_line(start_service, producer):
    service = start_service({"log": {"format": "json", "level": "debug"}})
    traffic(service, producer)
    service.process.terminate(within=20)

    lines = service.log().splitlines()

    assert len(lines) > 3
    assert [line for line in lines if not is_json_object(line)] == []


def is_json_object(line):
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@pytest.mark.parametrize("level", ["debug", "trace"])
def test_secrets_and_payloads_stay_out_of_the_log(start_service, producer, level):
    service = start_service({"log": {"level": level}, "auth": {"query_token": True}})
    good, bad = tokens.token("log-reader", role="ADMIN"), tokens.token("log-reader", secret="x" * 40)
    ticket = service.request_ticket(good).json()["token"]
    service.request_ticket(bad)
    plain = service.plain_at(f"key={ticket}")
    service.plain_at(f"key={ticket}").wait_for_close()
    service.open_socket_io(auth={"token": bad}).wait_for_life("disconnect")
    service.open_socket_io(query={"token": good}).wait_until_authorized()
    screen = service.open_socket_io(auth={"token": good}).wait_until_authorized()
    pizza = producer.pizza(records.pizza(description="a-description-that-stays-private"))
    order = producer.order(records.order(phone="+38(071)555-55-55"))
    plain.wait_for(pizza["uuid"])
    screen.wait_for("order:new", order["_id"])
    service.process.terminate(within=20)

    secrets = [tokens.SECRET, good, bad, good.split(".")[2], bad.split(".")[2], ticket]
    private = ["a-description-that-stays-private", "555-55-55"]

    assert [text for text in secrets + private if text in service.log()] == []
