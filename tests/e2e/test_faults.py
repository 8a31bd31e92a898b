"""What is not the service's fault must not become its end (docs/reliability.md, "Faults")."""

import os
import time

import pytest

from support import records
from support.bare import connect
from support.waiting import eventually

# Of which 128 are not for clients.
DESCRIPTORS = 256


def garbage(service):
    """A request that is none, which the log tells at debug; returns when the service has closed the connection."""
    with connect(service) as connection:
        connection.sendall(b"\0\r\n\r\n")
        try:
            while connection.recv(1024):
                pass
        except ConnectionResetError:
            pass


def deliver(producer, client, count):
    """The longest that a pizza took from being acknowledged by Kafka to the client, in seconds."""
    longest = 0
    for _ in range(count):
        pizza = producer.pizza(records.pizza())
        written = time.monotonic()
        client.wait_for(pizza["uuid"])
        longest = max(longest, time.monotonic() - written)
    return longest


def test_a_log_pipe_that_nobody_reads_holds_up_nothing(start_service, producer, say):
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "wb") as output:
        service = start_service(log=output)
        client = service.plain("screen", role="ADMIN")
        deliver(producer, client, 5)

        def is_full():
            for _ in range(100):
                garbage(service)
            return service.metric("dumbwaiter_log_lines_dropped_total") > 0

        eventually(is_full, 20, "lines dropped")
        longest = deliver(producer, client, 100)
        say(f"log pipe stopped: an event took {longest * 1000:.0f} ms at most")
        assert longest < 0.1 * 5
        assert service.readyz() == 200

        # And goes on where it is read again.
        os.set_blocking(reading, False)
        while pipe.read():
            pass
        dropped = service.metric("dumbwaiter_log_lines_dropped_total")
        for _ in range(10):
            garbage(service)
        assert service.metric("dumbwaiter_log_lines_dropped_total") == dropped
        eventually(lambda: b"http connection ended" in (pipe.read() or b""), 2, "lines again")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no full disk to be had")
def test_a_full_disk_under_the_log_holds_up_nothing(start_service, producer, say):
    with open("/dev/full", "wb") as full:
        service = start_service(log=full)
        client = service.plain("screen", role="ADMIN")

        longest = deliver(producer, client, 100)
        say(f"full disk under the log: an event took {longest * 1000:.0f} ms at most")
        assert longest < 0.1 * 5
        assert service.metric("dumbwaiter_log_lines_dropped_total") > 0


def test_used_up_descriptors_refuse_clients_and_nothing_else(start_service, producer, say):
    service = start_service(descriptors=DESCRIPTORS)
    clients = [service.plain(f"screen-{number}", role="ADMIN") for number in range(DESCRIPTORS - 128)]
    assert service.request_ticket("x").status_code == 503, "full"

    # Connections that say nothing: they are dropped, or wait for their deadline.
    silent = [connect(service) for _ in range(2 * DESCRIPTORS)]
    asked = time.monotonic()
    assert (service.livez(), service.readyz()) == (200, 200)
    assert service.metric("dumbwaiter_connections_refused_total", reason="descriptors") > 0
    answered = time.monotonic() - asked
    deliver(producer, clients[0], 5)
    for connection in silent:
        connection.close()
    for client in clients[:10]:
        client.close()
    freed = time.monotonic()
    eventually(lambda: service.request_ticket("x").status_code == 401, 2, "room again")
    recovered = time.monotonic() - freed
    say(f"descriptors used up: metrics and health answered in {answered:.2f} s, room again after {recovered:.2f} s")

    assert service.plain("late", role="ADMIN").is_open()
    assert all(client.is_open() for client in clients[10:])
    assert service.metric("dumbwaiter_connections_refused_total", reason="accept_error") == 0
