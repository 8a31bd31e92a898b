"""What is sent before there is a WebSocket, to hurt: is it refused, is its connection gone, and is nobody else harmed?"""

import time

import pytest

from support import tokens
from support.bare import connect, everything
from support.waiting import SLACK, eventually

HEAD = "GET /ws?key=none HTTP/1.1\r\nHost: x\r\n"
UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
# What would be answered by itself, if it were taken for a request of its own.
SMUGGLED = "GET /api/v1/ws/ticket HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def service(own_service):
    return own_service


def statuses(service, request):
    """The statuses of all answers to what is sent, once the connection is gone."""
    connection = connect(service)
    connection.sendall(request.encode("latin-1"))
    lines = everything(connection).decode("latin-1").split("\r\n")
    return [int(line.split(" ")[1]) for line in lines if line.startswith("HTTP/1.")]


def resident_mib(service):
    return service.metric("process_resident_memory_bytes") / 2**20


def seconds(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_good_clients_are_unharmed_by_1500_slow_ones_and_those_are_gone_after_5_s(service, say):
    def get_in():
        service.plain("somebody", role="ADMIN").close()

    get_in()
    before = resident_mib(service)
    start = time.monotonic()
    slow = [connect(service) for _ in range(1500)]
    for number, connection in enumerate(slow):
        if number % 3:
            try:
                connection.sendall(HEAD.encode()[: number % len(HEAD)])
            except OSError:
                pass
    opened = time.monotonic() - start

    worst = max(seconds(get_in) for _ in range(30))
    after = resident_mib(service)
    for connection in slow:
        everything(connection)
    gone = time.monotonic() - start

    say(f"slow clients opened in {opened:.1f} s, gone after {gone:.1f} s; a good one took {worst * 1e3:.0f} ms at most;")
    say(f"memory {before:.0f} MiB, then {after:.0f} MiB")
    assert worst < 0.5 * SLACK
    assert gone < opened + 6 * SLACK
    # A thousand of some 35 KiB each, in a debug build.
    assert after - before < 60
    # A thousand may wait at a time; beyond that the oldest give way.
    assert service.metric("dumbwaiter_connections_refused_total", reason="handshakes") >= 400


def test_a_head_that_drips_is_cut_off_by_its_deadline_not_by_its_last_byte(service):
    connection = connect(service)
    start = time.monotonic()
    with pytest.raises(OSError):
        for byte in (HEAD + "X-Padding: " + "x" * 1000).encode():
            connection.sendall(bytes([byte]))
            time.sleep(0.2)
    assert time.monotonic() - start < 6 * SLACK


def test_an_idle_connection_is_closed(service):
    connection = connect(service)
    connection.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
    assert everything(connection).startswith(b"HTTP/1.1 404")


TOO_LARGE = {
    "a long header": HEAD + UPGRADE + "X-Long: " + "x" * 20_000 + "\r\n\r\n",
    "many headers": HEAD + UPGRADE + "".join(f"X-{n}: {n}\r\n" for n in range(100)) + "\r\n",
    "a header that never ends": HEAD + "X-Long: " + "x" * 1_000_000,
    "headers that never end": HEAD + "X: y\r\n" * 100_000,
    "a long path": "GET /ws?key=" + "x" * 20_000 + " HTTP/1.1\r\nHost: x\r\n\r\n",
    "a path that never ends": "GET /" + "x" * 1_000_000,
}


@pytest.mark.parametrize("what", TOO_LARGE)
def test_a_head_that_is_too_large_is_refused(service, what):
    before = resident_mib(service)
    for _ in range(20):
        try:
            answered = statuses(service, TOO_LARGE[what])
        except (BrokenPipeError, ConnectionResetError):
            answered = []
        # Who sends on after the refusal may lose it to the connection's end.
        assert set(answered) <= {414, 431} and len(answered) <= 1
    assert resident_mib(service) - before < 10


BODY_FORMS = {
    "a length": "Content-Length: {length}\r\n\r\n{smuggled}",
    "chunks": "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
    "a length and chunks": "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
    "chunks and a length": "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}",
    "two lengths": "Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{smuggled}",
    "a list of lengths": "Content-Length: 0, {length}\r\n\r\n{smuggled}",
    "a signed length": "Content-Length: +{length}\r\n\r\n{smuggled}",
    "a negative length": "Content-Length: -1\r\n\r\n{smuggled}",
    "a length beyond 64 bits": "Content-Length: 99999999999999999999\r\n\r\n{smuggled}",
    "a coding that is none": "Transfer-Encoding: xchunked\r\n\r\n{smuggled}",
    "chunks not last": "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}",
    "chunks twice": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
    "a space before the colon": "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}",
    "a folded line": "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
    "a chunk size beyond 64 bits": "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{smuggled}",
    "a zero byte": "X: a\0b\r\n\r\n{smuggled}",
    "a lone carriage return": "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
}


@pytest.mark.parametrize("upgrade", ["", UPGRADE], ids=["plain request", "upgrade"])
@pytest.mark.parametrize("form", BODY_FORMS)
def test_what_two_readers_could_read_differently_is_refused_and_ends_the_connection(service, form, upgrade):
    rest = BODY_FORMS[form].format(length=len(SMUGGLED), smuggled=SMUGGLED)

    assert statuses(service, HEAD + upgrade + rest) == [400]
    assert statuses(service, SMUGGLED.split("\r\n\r\n")[0] + "\r\n" + rest) == [400]


def test_after_all_that_the_service_is_as_it_was(service):
    assert service.request_ticket(tokens.token("somebody")).status_code == 200
    assert service.readyz() == 200
    eventually(lambda: service.metric("dumbwaiter_connections") == 0, 5, "no connection is left")
    eventually(lambda: service.metric("process_open_fds") < 200, 6, "no socket is left")
