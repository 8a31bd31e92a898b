"""One Kafka, one registry and one Node process for a run, or for each worker of it; services as the tests want them.

Servers start from the main thread and end with the session (support.processes sees to it even on failure).
"""

import shutil
import time

import pytest

from support.kafka import Kafka
from support.libraries import PAGES, start_library
from support.paths import RUN, SERVICE
from support.records import Producer
from support.registry import Registry
from support.service import Service

# As many as make order across partitions matter, few enough to start fast.
PARTITIONS = 3
TOPICS = ("pizza.created", "order.created", "order.condition")


def pytest_configure(config):
    config.started_at = time.monotonic()


# They leave records behind that every instance which starts later waits for: of an unknown schema, for seconds.
LAST = ("test_dead_letters", "test_poison")


# A worker that met one of these last would be waited for by the others.
FIRST = ("test_soak", "test_crash", "test_tickets", "test_brokers")


def pytest_collection_modifyitems(items):
    def turn(item):
        module = item.module.__name__.rpartition(".")[2]
        return (module not in FIRST, module in LAST)

    items.sort(key=turn)


@pytest.fixture
def say(request):
    """Figures of a test, for the end of the run: a worker has no terminal, so they travel with the test's report."""
    return lambda text: request.node.user_properties.append(("figures", text))


def pytest_terminal_summary(terminalreporter, config):
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, text in report.user_properties if report.when == "call" else []:
            if name == "figures":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]}: {text}")
    terminalreporter.write_line(f"end-to-end run took {time.monotonic() - config.started_at:.0f} s")


@pytest.fixture(scope="session", autouse=True)
def run_folder():
    """Empty at the start, and left as it is at the end: its logs tell what went wrong."""
    assert SERVICE.exists(), f"{SERVICE} is missing: `make build`, or name another with DUMBWAITER_BIN"
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    return RUN


@pytest.fixture(scope="session")
def registry(run_folder):
    registry = Registry(run_folder)
    yield registry
    registry.stop()


@pytest.fixture(scope="session")
def kafka(run_folder, registry):
    # The registry's JVM starts meanwhile; both together take as long as the slower one.
    kafka = Kafka(run_folder / "kafka").prepare().start().wait_until_ready()
    registry.wait_until_ready()
    kafka.create_topics(*TOPICS, partitions=PARTITIONS)
    yield kafka
    kafka.kill()


@pytest.fixture(scope="session")
def driver(run_folder):
    driver = start_library("node", run_folder)
    yield driver
    driver.stop()


@pytest.fixture(scope="session")
def producer(kafka, registry):
    return Producer(kafka.brokers, registry)


@pytest.fixture(scope="session")
def shared_service(kafka, registry, driver):
    service = Service(kafka.brokers, registry.url, driver, {"web": {"origins": [PAGES]}}).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture
def service(shared_service):
    """The service with ordinary settings that most tests share; clients are closed after each test."""
    yield shared_service
    shared_service.forget_clients()


@pytest.fixture(scope="module")
def own_service(kafka, registry, driver):
    """A service with ordinary settings that one file has for itself, to do it harm."""
    service = Service(kafka.brokers, registry.url, driver).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture
def start_service(kafka, registry, driver):
    """For tests that want settings of their own: `start_service({"auth": {...}})` gives a ready service."""
    started = []

    def start(settings=None, env=None, **process):
        started.append(Service(kafka.brokers, registry.url, driver, settings, env).start(**process))
        return started[-1].wait_until_ready()

    yield start
    for service in started:
        service.stop()
