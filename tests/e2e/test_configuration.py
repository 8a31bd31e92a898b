"""What an operator asks before starting: is it right, what is in force, and does the world fit to it?"""

import json

import pytest

from support import records, shapes, tokens
from support.login import Login
from support.paths import REPOSITORY
from support.records import new_id
from support.service import toml
from support.shapes import evolve, field
from support.tools import run

KITCHEN = REPOSITORY / "examples" / "kitchen-ticket"
KITCHEN_SETTINGS = {
    "catalog": {"file": str(KITCHEN / "catalog.toml")},
    "kafka": {"topics": ["pizza.created", "^order\\..*", "kitchen.ticket"]},
}


@pytest.fixture
def write_config(run_folder, tmp_path_factory):
    """A settings file of one's own: `write_config({"web": {...}})` gives its path."""

    def write(settings):
        folder = tmp_path_factory.mktemp("config", numbered=True)
        path = folder / "dumbwaiter.toml"
        path.write_text(settings if isinstance(settings, str) else toml(settings))
        return path

    return write


@pytest.fixture(scope="module")
def kitchen_topic(kafka):
    kafka.create_topics("kitchen.ticket", partitions=1)


def good(brokers="127.0.0.1:1", registry="http://127.0.0.1:1", **more):
    return {
        "kafka": {"brokers": [brokers], **more.pop("kafka", {})},
        "registry": {"urls": [registry]},
        "auth": {"secret": tokens.SECRET},
        **more,
    }


def lines(outcome):
    """The report as {subject: (status, detail)}."""
    checks = json.loads(outcome.out)["checks"]
    return {check["subject"]: (check["status"], check["detail"]) for check in checks}


def test_a_good_configuration_is_good(write_config):
    checked = run("check", "--config", write_config(good()))

    assert (checked.code, checked.err) == (0, "")
    assert [line.split()[0] for line in checked.out.splitlines()] == ["ok", "ok", "ok"]


def test_faults_of_settings_and_catalog_are_told_together(write_config, tmp_path):
    catalog = tmp_path / "catalog.toml"
    built_in = (REPOSITORY / "src" / "event" / "catalog.toml").read_text(encoding="utf-8")
    catalog.write_text(
        built_in.replace("user:{user_uuid}", "user:{owner}").replace('["plain"]', '["plane"]'), encoding="utf-8"
    )
    config = write_config(good(catalog={"file": str(catalog)}, web={"lisen": "127.0.0.1:1"}))

    checked = run("check", "--config", config, env={"DUMBWAITER_LOG__LEVEL": "loud", "DUMBWAITER_NONSENSE": "1"})

    assert checked.code == 2
    for told in (
        f"{config}:10:11: unknown key; did you mean listen?",
        f'{catalog}:14:63: field "owner" is neither in the payload schema nor in routing',
        f'{catalog}:11:12: "plane" is not a client protocol; did you mean plain? (expected plain, socketio)',
        'environment variable DUMBWAITER_LOG__LEVEL: "loud" is not one of error, warn, info, debug, trace',
        "environment variable DUMBWAITER_NONSENSE: names no setting",
    ):
        assert told in checked.out, checked.out
    faults = json.loads(run("check", "--config", config, "--json").out)["checks"]
    assert {"status": "fail", "subject": "web.lisen", "place": f"{config}:10:11"}.items() <= faults[0].items()


def test_an_event_whose_topic_is_not_read_is_a_warning(write_config):
    config = write_config(good(catalog={"file": str(KITCHEN / "catalog.toml")}))

    checked = run("check", "--config", config, "--json")

    assert checked.code == 0
    status, detail = lines(checked)["event kitchen.ticket"]
    assert status == "warn" and "kafka.topics" in detail


@pytest.mark.parametrize("command", ["serve", "check"])
def test_the_settings_in_force_are_printed_with_their_origins_and_without_secrets(write_config, command):
    config = write_config(good(kafka={"properties": {"ssl.key.location": "hunter2", "client.id": "mine"}}))

    printed = run(
        command, "--config", config, "--print-config", "--set", "log.level=debug",
        env={"DUMBWAITER_WEB__LISTEN": "127.0.0.1:4711"},
    )

    assert (printed.code, printed.err) == (0, "")
    for line in (
        f'brokers = ["127.0.0.1:1"]  # {config}:2:13',
        f'properties."client.id" = "mine"  # {config}:3:1',
        'listen = "127.0.0.1:4711"  # environment variable DUMBWAITER_WEB__LISTEN',
        'level = "debug"  # command line',
        'admin_listen = "127.0.0.1:9100"  # default',
    ):
        assert line in printed.out.splitlines(), printed.out
    assert "hunter2" not in printed.out and tokens.SECRET not in printed.out
    assert "# secret: hidden" in printed.out


