"""TLS in the service: the documented clients, the certificate and its changes, and who makes trouble."""

import http.client
import signal
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from support import records, shapes, tokens
from support.bare import connect
from support.certificates import Authority
from support.libraries import PAGES, start_library
from support.raw import CLOSE, TEXT, RawClient
from support.secured import Secured
from support.service import Service, toml
from support.tools import Tail, run
from support.waiting import SLACK, eventually


@pytest.fixture(scope="module")
def started():
    """Services that are stopped when the module is done."""
    services = []
    yield services
    for service in services:
        service.stop()


@pytest.fixture(scope="module")
def secured(kafka, registry, driver, started, tmp_path_factory):
    def start(settings):
        started.append(Service(kafka.brokers, registry.url, driver, settings).start())
        return started[-1].wait_until_ready()

    return Secured(start, tmp_path_factory.mktemp("tls"), {"web": {"origins": [PAGES]}})


@pytest.fixture
def service(secured):
    yield secured.service
    secured.service.forget_clients()


def test_documented_clients_work_over_tls(service, secured, producer, run_folder):
    chromium = start_library("chromium", run_folder)
    try:
        # A browser takes no authority from a test; that a certificate is checked is shown by the others.
        page = chromium.open(f"https://{service.listen}", "chromium", auth={"token": tokens.token("boss", role="ADMIN")})
        plain, node = service.plain("boss", role="ADMIN"), service.socket_io("boss", role="ADMIN")
        page.wait_until_authorized(within=5)
        pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
        plain.wait_for(pizza["uuid"])
        node.wait_for("order:new", order["_id"])
        page.wait_for("order:new", order["_id"])
    finally:
        chromium.stop()
    assert secured.handshakes("full") >= 3
    assert service.plain_at("key=wrong").wait_for_close() == (4001, "Wrong connection key.")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1")
def test_versions_and_protocols(secured):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = secured.context()
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with secured.connect(context) as connection:
            assert (connection.version(), connection.selected_alpn_protocol()) == (version.name.replace("_", "."), "http/1.1")

    failed = secured.handshakes("failed")
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.load_verify_locations(secured.authority.certificate)
    # This side would still speak it.
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match="ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)"):
        secured.connect(old)
    only_h2 = secured.context()
    only_h2.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
        secured.connect(only_h2)
    host, port = secured.service.listen.split(":")
    in_the_clear = http.client.HTTPConnection(host, int(port), timeout=5 * SLACK)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        in_the_clear.request("GET", "/api/v1/ws/ticket")
        in_the_clear.getresponse()
    eventually(lambda: secured.handshakes("failed") == failed + 3, 1, "three failed handshakes")


def test_a_page_in_the_clear_is_another(service):
    bearer = {"Authorization": f"Bearer {tokens.token('boss', role='ADMIN')}"}
    for scheme, status in (("https", 200), ("http", 403)):
        origin = {"Origin": f"{scheme}://{service.listen}"}
        assert service.http("GET", "/api/v1/ws/ticket", headers=bearer | origin).status_code == status, scheme


def test_a_new_certificate_is_shown_to_new_clients_and_a_bad_one_to_nobody(start_service, producer, tmp_path):
    secured = Secured(start_service, tmp_path)
    service = secured.service
    first = secured.number()
    plain, node = service.plain("boss", role="ADMIN"), service.socket_io("boss", role="ADMIN")
    context = secured.context()
    with secured.connect(context) as connection:
        # With TLS 1.3 the ticket comes behind the handshake.
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1000)
        former = connection.session
    with secured.connect(context, former) as connection:
        assert connection.session_reused

    # A key that is not the certificate's, and then no key at all.
    stranger = Authority(tmp_path / "strangers").issue("stranger")
    good_key = secured.key.read_bytes()
    for refusals, bad_key in enumerate([stranger.key.read_bytes(), b"nothing"], 1):
        secured.key.write_bytes(bad_key)
        service.process.signal(signal.SIGHUP)
        eventually(lambda: service.metric("dumbwaiter_reloads_total", outcome="refused") == refusals, 2, "refused")
        assert secured.shown() == first
    log = service.log()
    assert "in web.tls_key_file" in log and "is not the key of" in log and "holds no private key" in log
    secured.key.write_bytes(good_key)

    second = secured.renew()
    service.process.signal(signal.SIGHUP)
    eventually(lambda: service.metric("dumbwaiter_reloads_total", outcome="taken") == 1, 2, "taken")
    assert secured.shown() == second != first
    with secured.connect(context, former) as connection:
        assert not connection.session_reused, "who was shown the former certificate is shown the new one"

    third = secured.renew()
    eventually(lambda: secured.shown() == third, 6, "files that changed are read without a signal")
    refused = secured.read("refused")
    secured.key.write_bytes(stranger.key.read_bytes())
    eventually(lambda: secured.read("refused") == refused + 1, 6, "files that are not good are told of")
    assert "files have changed and are not good" in service.log()
    assert secured.shown() == third

    assert (plain.is_open(), node.life.all()[-1][0]) == (True, "connect"), "nobody is dropped"
    pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
    plain.wait_for(pizza["uuid"])
    node.wait_for("order:new", order["_id"])


