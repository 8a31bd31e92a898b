"""Who is connected: the list that operators get, and `explain --all`, which asks it about one record."""

import json

import pytest

from support import records
from support.records import new_id
from support.service import toml
from support.tools import run
from support.waiting import eventually


@pytest.fixture
def config(service, tmp_path):
    path = tmp_path / "dumbwaiter.toml"
    path.write_text(toml(service.settings))
    return path


def test_connections_are_listed_by_key_and_tell_no_secret(service):
    user = f"u-{new_id()}"
    ticket = service.ticket(user, store_id=7)
    service.plain_at(f"key={ticket}&cursor=")
    service.socket_io(user, role="ADMIN")

    answer = service.operators("/connections", key=f"user:{user}")
    found = {connection["protocol"]: connection for connection in answer.json()["connections"]}

    assert found.keys() == {"plain", "socketio"} and answer.json()["next"] is None
    assert sorted(found["plain"]["keys"]) == ["store:7", f"user:{user}"]
    assert sorted(found["socketio"]["keys"]) == ["role:ADMIN", f"user:{user}"]
    assert (found["plain"]["cursors"], found["socketio"]["cursors"]) == (True, False)
    for connection in found.values():
        assert (connection["state"], connection["address"]) == ("live", "loopback")
        assert connection["age_seconds"] < 60 < connection["expires_seconds"]
        assert (connection["queued_bytes"], connection["stalled_seconds"]) == (0, 0)
    assert ticket not in answer.text and "127.0.0.1" not in answer.text
    assert [found["plain"]] == service.connections(key=f"user:{user}", protocol="plain")
    assert service.connections(key=f"user:{user}", state="lagging") == []
    assert service.connections(key="user:nobody") == []


def test_the_list_comes_in_pages(service):
    store = 900_001
    for _ in range(5):
        service.plain("pages", store_id=store)
    pages, more = [], {}
    while True:
        page = service.operators("/connections", key=f"store:{store}", limit=2, **more).json()
        pages.append([connection["id"] for connection in page["connections"]])
        if page["next"] is None:
            break
        more = {"from": page["next"]}

    assert max(map(len, pages)) == 2
    assert len({connection for page in pages for connection in page}) == sum(map(len, pages)) == 5


def test_a_key_that_could_be_a_phone_number_is_not_shown(service):
    phone = "+38(071)000-00-00"
    service.plain(phone)

    answer = service.operators("/connections", key=f"user:{phone}")

    [connection] = answer.json()["connections"]
    assert connection["keys"] == ["user:***"]
    assert phone not in service.operators("/connections").text


@pytest.mark.parametrize("question", [{"limit": 0}, {"limit": 1001}, {"state": "asleep"}, {"from": "x"}, {"user": "u-1"}])
def test_a_question_that_is_none_is_told(service, question):
    before = service.metric("dumbwaiter_connection_lists_total", outcome="bad_request")

    answer = service.operators("/connections", **question)

    [(name, _)] = question.items()
    assert answer.status_code == 400 and name in answer.text
    assert service.metric("dumbwaiter_connection_lists_total", outcome="bad_request") == before + 1


def test_explain_all_tells_who_gets_a_record_and_who_does_not(service, config, producer):
    owner, other = f"u-{new_id()}", f"u-{new_id()}"
    for _ in range(2):
        service.socket_io(owner, role="CUSTOMER")
    service.socket_io(other, role="CUSTOMER")
    service.plain(owner)
    producer.order(records.order(clientId=owner))

    told = run(
        "explain", "--config", config, "--json", producer.last_place(), "--all",
        "--claims", json.dumps({"sub": "given", "role": "WATCHER"}), "--claims", json.dumps({"sub": "given"}),
    ).json()

    identities = told["identities"]
    given = {one["given"]: (one["delivered"], one.get("because")) for one in identities if "given" in one}
    connected = {
        (one["protocol"], one["keys"][-1]): (one["connections"], one["by"], one["delivered"], one.get("because"))
        for one in identities
        if "protocol" in one and one["keys"][-1] in (f"user:{owner}", f"user:{other}")
    }
    assert given == {"claims 1": (True, None), "claims 2": (False, "holds none of the keys")}
    assert connected == {
        ("socketio", f"user:{owner}"): (2, [f"user:{owner}"], True, None),
        ("socketio", f"user:{other}"): (1, [], False, "holds none of the keys"),
        ("plain", f"user:{owner}"): (1, [f"user:{owner}"], False, "the event is not for its protocol"),
    }

    shown = run("explain", "--config", config, producer.last_place(), "--all").out
    assert f"gets it    2 socketio connections, role:CUSTOMER  user:{owner}: by user:{owner}\n" in shown
    assert f"not        1 socketio connection, role:CUSTOMER  user:{other}: holds none of the keys" in shown


def test_explain_all_tells_where_no_instance_answers(config, producer):
    producer.order(records.order())

    told = run("explain", "--config", config, producer.last_place(), "--all", "--instance", "http://127.0.0.1:1")

    assert (told.code, told.out) == (1, "")
    assert "http://127.0.0.1:1" in told.err and "web.admin_listen" in told.err


def test_explain_finds_the_owner_that_a_record_does_not_name(service, config, producer):
    order = producer.order(records.order(clientId="u-open"))
    opened_by = producer.last_place()
    producer.condition(records.condition(order["_id"]))

    def told():
        return run(
            "explain", "--config", config, "--json", producer.last_place(), "--claims", '{"sub": "u-open"}'
        ).json()

    answer = told()
    place = answer["opened_by"]
    assert (answer["delivered"], answer["by"]) == (True, ["user:u-open"])
    assert f"{place['topic']}-{place['partition']}-{place['offset']}" == opened_by
    eventually(lambda: service.readyz() == 200, 2, "an instance that did not notice")
