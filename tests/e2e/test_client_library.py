"""clients/dumbwaiter.js: by itself, its types, and in Node against the service, over what a page lives through."""

import re
import subprocess
from pathlib import Path

import pytest

from support import records, tokens, tools
from support.inbox import Inbox
from support.json_child import JsonChild
from support.paths import NODE, REPOSITORY
from support.waiting import eventually

DRIVER = Path(__file__).parent / "support" / "drivers" / "dumbwaiter.mjs"
TYPESCRIPT = Path(__file__).parent / "typescript"
# A token that is good for as long ends as soon, give or take the second that `exp` is counted in.
SHORT = 2


class Library:
    """One client, in a process of its own."""

    def __init__(self, folder, token, **options):
        self.told = Inbox("dumbwaiter.js")
        self._child = JsonChild("dumbwaiter.js", ["node", DRIVER, NODE], folder / "dumbwaiter-js.log", self.told.add)
        self.gives(token)
        self._child.send({"options": options})

    def gives(self, token):
        """What its function for the token gives from now on."""
        self._child.send({"token": token})

    def values(self, name):
        return [line["value"] for line in self.told.all() if line["told"] == name]

    def wait_for(self, name, count=1, within=5):
        """The value that was told last of the first `count`."""
        return eventually(lambda: self.values(name)[count - 1 : count], within, f"{name}, {count} times")[0]

    def wait_for_pizzas(self, uuids):
        eventually(lambda: set(uuids) <= set(self.pizzas(uuids)), 10, f"{len(uuids)} pizzas")

    def pizzas(self, ours):
        """Those of ours that it got."""
        return [pizza["uuid"] for pizza in self.values("CREATE_PIZZA") if pizza["uuid"] in ours]

    def wait_until_live(self, times=1):
        self.wait_for("onStatus", times)
        return self

    def stop(self):
        self._child.stop()


@pytest.fixture
def library(run_folder):
    started = []

    def start(service, token=None, **options):
        token = token or tokens.token("screen", role="ADMIN")
        started.append(Library(run_folder, token, url=f"http://{service.listen}", **options))
        return started[-1]

    yield start
    for client in started:
        client.stop()


def new_pizzas(producer, count):
    return [producer.pizza(records.pizza())["uuid"] for _ in range(count)]


def test_the_client_does_what_it_says_by_itself():
    command = ["node", "--test", "--test-reporter=tap", REPOSITORY / "clients"]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout
    assert int(re.search(r"^# pass (\d+)", done.stdout, re.MULTILINE)[1]) > 10, "were they found?"


def test_the_types_allow_what_is_right_and_refuse_what_is_wrong():
    compiler = NODE / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run(["node", compiler, "--project", TYPESCRIPT], capture_output=True, text=True)

    found = {(file, int(line)) for file, line in re.findall(r"(\w+\.ts)\((\d+),\d+\): error", done.stdout)}
    lines = enumerate((TYPESCRIPT / "bad.ts").read_text().splitlines(), start=1)
    assert found == {("bad.ts", number) for number, line in lines if line.endswith("// wrong")}, done.stdout


def test_the_types_are_those_of_the_catalog_that_is_named():
    documented = tools.run("reference", "types")
    kitchen = tools.run("reference", "types", "--catalog", "examples/kitchen-ticket/catalog.toml")
    wrong = tools.run("reference", "types", "--catalog", "Cargo.toml")

    assert documented.out == (REPOSITORY / "clients" / "events.d.ts").read_text()
    assert '"kitchen.ticket": KitchenTicket;' in kitchen.out and "interface KitchenTicket {" in kitchen.out
    assert wrong.code == 2 and "Cargo.toml" in wrong.err, wrong


def test_nothing_is_lost_or_doubled_when_the_instance_is_killed(start_service, producer, library):
    service = start_service()
    client = library(service).wait_until_live()
    before = new_pizzas(producer, 5)
    client.wait_for_pizzas(before)

    service.process.kill()
    missed = new_pizzas(producer, 50)
    service.start().wait_until_ready()
    client.wait_for_pizzas(missed)
    after = new_pizzas(producer, 5)
    client.wait_for_pizzas(after)

    ours = before + missed + after
    assert sorted(client.pizzas(ours)) == sorted(ours), "each one once"
    assert [status["resumed"] for status in client.values("onStatus")] == [False, True]
    assert client.values("onGap") == [] and client.values("onEnd") == []


def test_an_event_is_the_documented_payload(service, producer, library):
    client = library(service).wait_until_live()
    pizza = producer.pizza(records.pizza())

    client.wait_for_pizzas([pizza["uuid"]])

    dates = {"created_date": "2018-03-22T18:56:35.176577Z", "time_prepared": "2018-03-22T19:26:35.000000Z"}
    assert [got for got in client.values("CREATE_PIZZA") if got["uuid"] == pizza["uuid"]] == [pizza | dates]


def test_a_token_that_runs_out_is_followed_by_another_until_there_is_none(service, producer, library):
    client = library(service, tokens.token("screen", role="ADMIN", lifetime=SHORT)).wait_until_live()
    client.gives(tokens.token("screen", role="ADMIN", lifetime=2 * SHORT))

    client.wait_until_live(times=2)
    written = new_pizzas(producer, 3)
    client.wait_for_pizzas(written)
    ended = client.wait_for("onEnd", within=2 * SHORT + 2)

    assert [error["closeCode"] for error in client.values("onError")] == [4002, 4002]
    assert (ended["code"], ended["comeBack"]) == ("unauthorized", "never")
    assert [asked["wasRefused"] for asked in client.values("token")] == [False, True, True]
    assert sorted(client.pizzas(written)) == sorted(written), "each one once"


def test_a_foreign_token_is_the_end_and_a_foreign_cursor_a_gap(service, library):
    stranger = library(service, tokens.token("screen", secret="x" * 32))
    lost = library(service, cursor="AQ-of-another-cluster")

    assert stranger.wait_for("token") == {"wasRefused": False}
    assert stranger.wait_for("onEnd")["code"] == "unauthorized"
    assert lost.wait_for("onGap") == "unreadable"
    assert lost.wait_until_live().values("onStatus")[0]["resumed"] is False
