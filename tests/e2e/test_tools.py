"""The tools an operator tries things with: a token, a client, a producer, and why somebody gets an event or not."""

import json
import subprocess

import jwt
import pytest

from support import contract, records, shapes, tokens
from support.paths import REPOSITORY, SERVICE
from support.records import new_id
from support.service import toml
from support.shapes import evolve, field
from support.tools import Tail, run
from support.waiting import eventually


@pytest.fixture
def config(service, tmp_path):
    """The settings of the service that most tests share."""
    path = tmp_path / "dumbwaiter.toml"
    path.write_text(toml(service.settings))
    return path


@pytest.fixture
def start_tail(service):
    started = []

    def start(protocol, token, *more):
        address = f"http://{service.listen}"
        started.append(Tail("--url", address, "--protocol", protocol, "--token", token, *more))
        return started[-1].wait_until_connected()

    yield start
    for tail in started:
        tail.kill()


def test_a_token_is_taken_by_the_service_and_by_others(config, service):
    made = run("token", "--config", config, "--sub", "u-1", "--role", "ADMIN", "--store-id", 7, "--claim", "x=y")

    assert made.code == 0 and "development" in made.err
    token = made.out.strip()
    claims = jwt.decode(
        token, tokens.SECRET, algorithms=["HS256"], audience=tokens.AUDIENCE, issuer=tokens.ISSUER
    )
    assert claims["exp"] - claims["iat"] == 3600
    assert {name: claims[name] for name in ("sub", "role", "store_id", "x")} == {
        "sub": "u-1",
        "role": "ADMIN",
        "store_id": 7,
        "x": "y",
    }
    assert service.request_ticket(token).status_code == 200


def test_a_token_may_be_made_with_a_secret_file_alone(tmp_path):
    (tmp_path / "secret").write_text(tokens.SECRET + "\n")

    made = run("token", "--secret-file", tmp_path / "secret", "--ttl", "5m")

    claims = jwt.decode(made.out.strip(), tokens.SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["exp"] - claims["iat"]) == ("developer", 300)


def test_a_token_names_the_key_it_is_signed_with(tmp_path):
    config = tmp_path / "dumbwaiter.toml"
    config.write_text(f'[[auth.keys]]\nkid = "next"\nalgorithm = "HS512"\nsecret = "{tokens.SECRET}"\n')

    token = run("token", "--config", config).out.strip()

    assert jwt.get_unverified_header(token) == {"typ": "JWT", "alg": "HS512", "kid": "next"}
    jwt.decode(token, tokens.SECRET, algorithms=["HS512"])


def test_a_token_of_a_public_key_is_its_issuers_matter(tmp_path):
    keys = REPOSITORY / "tests" / "fixtures" / "test-only-keys"
    config = tmp_path / "dumbwaiter.toml"
    config.write_text(toml({"auth": {"public_key_file": str(keys / "rsa-public.pem")}}))

    made = run("token", "--config", config)

    assert (made.code, made.out) == (1, "")
    assert "auth.secret" in made.err


@pytest.mark.parametrize("protocol", ["plain", "socketio"])
def test_tail_shows_what_its_user_receives_as_it_is(start_tail, producer, protocol):
    tail = start_tail(protocol, tokens.token("staff", role="ADMIN"), "--json", "--count", 1)

    if protocol == "plain":
        event, sent = "CREATE_PIZZA", producer.pizza(records.pizza())
        shown = sent | {
            "created_date": "2018-03-22T18:56:35.176577Z",
            "time_prepared": "2018-03-22T19:26:35.000000Z",
        }
    else:
        event, shown = "order:new", producer.order(records.order())

    [line] = tail.inbox.wait_for_count(1, 2, "events")
    assert line.endswith(f'"event":"{event}","data":{contract.compact(shown)}}}')
    assert tail.exit_code() == 0


def test_tail_for_people_has_no_colour_where_no_terminal_is(start_tail, producer):
    tail = start_tail("socketio", tokens.token("u-2", role="CUSTOMER"))

    producer.order(records.order(clientId="somebody else"))
    order = producer.order(records.order(clientId="u-2"))

    [line] = tail.inbox.wait_for_count(1, 2, "events")
    assert line.split("  ")[1:] == ["order:new", contract.compact(order)]


@pytest.mark.parametrize("protocol", ["plain", "socketio"])
def test_tail_ends_when_it_is_refused(service, protocol):
    bad = tokens.token("u-1", secret="x" * 40)

    refused = run("tail", "--url", f"http://{service.listen}", "--protocol", protocol, "--token", bad)

    assert (refused.code, refused.out) == (1, "")
    assert "refused" in refused.err and bad not in refused.err