def test_the_end_of_a_certificate_is_told(secured):
    ends_at = x509.load_pem_x509_certificate(secured.certificate.read_bytes()).not_valid_after_utc
    told = secured.service.metric("dumbwaiter_tls_certificate_expiry_timestamp_seconds")
    assert datetime.fromtimestamp(told, UTC) == ends_at.replace(microsecond=0)
    assert "the certificate ends soon" in secured.service.log()


@pytest.fixture
def config(service, tmp_path):
    path = tmp_path / "dumbwaiter.toml"
    # The first question of a run finds the registry cold.
    path.write_text(toml(service.settings | {"registry": service.settings["registry"] | {"timeout": "25s"}}))
    return path


@pytest.mark.parametrize(("protocol", "scheme"), [("plain", "https"), ("socketio", "wss")])
def test_tail_is_a_client_over_tls(service, secured, producer, protocol, scheme):
    address = [f"--url={scheme}://{service.listen}", f"--ca={secured.authority.certificate}"]
    tail = Tail(*address, "--protocol", protocol, "--token", tokens.token("boss", role="ADMIN"))
    try:
        tail.wait_until_connected()
        event_id = producer.pizza(records.pizza())["uuid"] if protocol == "plain" else producer.order(records.order())["_id"]
        tail.inbox.wait_for(lambda line: event_id in line, 2, "the event")
    finally:
        tail.kill()


def test_a_load_test_over_tls_tells_what_one_in_the_clear_does(service, secured, config):
    def bench(*arguments):
        crowd = ["--clients", 20, "--staff", 3, "--pid", service.process.pid]
        return run("bench", "--config", config, "--json", "--ca", secured.authority.certificate, *crowd, *arguments).json()

    full, resumed = secured.handshakes("full"), secured.handshakes("resumed")
    # The address is that of the settings, and so is TLS.
    report = bench("--produce", "--burst", 200)
    assert (report["events"]["deliveries"], report["events"]["missing"], report["events"]["double"]) == (800, 0, 0)
    one_by_one = ["--connect-rate", 50, "--hold", "200ms"]
    by_ticket = bench("--protocol", "plain", "--url", f"https://{service.listen}", *one_by_one)
    assert (by_ticket["connect"]["ready"], by_ticket["ended"]) == (20, {})
    # Each client is another person: none goes on with the session of one before.
    assert (secured.handshakes("full"), secured.handshakes("resumed")) == (full + 40, resumed)


def test_what_a_certificate_lacks_is_one_clear_error(service, secured, config, tmp_path):
    strangers = [Authority(tmp_path / name, name).certificate for name in ("test authority", "stranger")]
    token = tokens.token("boss", role="ADMIN")

    def check(told, authority=secured.authority.certificate):
        by_tail = ["tail", "--url", f"https://{service.listen}", "--ca", authority, "--token", token]
        for command in (
            [*by_tail, "--protocol", "plain"],
            [*by_tail, "--protocol", "socketio"],
            ["bench", "--config", config, "--ca", authority, "--clients", 5],
        ):
            done = run(*command)
            assert (done.code, done.out) == (1, ""), done
            [line] = done.err.splitlines()
            assert told in line, line

    for stranger in strangers:
        check("nobody who is trusted has signed the service's certificate: name its authority by --ca", stranger)
    check(f"{tmp_path / 'nothing'}: ", tmp_path / "nothing")
    try:
        secured.show(["events.example"])
        check("the service's certificate is not for 127.0.0.1, but for ")
        secured.show(ends_in=timedelta(minutes=-1))
        check("the service's certificate ended at 20")
    finally:
        secured.show()


