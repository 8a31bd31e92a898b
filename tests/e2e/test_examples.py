"""What the documents show works as it stands there: the client programs of docs/clients.md, the settings of docs/kafka.md."""

import re
import sys

import pytest

from support import records, tokens
from support.certificates import Authority
from support.libraries import start_library
from support.paths import DOCS, JAVA_CLIENT, NODE, SERVICE
from support.processes import Process
from support.waiting import eventually


def blocks(document, language):
    """The document's code blocks of that language."""
    text = (DOCS / document).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


class Program:
    """An example in a process of its own; `output` is what it has printed."""

    def __init__(self, file, source, *command):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
        self._process = Process(file.name, [*command, file], file.with_suffix(".log"))
        self.output = self._process.log
        self.stop = self._process.kill


class Page:
    """An example in a browser of its own; `output` is what stands on its console."""

    def __init__(self, source, folder):
        folder.mkdir(parents=True)
        self._driver = start_library("chromium", folder)
        self._page = self._driver.open_page(source)
        self.stop = self._driver.stop

    def output(self):
        return "\n".join(event.args[0] for event in self._page.events.all())


def java(source, folder):
    return Program(folder / "Example.java", source, "java", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA_CLIENT}/*")


def node(source, _folder):
    # Where its import finds the library.
    return Program(NODE / "example.mjs", source, "node")


def python(source, folder):
    return Program(folder / "example.py", source, sys.executable)


# Each: the language of its block, how it is run, which of the blocks, and the event it is about.
EXAMPLES = {
    "browser": ("html", Page, 0, "order"),
    "node": ("js", node, 0, "order"),
    "python": ("python", python, 0, "order"),
    "java": ("java", java, 0, "order"),
    "plain": ("python", python, 1, "pizza"),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_client_of_the_documents_gets_in_and_gets_events(service, producer, run_folder, example):
    language, run, place, event = EXAMPLES[example]
    token = tokens.token(f"example-{example}", role="WATCHER")
    source = blocks("clients.md", language)[place]
    assert "YOUR-TOKEN" in source and "localhost:8080" in source
    source = source.replace("localhost:8080", service.listen).replace("YOUR-TOKEN", token)
    program = run(source, run_folder / "examples" / example)
    try:
        eventually(lambda: "authorized" in program.output(), 4, "authorized")
        if event == "order":
            order = producer.order(records.order())
            producer.condition(records.condition(order["_id"], "IN_THE_WAY"))
            eventually(lambda: f"new order {order['_id']}" in program.output(), 2, "the order")
            eventually(lambda: "IN_THE_WAY" in program.output(), 2, "its condition")
        else:
            pizza = producer.pizza(records.pizza())
            eventually(lambda: f"CREATE_PIZZA {pizza['uuid']}" in program.output(), 2, "the pizza")
    finally:
        program.stop()


def test_every_client_of_the_documents_is_run():
    shown = [language for language in ("html", "js", "python", "java") for _ in blocks("clients.md", language)]

    assert sorted(shown) == sorted(language for language, *_ in EXAMPLES.values())


@pytest.mark.parametrize("place", range(len(blocks("kafka.md", "toml"))))
def test_settings_of_the_documents_are_good(run_folder, place):
    folder = run_folder / "examples" / f"kafka-{place}"
    secrets = folder / "secrets"
    secrets.mkdir(parents=True)
    for name in ("kafka-password", "kafka-key-password", "kafka-client-secret"):
        (secrets / name).write_text("secret\n")
    kafka_ca = Authority(folder, "kafka ca")
    kafka_ca.certificate.rename(folder / "kafka-ca.pem")
    kafka_ca.issue("client", password="secret")
    settings = blocks("kafka.md", "toml")[place].replace("/run/secrets", str(secrets))
    settings = settings.replace("/etc/dumbwaiter", str(folder))
    others = f'[auth]\nsecret = "{"s" * 32}"\n[registry]\nurls = ["http://127.0.0.1:8081"]\n'
    (folder / "dumbwaiter.toml").write_text(others + settings)

    check = Process("check", [SERVICE, "check", "--config", folder / "dumbwaiter.toml"], folder / "check.log")

    assert check.exit_code(within=2) == 0, check.log()
