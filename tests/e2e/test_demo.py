"""A demo from a shell: an event of one's own, as docs/quick-start.md has it."""

import json

import pytest
import requests

from support import records
from support.demo import Demo
from support.tools import Tail, run

KITCHEN = "examples/kitchen-ticket"


@pytest.fixture(scope="module")
def demo():
    demo = Demo("--catalog", f"{KITCHEN}/catalog.toml")
    yield demo
    demo.stop()


def test_an_event_of_ones_own_reaches_whom_it_is_for(demo):
    tails = {}
    for person in ("store", "admin"):
        token = requests.get(f"{demo.url}demo/token", {"of": person}, timeout=30).text
        tails[person] = Tail("--url", demo.url, "--token", token, "--json").wait_until_connected()
    # By settings that say nothing of keys, since nobody is let in.
    ticket = ("--topic", "kitchen.ticket", "--schema", f"{KITCHEN}/kitchen_ticket.avsc", f"{KITCHEN}/ticket.json")
    produced = run(*demo.produce_command(), *ticket)
    assert (produced.code, produced.err) == (0, "")
    pizza = ("--topic", "pizza.created", "--schema", "schemas/pizza.avsc")
    later = records.pizza()
    assert run(*demo.produce_command(), *pizza, stdin=json.dumps(later)).code == 0

    line = tails["store"].inbox.wait_for(lambda line: "kitchen.ticket" in line, 2, "the ticket")
    assert json.loads(line)["data"]["ticket_id"] == "t-1"
    # The admin, who is not among its audience, has what was written after it.
    tails["admin"].inbox.wait_for(lambda line: later["uuid"] in line, 2, "the pizza")
    assert [line for line in tails["admin"].inbox.all() if "kitchen.ticket" in line] == []
    for tail in tails.values():
        tail.kill()


def test_what_is_wrong_with_a_demo_is_told(demo, tmp_path):
    catalog = tmp_path / "catalog.toml"
    catalog.write_text('[[event]]\nname = "x"\n')
    told = run("demo", "--catalog", catalog)
    assert told.code == 2 and f"{catalog}:1" in told.err and "audience" in told.err
    nobody = requests.get(f"{demo.url}demo/token", {"of": "nobody"}, timeout=30)
    assert (nobody.status_code, "store" in nobody.text) == (404, True)
