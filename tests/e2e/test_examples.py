"""What the documents show works as it stands there: the clients of each language, the settings of docs/kafka.md.

All clients run at the same time, at a service of their own that is killed and started again under them.
"""

import re
import shutil
import sys

import pytest

from support import records, tokens
from support.certificates import Authority
from support.libraries import PAGES, start_library
from support.paths import DOCS, JAVA_CLIENT, NODE, REPOSITORY, SERVICE
from support.processes import Process
from support.service import Service
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
    """An example in a tab of a browser; `output` is what stands on its console."""

    def __init__(self, source, browser):
        self._page = browser.open_page(source)
        self.stop = self._page.close

    def output(self):
        return "\n".join(event.args[0] for event in self._page.events.all())


def run(language, source, folder, browser):
    match language:
        case "html":
            return Page(source, browser)
        case "js":
            # Where its imports find the libraries.
            folder.mkdir(parents=True)
            (folder / "node_modules").symlink_to(NODE / "node_modules")
            shutil.copy(REPOSITORY / "clients" / "dumbwaiter.js", folder)
            return Program(folder / "example.mjs", source, "node")
        case "python":
            return Program(folder / "example.py", source, sys.executable)
        case "java":
            return Program(folder / "Example.java", source, "java", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA_CLIENT}/*")


# Each: the page, the language of its block, which of the blocks, and the protocol.
EXAMPLES = {
    "browser-plain": ("client-browser.md", "html", 0, "plain"),
    "browser-socketio": ("client-browser.md", "html", 1, "socketio"),
    "node-plain": ("client-node.md", "js", 0, "plain"),
    "node-socketio": ("client-node.md", "js", 1, "socketio"),
    "official-client": ("client-socket-io.md", "js", 0, "socketio"),
    "python-plain": ("client-python.md", "python", 0, "plain"),
    "python-socketio": ("client-python.md", "python", 1, "socketio"),
    "java-plain": ("client-java.md", "java", 0, "plain"),
    "java-socketio": ("client-java.md", "java", 1, "socketio"),
}


@pytest.fixture(scope="module")
def service(kafka, registry, driver):
    service = Service(kafka.brokers, registry.url, driver, {"web": {"origins": [PAGES]}}).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture(scope="module")
def programs(service, run_folder):
    """All of them, each once it is connected."""
    browser = start_library("chromium", run_folder)
    running = {}
    try:
        for name, (page, language, place, _) in EXAMPLES.items():
            source = blocks(page, language)[place]
            assert "YOUR-TOKEN" in source and "localhost:8080" in source
            source = source.replace("localhost:8080", service.listen)
            source = source.replace("YOUR-TOKEN", tokens.token(f"example-{name}", role="WATCHER"))
            running[name] = run(language, source, run_folder / "examples" / name, browser)
        yield running
    finally:
        for program in running.values():
            program.stop()
        browser.stop()


class Events:
    """An order, its condition and a pizza, and what the examples print of them."""

    def __init__(self, producer):
        order = producer.order(records.order())
        producer.condition(records.condition(order["_id"], "IN_THE_WAY"))
        pizza = producer.pizza(records.pizza())
        self._lines = {
            "plain": [f"new pizza {pizza['uuid']}"],
            "socketio": [f"new order {order['_id']}", f"order {order['_id']} is IN_THE_WAY"],
        }

    def printed_by(self, program, protocol):
        """How often each line stands in its output, once there are all. Pauses of clients are random: it may take some."""
        lines = self._lines[protocol]
        eventually(lambda: all(line in program.output() for line in lines), 8, f"{lines} in\n{program.output()}")
        return [program.output().splitlines().count(line) for line in lines]


@pytest.fixture(scope="module")
def live_events(programs, producer):
    for name, program in programs.items():
        connected = "live" if EXAMPLES[name][3] == "plain" else "authorized"
        eventually(lambda: connected in program.output(), 6, f"{name} is connected")
    return Events(producer)


@pytest.fixture(scope="module")
def missed_events(live_events, programs, service, producer):
    """Written while the service is dead, which does not say goodbye."""
    for name, program in programs.items():
        live_events.printed_by(program, EXAMPLES[name][3])
    service.process.kill()
    events = Events(producer)
    service.start().wait_until_ready()
    return events


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_client_of_the_documents_gets_in_and_gets_events(live_events, programs, example):
    assert set(live_events.printed_by(programs[example], EXAMPLES[example][3])) == {1}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_client_of_the_documents_comes_back_and_misses_nothing(missed_events, live_events, programs, example):
    protocol = EXAMPLES[example][3]

    assert set(missed_events.printed_by(programs[example], protocol)) == {1}
    assert set(live_events.printed_by(programs[example], protocol)) == {1}, "not again"
    assert "missed something" not in programs[example].output()


def test_every_client_of_the_documents_is_run():
    pages = sorted(page.name for page in DOCS.glob("client*.md"))
    shown = [
        (page, language, place)
        for page in pages
        for language in ("html", "js", "javascript", "ts", "python", "java")
        for place in range(len(blocks(page, language)))
    ]

    assert sorted(shown) == sorted(example[:3] for example in EXAMPLES.values())


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
