"""The producers of the documents, as they stand there: do their records become the documented events, for whom they say?"""

import re
import shutil
import sys

import pytest

from support import tools
from support.described import message_faults
from support.paths import DOCS, JAVA_PRODUCER, REPOSITORY
from support.processes import Process

CUSTOMER = "4920737570657261646d696e"
AUTHOR = "5b1f0a52-0d38-4c07-9ce4-8f1c3ad5d3b1"
PRODUCERS = {
    "python": ("example.py", [sys.executable]),
    "java": ("Example.java", ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA_PRODUCER}/*"]),
}


def source(language):
    """The page's one program."""
    text = (DOCS / f"producer-{language}.md").read_text(encoding="utf-8")
    (program,) = re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return program


def produce(language, kafka, registry, folder):
    """Runs it, and gives where its records stand, by topic."""
    name, command = PRODUCERS[language]
    program = source(language)
    assert "http://localhost:8081" in program and "localhost:9092" in program
    program = program.replace("http://localhost:8081", registry.url).replace("localhost:9092", kafka.brokers)
    folder.mkdir(parents=True)
    for schema in ("pizza.avsc", "populated_order.avsc"):
        shutil.copy(REPOSITORY / "schemas" / schema, folder)
    (folder / name).write_text(program, encoding="utf-8")
    process = Process(f"{language} producer", ["env", f"--chdir={folder}", *command, name], folder / "output.log")
    assert process.exit_code(within=10) == 0, process.log()
    places = re.findall(r"^(\S+)-(\d+)-(\d+)$", process.log(), re.MULTILINE)
    return {topic: f"{topic}-{partition}-{offset}" for topic, partition, offset in places}


@pytest.mark.parametrize("language", PRODUCERS)
def test_records_of_the_documents_are_the_documented_events(service, kafka, registry, run_folder, language):
    author, store = service.plain(AUTHOR), service.plain("screen", store_id=7)
    customer, stranger = service.socket_io(CUSTOMER), service.socket_io("somebody-else")

    places = produce(language, kafka, registry, run_folder / "producers" / language)

    assert sorted(places) == ["order.condition", "order.created", "pizza.created"]
    pizza = author.inbox.wait_for_count(1, 3, "pizzas")[0]
    order = customer.events.wait_for(lambda event: event.name == "order:new", 3, "the order").data
    condition = customer.wait_for("order:condition", order["_id"]).data
    assert store.wait_for(pizza.id).text == pizza.text
    assert (pizza.data["name"], pizza.data["description"]) == ("Quattro formaggi", None)
    assert message_faults("CREATE_PIZZA", {"event_name": pizza.name, "data": pizza.data}) == []
    assert message_faults("orderNew", [order]) == []
    assert (order["clientId"], order["username"]) == (CUSTOMER, "Евдоким Субботин")
    assert condition == {"_id": order["_id"], "condition": "IN_THE_WAY"}
    assert stranger.order_events() == []


def test_check_and_explain_tell_the_producer_beforehand(service, kafka, registry, run_folder):
    places = produce("python", kafka, registry, run_folder / "producers" / "explained")
    config = service.folder / "dumbwaiter.toml"

    for schema, topic in (("pizza.avsc", "pizza.created"), ("populated_order.avsc", "order.created")):
        checked = tools.run("check", "--config", config, "--schema", REPOSITORY / "schemas" / schema, "--topic", topic)
        assert checked.code == 0, checked
    for topic, place in places.items():
        claims = '{"sub": "%s"}' % (AUTHOR if topic == "pizza.created" else CUSTOMER)
        told = tools.run("explain", "--config", config, place, "--claims", claims)
        assert told.code == 0 and re.search("^delivered +yes", told.out, re.MULTILINE), told
