"""The libraries that people have: each gets in with a token, stays out without one, and comes back by itself.

The Socket.IO client in Node is what most other tests use; here it stands beside the same library in a browser, and
those for Python and Java.
"""

import itertools
import time

import pytest

from support import contract, records, tokens
from support.libraries import LIBRARIES, PAGES, start_library
from support.proxy import CuttingProxy
from support.service import Service
from support.waiting import eventually

# Quick to come back, so that a client which should not is caught at it.
RECONNECTION = {"reconnectionDelay": 100, "reconnectionDelayMax": 200}

# The browser's page is of another host.
FOR_PAGES = {"web": {"origins": [PAGES]}}

# A browser's WebSocket has no headers that a page could set.
WITH_HEADERS = [library for library in LIBRARIES if library != "chromium"]

BAD_LOGINS = {
    "no token": {},
    "a bad token": {"auth": {"token": tokens.token("sub", role="ADMIN", secret="x" * 40)}},
    "an expired token": {"auth": {"token": tokens.token("sub", role="ADMIN", lifetime=-5)}},
}


@pytest.fixture(scope="module")
def libraries(run_folder):
    """Each library's process, started at once, since a JVM and a browser take their time."""
    drivers = {library: start_library(library, run_folder) for library in LIBRARIES}
    yield drivers
    for driver in drivers.values():
        driver.stop()


@pytest.fixture(scope="module")
def clients_service(kafka, registry, driver):
    settings = {"auth": {"query_token": True}} | FOR_PAGES
    service = Service(kafka.brokers, registry.url, driver, settings).start().wait_until_ready()
    yield service
    service.stop()


@pytest.fixture
def connect(libraries, clients_service):
    """`connect("java", auth={...})`: a client of that library, closed after the test."""
    opened = []

    def open_client(library, address=clients_service.listen, **options):
        opened.append(libraries[library].open(f"http://{address}", library, **options))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close()


def assert_it_is_served(client, producer, user):
    """Authorized, then an order of its own and how that goes on, as documented."""
    # The first of a library waits for its JVM or its browser too.
    client.wait_until_authorized(within=5)
    order = producer.order(records.order(clientId=user))
    assert client.wait_for("order:new", order["_id"]).args == [order]
    condition = producer.condition(records.condition(order["_id"], clientId=user))
    assert client.wait_for("order:condition", order["_id"]).args == [
        {"_id": condition["_id"], "condition": condition["condition"]}
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_token_by_auth_lets_in(connect, producer, library):
    client = connect(library, auth={"token": tokens.token(f"{library}-auth", role="CUSTOMER")})

    assert_it_is_served(client, producer, f"{library}-auth")
    first = client.events.all()[0]
    assert (first.name, first.args) == ("authorization:ok", [])


@pytest.mark.parametrize("library", WITH_HEADERS)
def test_a_token_by_header_lets_in(connect, producer, library):
    token = tokens.token(f"{library}-header", role="CUSTOMER")

    client = connect(library, extraHeaders={"Authorization": f"Bearer {token}"})

    assert_it_is_served(client, producer, f"{library}-header")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_token_by_query_lets_in_where_that_is_on(connect, producer, library):
    client = connect(library, query={"token": tokens.token(f"{library}-query", role="CUSTOMER")})

    assert_it_is_served(client, producer, f"{library}-query")


@pytest.fixture(scope="module")
def refused(libraries, kafka, registry, driver):
    """A client of each library for each bad login, at a service of their own, long after they were refused."""
    service = Service(kafka.brokers, registry.url, driver, FOR_PAGES).start().wait_until_ready()
    clients = {
        (library, login): libraries[library].open(f"http://{service.listen}", library, **options, **RECONNECTION)
        for library in LIBRARIES
        for login, options in BAD_LOGINS.items()
    }
    for client in clients.values():
        client.wait_for_life("disconnect", within=5)

    # By the clock: 15 times the delay after which a client that wants to come back would have tried.
    time.sleep(3)

    yield clients, service.metrics()
    for client in clients.values():
        client.close()
    service.stop()


@pytest.mark.parametrize("login", BAD_LOGINS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_bad_login_is_told_the_documented_error(refused, library, login):
    clients, _metrics = refused

    events = clients[library, login].events.all()

    assert [(event.name, event.args) for event in events] == [
        ("authorization:error", [contract.authorization_error()])
    ]


@pytest.mark.parametrize("login", BAD_LOGINS)
@pytest.mark.parametrize("library", LIBRARIES)
def test_a_refused_client_does_not_try_again(refused, library, login):
    clients, _metrics = refused

    steps = [kind for kind, _ in clients[library, login].life.all()]

    # python-socketio may tell of the end twice, once by the packet and once by the socket.
    assert steps[:2] == ["connect", "disconnect"]
    assert set(steps[2:]) <= {"disconnect"}


def test_the_service_saw_each_refused_client_once(refused):
    clients, metrics = refused

    assert metrics.sum("dumbwaiter_connections_ended_total", protocol="socketio") == len(clients)
    assert metrics.sum("dumbwaiter_connections") == 0


@pytest.fixture
def proxy(clients_service):
    proxy = CuttingProxy(clients_service.listen)
    yield proxy
    proxy.close()


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_comes_back_by_itself_after_its_connection_broke(connect, producer, proxy, library):
    user = f"{library}-back"
    token = tokens.token(user, role="CUSTOMER")
    client = connect(library, address=proxy.address, auth={"token": token}, **RECONNECTION)

    for life in itertools.count(1):
        eventually(lambda life=life: authorizations(client) == life, 3, f"authorized {life} times")
        order = producer.order(records.order(clientId=user))
        client.wait_for("order:new", order["_id"])
        if life == 3:
            break
        proxy.cut()

    assert sum(name == "order:new" for name, _ in client.order_events()) == 3


def authorizations(client):
    return sum(event.name == "authorization:ok" for event in client.events.all())


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_client_comes_back_by_itself_after_the_service_restarted(
    libraries, kafka, registry, driver, producer, library
):
    service = Service(kafka.brokers, registry.url, driver, FOR_PAGES).start().wait_until_ready()
    token = tokens.token(f"{library}-restart", role="CUSTOMER")
    client = libraries[library].open(f"http://{service.listen}", library, auth={"token": token}, **RECONNECTION)
    client.wait_until_authorized()
    service.stop()
    service.start().wait_until_ready()

    eventually(lambda: authorizations(client) == 2, 3, "authorized again")

    client.close()
    service.stop()