def test_online_tells_what_is_there_and_what_would_not_work(write_config, kafka, registry):
    fits, narrow, foreign = (f"online.{kind}.{new_id()[:8]}" for kind in ("fits", "narrow", "foreign"))
    missing = f"online.missing.{new_id()[:8]}"
    kafka.create_topics(fits, narrow, foreign, partitions=2)
    registry.register_as(f"{fits}-value", shapes.PIZZA)
    registry.register_as(f"{narrow}-value", evolve(shapes.PIZZA, replace={"store_id": field("store_id", "string")}))
    catalog = write_config(
        "".join(
            f'[[event]]\nname = "{topic}"\nclients = ["plain"]\ntopic = "{topic}"\nschema = "pizza.avsc"\n'
            'audience = ["role:ADMIN"]\n'
            for topic in (fits, narrow, missing)
        )
        + '[grants]\nkeys = ["role:{role}"]\n'
    )
    topics = [fits, narrow, foreign, missing]
    config = write_config(
        good(kafka.brokers, registry.url, kafka={"topics": topics}, catalog={"file": str(catalog)})
    )

    checked = run("check", "--config", config, "--online", "--json")

    assert checked.code == 1, checked.out
    told = lines(checked)
    assert told["brokers"] == ("ok", f"1 at {kafka.brokers}")
    assert told[f"topic {fits}"] == ("ok", f"2 partitions: {fits}")
    assert told[f"topic {foreign}"] == ("ok", "2 partitions: no event, passed over")
    assert told[f"topic {missing}"][0] == "warn"
    assert told["registry"][0] == "ok"
    assert told[f"subject {fits}-value"][0] == "ok"
    status, detail = told[f"subject {narrow}-value"]
    assert status == "fail" and "field store_id: writer has string, reader wants long" in detail


def test_online_is_good_where_all_is_there(write_config, kafka, registry):
    config = write_config(good(kafka.brokers, registry.url, kafka={"topics": ["pizza.created"]}))

    assert run("check", "--config", config, "--online").code == 0


def test_online_names_a_dead_broker_and_a_dead_registry(write_config):
    checked = run("check", "--config", write_config(good()), "--online", "--json", within=20)

    assert checked.code == 1
    told = lines(checked)
    assert told["brokers"][0] == "fail" and "Connection refused" in told["brokers"][1]
    assert told["registry"][0] == "fail" and "127.0.0.1:1" in told["registry"][1]


def test_online_asks_the_login_for_a_session_that_nobody_has(write_config):
    login = Login()
    config = write_config({"session": {"url": login.url}})
    try:
        fine = lines(run("check", "--config", config, "--online", "--json", within=20))["login"]
        login.is_down = True
        down = lines(run("check", "--config", config, "--online", "--json", within=20))["login"]
    finally:
        login.stop()

    assert (fine[0], down[0]) == ("ok", "fail")
    assert login.url in down[1]


TICKET = shapes.record(
    "Ticket",
    field("cook_id", shapes.nullable("string")),
    field("due_at", shapes.MILLIS),
    field("store_id", "int"),
    field("ticket_id", "string"),
    field("printer", "string"),
    field(
        "lines",
        {"type": "array", "items": shapes.record("Line", field("title", "string"), field("number", "int"))},
    ),
    namespace="kitchen.till",
)


def test_the_example_of_a_new_event_does_what_its_readme_says(start_service, kitchen_topic, tmp_path):
    service = start_service(KITCHEN_SETTINGS)
    config = tmp_path / "dumbwaiter.toml"
    config.write_text(toml(service.settings))
    screen = service.plain("screen-7", store_id=7)

    produced = run(
        *("produce", "--config", config, "--topic", "kitchen.ticket"),
        *("--schema", KITCHEN / "kitchen_ticket.avsc", KITCHEN / "ticket.json"),
    )

    assert produced.code == 0, produced
    message = screen.inbox.wait_for(lambda message: message.data["ticket_id"] == "t-1", 2, "the ticket")
    assert f"    {message.text}\n" in (KITCHEN / "README.md").read_text(encoding="utf-8")
    status, detail = lines(run("check", "--config", config, "--online", "--json"))["subject kitchen.ticket-value"]
    assert status == "ok" and detail.endswith("gives kitchen.ticket")