def test_a_client_that_stops_reading_misses_nothing(service, secured, producer):
    payloads = [producer.encode(shapes.PIZZA, p) for p in big_pizzas(secured)]
    slow = RawClient(
        service.ws_url(f"key={service.ticket('slow', role='USER', store_id=4242)}"), ssl=secured.context()
    )
    lagged = service.metric("dumbwaiter_connections_lagged_total")
    for payload in payloads:
        producer.enqueue("pizza.created", payload, key="4242")
    producer.flush()
    eventually(lambda: service.metric("dumbwaiter_connections_lagged_total") > lagged, 2, "lagging")
    texts = []
    for opcode, payload in slow.frames(silence=10):
        texts += [payload.decode()] if opcode == TEXT else []
        if len(texts) == len(payloads):
            break
    assert [text.split('"name":"pizza ', 1)[1].split('"', 1)[0] for text in texts] == [str(n) for n in range(len(payloads))]
    producer.send_bytes("pizza.created", payloads[0], key="4242")
    assert next(slow.frames(silence=10))[0] == TEXT, "it is live again"
    slow.close()


def big_pizzas(secured):
    return [records.pizza(store_id=4242, name=f"pizza {n}", description="d" * 3_000) for n in range(2_000)]


def test_1000_silent_clients_harm_nobody_and_are_gone_after_5_s(service, secured, say):
    def get_in():
        # Without a library: those read and write a TLS socket on two threads, which Python 3.11's may not bear.
        start = time.monotonic()
        RawClient(service.ws_url(f"key={service.ticket('somebody', role='ADMIN')}"), ssl=secured.context()).close()
        return time.monotonic() - start

    late = secured.handshakes("late")
    start = time.monotonic()
    silent = [connect(service) for _ in range(1_000)]
    worst = max(get_in() for _ in range(20))
    eventually(lambda: secured.handshakes("late") >= late + 1_000, 6, "all are given up")
    say(f"a good client took {worst * 1e3:.0f} ms at most, the silent ones were gone after {time.monotonic() - start:.1f} s")
    assert worst < 0.5 * SLACK
    for connection in silent:
        assert connection.recv(1) == b""
        connection.close()


def test_sigterm_ends_each_connection_in_good_order(start_service, tmp_path):
    secured = Secured(start_service, tmp_path, {"shutdown": {"grace": "0s", "drain": "1s"}})
    service = secured.service
    plain, node = service.plain("boss", role="ADMIN"), service.socket_io("boss", role="ADMIN")
    raw = RawClient(service.ws_url(f"key={service.ticket('raw', role='ADMIN')}"), ssl=secured.context())
    service.process.signal(signal.SIGTERM)
    assert plain.wait_for_close(within=3)[0] == 1012
    assert node.wait_for_life("disconnect", within=3) == "transport close"
    # The end of the stream is announced by TLS itself, or this raises.
    assert [opcode for opcode, _ in raw.frames(silence=15)] == [CLOSE]
    assert service.process.exit_code(within=5) == 0


def test_behind_a_proxy_nobody_else_gets_in(start_service):
    service = start_service({"web": {"tls_in_front": True, "trusted_proxies": ["127.0.0.2"]}})

    def status(source):
        host, port = service.listen.split(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=5 * SLACK, source_address=(source, 0))
        connection.request("GET", "/api/v1/ws/ticket", headers={"X-Forwarded-For": "192.0.2.7"})
        return connection.getresponse().status

    assert status("127.0.0.2") == 401
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        status("127.0.0.1")
    assert service.metric("dumbwaiter_connections_refused_total", reason="not_by_proxy") == 1