def test_tail_comes_back_after_a_restart(start_service, producer):
    service = start_service()
    token = tokens.token("staff", role="ADMIN")
    tail = Tail("--url", f"http://{service.listen}", "--token", token, "--json").wait_until_connected()
    try:
        service.stop()
        tail.words.wait_for(lambda line: "1012" in line and "again" in line, 2, "word of the restart")
        service.start().wait_until_ready()

        def connections():
            return [line for line in tail.words.all() if line.startswith("connected")]

        eventually(lambda: len(connections()) == 2, 8, "the second connection")

        pizza = producer.pizza(records.pizza())

        line = tail.inbox.wait_for(lambda line: pizza["uuid"] in line, 2, "the pizza")
        assert json.loads(line)["event"] == "CREATE_PIZZA"
    finally:
        tail.kill()


def test_tail_tells_where_nobody_listens():
    refused = run("tail", "--url", "http://127.0.0.1:1", "--token", "x")

    assert refused.code == 1
    assert "http://127.0.0.1:1" in refused.err


def test_produce_writes_what_a_client_then_receives(config, service, registry, tmp_path):
    staff = service.socket_io("staff", role="ADMIN")
    orders = [records.order(), records.order(clientId=None, address="улица Артёма, 1")]
    registry.register_as("order.created-value", shapes.ORDER)
    lines = tmp_path / "orders.jsonl"
    lines.write_text("".join(json.dumps(order) + "\n" for order in orders))

    produced = run(
        "produce", "--config", config, "--topic", "order.created", "--key", "_id", "--json", lines
    ).json()

    assert (produced["records"], produced["topics"]) == (2, {"order.created": 2})
    for order in orders:
        assert staff.wait_for("order:new", order["_id"]).data == order


def test_produce_registers_a_schema_file_and_reads_standard_input(config, service, tmp_path):
    screen = service.plain("screen", store_id=7)
    schema = tmp_path / "pizza.avsc"
    schema.write_text(json.dumps(evolve(shapes.PIZZA, replace={"price": field("price", shapes.PRICE_DECIMAL)})))
    pizza = records.pizza(created_date="2018-03-22T18:56:35.176577Z")

    produced = run(
        "produce", "--config", config, "--topic", "pizza.created", "--schema", schema, "--subject",
        f"tools-{new_id()}", stdin=json.dumps([pizza]),
    )

    assert produced.code == 0, produced
    assert "1 record acknowledged" in produced.out and "pizza.created-" in produced.out
    data = screen.wait_for(pizza["uuid"]).data
    assert (data["price"], data["created_date"]) == (149.99, pizza["created_date"])


def test_produce_stops_at_a_value_that_does_not_fit_and_says_where(config, tmp_path):
    good, bad = records.condition(new_id()), records.condition(5)
    schema = REPOSITORY / "schemas" / "order_condition.avsc"

    produced = run(
        "produce", "--config", config, "--topic", "order.condition", "--schema", schema, "--json",
        "--subject", f"tools-{new_id()}", stdin=json.dumps(good) + json.dumps(bad) + json.dumps(good),
    )

    assert produced.code == 1
    assert "value 2: field _id: 5 is not a text" in produced.err
    assert json.loads(produced.out)["records"] == 1


def test_produce_makes_up_orders_that_become_events(config, service):
    staff = service.socket_io("staff", role="ADMIN")
    screens = [service.plain("screen", store_id=store) for store in (7, 8)]

    produced = run("produce", "--config", config, "--orders", 200, "--count", 60, "--json").json()

    topics = produced["topics"]
    assert produced["records"] == sum(topics.values()) == 60
    assert set(topics) == {"order.created", "order.condition", "pizza.created"}
    orders = topics["order.created"] + topics["order.condition"]

    def of_these_orders():
        """A condition of another test's unknown order may have waited, and come now."""
        events = staff.order_events()
        made = {order_id for name, order_id in events if name == "order:new"}
        return [event for event in events if event[1] in made]

    eventually(lambda: len(of_these_orders()) == orders, 2, "all orders and conditions")
    eventually(
        lambda: sum(len(screen.messages()) for screen in screens) == topics["pizza.created"], 2, "all pizzas"
    )


def test_produce_tells_what_the_registry_lacks(config):
    produced = run("produce", "--config", config, "--topic", f"nothing-{new_id()}", stdin="{}")

    assert produced.code == 1
    assert "register a schema, or name one with --schema" in produced.err