def test_a_new_event_takes_a_catalog_entry_and_a_schema_only(start_service, producer, kitchen_topic):
    service = start_service(KITCHEN_SETTINGS)
    screen = service.plain("screen-7", store_id=7)
    cook = service.plain("cook-1")
    elsewhere = service.plain("screen-8", store_id=8)
    ticket = {
        "cook_id": "cook-1",
        "due_at": 1_795_350_900_000,
        "store_id": 7,
        "ticket_id": new_id(),
        "printer": "till-2",
        "lines": [{"title": "Маргарита", "number": 2}],
    }

    producer.send("kitchen.ticket", TICKET, ticket)
    pizza = producer.pizza(records.pizza(store_id=8))

    expected = (
        '{"event_name":"kitchen.ticket","data":{"ticket_id":"%s","store_id":7,"station":"kitchen",'
        '"lines":[{"title":"Маргарита","number":2}],"remark":null,"due_at":"2026-11-22T12:35:00.000000Z"}}'
    ) % ticket["ticket_id"]
    for receiver in (screen, cook):
        [message] = receiver.inbox.wait_for_count(1, 2, "tickets")
        assert message.text == expected
    # The pizza came after the ticket, so had the ticket been for store 8, it would be here by now.
    elsewhere.wait_for(pizza["uuid"])
    assert [message.name for message in elsewhere.messages()] == ["CREATE_PIZZA"]


def online_subject(write_config, kafka, registry, schemas, *arguments):
    """What `check --online` says of a subject with these versions, of a topic of pizzas: exit code, and its line."""
    topic = f"online.{new_id()[:8]}"
    for schema in schemas:
        registry.register_as(f"{topic}-value", schema)
    catalog = write_config(
        f'[[event]]\nname = "{topic}"\nclients = ["plain"]\ntopic = "{topic}"\nschema = "pizza.avsc"\n'
        'audience = ["role:ADMIN"]\n[grants]\nkeys = ["role:{role}"]\n'
    )
    settings = {"kafka": {"topics": [topic]}, "catalog": {"file": str(catalog)}, "revocation": {"topic": ""}}
    config = write_config(good(kafka.brokers, registry.url, **settings))
    checked = run("check", "--config", config, "--online", "--json", *arguments)
    [line] = [line for line in json.loads(checked.out)["checks"] if line["subject"] == f"subject {topic}-value"]
    return checked.code, line


TEXT_PRICE = evolve(shapes.PIZZA, replace={"price": field("price", "string")})
WITH_NOTE = evolve(shapes.PIZZA, first=[field("note", "string")])


def test_online_tells_which_field_breaks_and_since_which_version(write_config, kafka, registry):
    text_price_too = evolve(TEXT_PRICE, first=[field("note", "string")])
    code, line = online_subject(write_config, kafka, registry, [shapes.PIZZA, WITH_NOTE, TEXT_PRICE, text_price_too])

    assert (code, line["status"]) == (1, "fail")
    assert "version 4" in line["detail"] and "field price: writer has string" in line["detail"]
    assert "so since version 3, version 2 gives" in line["detail"]
    told = [(v["version"], v["status"], v.get("field"), v.get("since")) for v in line["versions"]]
    assert told == [(1, "ok", None, None), (2, "ok", None, None), (3, "fail", "price", 3), (4, "fail", "price", 3)]


def test_online_warns_of_older_versions_that_break(write_config, kafka, registry):
    code, line = online_subject(write_config, kafka, registry, [TEXT_PRICE, shapes.PIZZA])
    strict, _ = online_subject(write_config, kafka, registry, [TEXT_PRICE, shapes.PIZZA], "--strict")

    assert (code, strict, line["status"]) == (0, 1, "warn")
    assert "version 2" in line["detail"] and "version 1" in line["detail"] and "field price" in line["detail"]


def test_a_schema_is_checked_before_it_is_registered(write_config, tmp_path):
    schema = tmp_path / "pizza.avsc"

    def checked(written, *arguments):
        schema.write_text(json.dumps(written))
        outcome = run("check", "--config", write_config(good()), "--schema", schema, *arguments, "--json")
        return outcome.code, lines(outcome)[f"schema {schema}"]

    assert checked(WITH_NOTE, "--topic", "pizza.created") == (0, ("ok", "gives CREATE_PIZZA"))
    code, (status, detail) = checked(TEXT_PRICE, "--topic", "pizza.created")
    assert (code, status) == (1, "fail") and "field price: writer has string" in detail
    code, (status, _) = checked(WITH_NOTE, "--topic", "pizza.craeted", "--strict")
    assert (code, status) == (1, "ok"), "a topic of no event"


def test_online_reads_the_control_topic(write_config, kafka, registry, producer):
    topic = f"online.control.{new_id()[:8]}"
    settings = {"kafka": {"topics": ["pizza.created"]}, "revocation": {"topic": topic}}
    config = write_config(good(kafka.brokers, registry.url, **settings))

    def told():
        return lines(run("check", "--config", config, "--online", "--json"))[f"control topic {topic}"]

    assert told()[0] == "warn" and "does not exist" in told()[1]
    kafka.create_topics(topic, partitions=1)
    producer.send_bytes(topic, b'{"issued_before": 1700000000}', key="user:u-1")
    assert told() == ("ok", "1 record: each revokes, or takes that back")
    producer.send_bytes(topic, b"nonsense", key="user:u-2")
    status, detail = told()
    assert status == "warn" and "partition 0 offset 1: value is not a JSON object" in detail and "u-2" not in detail