def explain(config, *arguments):
    return run("explain", "--config", config, "--json", *arguments).json()


def test_explain_tells_who_gets_a_record_and_by_which_key(config, producer):
    order = producer.order(records.order(clientId="u-1"))
    place = producer.last_place()

    owner = explain(config, place, "--token", tokens.token("u-1", role="CUSTOMER"))
    other = explain(config, place, "--claims", json.dumps({"sub": "u-2", "role": "CUSTOMER"}))
    staff = explain(config, place, "--claims", json.dumps({"sub": "u-2", "role": ["WATCHER", "ADMIN"]}))
    nobody = explain(config, place)

    assert owner["event"] == {"name": "order:new", "clients": ["socketio"]}
    assert owner["payload"] == owner["fields"] == order
    assert owner["audience"] == ["role:ADMIN", "role:WATCHER", "user:u-1"]
    assert owner["user"]["keys"] == ["role:CUSTOMER", "user:u-1"]
    assert (owner["delivered"], owner["by"]) == (True, ["user:u-1"])
    assert (other["delivered"], other["because"]) == (False, ["the user holds none of the keys"])
    assert (staff["delivered"], staff["by"]) == (True, ["role:ADMIN", "role:WATCHER"])
    assert "delivered" not in nobody and nobody["audience"] == owner["audience"]


def test_explain_shows_fields_that_no_client_gets(config, producer):
    producer.condition(records.condition("o-1", clientId="u-1"), schema=shapes.OWNED_CONDITION)

    told = explain(config, producer.last_place())

    assert told["fields"] == {"_id": "o-1", "clientId": "u-1", "condition": "COLLECTED"}
    assert told["payload"] == {"_id": "o-1", "condition": "COLLECTED"}
    assert "user:u-1" in told["audience"]


def test_explain_says_when_nobody_knows_the_owner(config, producer):
    producer.condition(records.condition(new_id()))

    told = explain(config, producer.last_place())

    assert told["audience"] == ["role:ADMIN", "role:WATCHER"]
    assert "open orders" in told["because"][0]


def test_explain_tells_why_nobody_gets_a_record(config, producer):
    producer.send_bytes("pizza.created", producer.encode(shapes.PIZZA, records.pizza())[:-3])
    truncated = explain(config, producer.last_place(), "--claims", '{"role": "ADMIN"}')
    producer.send("pizza.created", evolve(shapes.PIZZA, drop=["price"]), records.pizza())
    incompatible = explain(config, producer.last_place())
    refused = explain(config, producer.last_place(), "--token", "not.a.token")

    assert (truncated["delivered"], truncated["because"]) == (
        False,
        ["the record is poison (truncated): record ends early"],
    )
    assert "field price" in incompatible["because"][1]
    assert refused["user"] == {"keys": [], "refused": "not a JWT in compact form"}


def test_explain_takes_a_record_from_a_file(config, producer, tmp_path):
    pizza = records.pizza(store_id=7)
    (tmp_path / "record.bin").write_bytes(producer.encode(shapes.PIZZA, pizza))

    told = run(
        "explain", "--config", config, "--file", tmp_path / "record.bin", "--topic", "pizza.created",
        "--claims", '{"store_id": 7}',
    )

    assert told.code == 0
    assert "event      CREATE_PIZZA, to plain clients" in told.out
    assert "delivered  yes, by store:7" in told.out


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("pizza.created-0-99999999", "not 99999999"),
        ("pizza.created-99-0", "has no partition 99"),
        ("nowhere-0-0", 'topic "nowhere" does not exist'),
    ],
)
def test_explain_tells_when_there_is_no_such_record(config, producer, place, told):
    for store in range(20):
        producer.pizza(records.pizza(store_id=store))

    explained = run("explain", "--config", config, place)

    assert (explained.code, explained.out) == (1, "")
    assert told in explained.err


def test_bash_completes_our_commands():
    script = "source <({0} completions bash); COMP_WORDS=(dumbwaiter exp); COMP_CWORD=1; _dumbwaiter dumbwaiter exp dumbwaiter; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", script.format(SERVICE)], capture_output=True, text=True, timeout=60)

    assert (done.stdout.split(), done.stderr) == (["explain"], "")


@pytest.mark.parametrize(("shell", "head"), [("zsh", "#compdef dumbwaiter"), ("fish", "complete -c dumbwaiter")])
def test_other_shells_have_completions_of_all_commands(shell, head):
    script = run("completions", shell)

    assert script.code == 0 and head in script.out
    assert [name for name in ("serve", "replay", "explain", "check") if name not in script.out] == []
