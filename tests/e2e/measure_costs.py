"""What the service costs, for docs/scaling.md: `make measure`. No test: nothing is asserted of figures that depend on a machine.

Costs are those of the service's own process: its CPU time (user and system) and its resident memory. Both are steadier
than rates and latencies where load generator, Kafka and service share two cores.
"""

import asyncio
import os
import time

import fastavro
import pytest

from support import contract, records, shapes, tokens
from support.costs import cpu_seconds, resident_bytes
from support.masses import Masses
from support.redeem import tickets_of

CONNECTIONS = int(os.environ.get("MEASURE_CONNECTIONS", "10000"))
EVENTS = int(os.environ.get("MEASURE_EVENTS", "100000"))
STAFF, STAFF_EVENTS, STAFF_RATE = 500, 1_000, 50
OWNED_EVENTS, OWNED_RATE = 20_000, 1_000
# One period of the Socket.IO pings.
IDLE_SECONDS = 25

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def instance(start_service):
    # A debug log would be measured too.
    return Measured(start_service({"log": {"level": "warn"}}))


class Measured:
    """An instance and what it has used so far."""

    def __init__(self, service):
        self.service = service

    def cpu(self):
        return cpu_seconds(self.service.process)

    def memory(self):
        return resident_bytes(self.service.process)

    def deliveries(self):
        return self.service.metric("dumbwaiter_deliveries_total")

    def events(self):
        return self.service.metric("dumbwaiter_events_total")


_ORDER = fastavro.parse_schema(shapes.ORDER)


def test_socket_io_connections(instance, say):
    asyncio.run(connections(instance, say, "Socket.IO", lambda masses: masses.join_socket_io(customer_tokens())))


def test_plain_connections(instance, say):
    async def join(masses):
        token = tokens.token("customer", role="CUSTOMER")
        await masses.join_plain(await tickets_of(instance.service.listen, token, CONNECTIONS))

    asyncio.run(connections(instance, say, "plain, its ticket included", join))


async def connections(instance, say, name, join):
    masses = Masses(instance.service.listen)
    empty = await idle(instance, IDLE_SECONDS / 4)
    cpu, memory = instance.cpu(), instance.memory()
    await join(masses)
    connected = instance.cpu() - cpu
    say(f"CPU of a connect ({name}): {connected / CONNECTIONS * 1e6:.0f} us")
    await asyncio.sleep(2)
    per_connection = (instance.memory() - memory) / CONNECTIONS
    say(f"memory without connections, and with {CONNECTIONS}: {memory >> 20} and {instance.memory() >> 20} MiB")
    say(f"memory of an idle connection ({name}): {per_connection / 1024:.2f} KiB")
    each = (await idle(instance, IDLE_SECONDS) - empty) / CONNECTIONS
    say(f"CPU of an idle connection ({name}): {each * 60 * 1e6:.1f} us a minute")
    say(f"CPU of an instance without connections and events: {empty * 1e3:.1f} ms a second")
    assert masses.ended == 0
    masses.close()


async def idle(instance, seconds):
    """Seconds of CPU a second while nothing happens."""
    cpu = instance.cpu()
    await asyncio.sleep(seconds)
    return (instance.cpu() - cpu) / seconds


def customer_tokens():
    return [tokens.token(customer(place), role="CUSTOMER") for place in range(CONNECTIONS)]


def customer(number):
    return f"customer-{number % CONNECTIONS}"


def nobody(_):
    return "nobody"


def test_events_without_anybody(instance, producer, registry, say):
    cpu, memory, events = instance.cpu(), instance.memory(), instance.events()
    write(producer, registry, EVENTS, nobody)
    wait_for_events(instance, events + EVENTS)
    say(f"CPU of an event, read, decoded, kept: {(instance.cpu() - cpu) / EVENTS * 1e6:.1f} us (in a flood)")
    say(f"memory of an event in the window: {(instance.memory() - memory) / EVENTS / 1024:.2f} KiB")
    cpu, events = instance.cpu(), instance.events()
    write(producer, registry, OWNED_EVENTS, nobody, per_second=OWNED_RATE)
    wait_for_events(instance, events + OWNED_EVENTS)
    say(f"the same at {OWNED_RATE} a second: {(instance.cpu() - cpu) / OWNED_EVENTS * 1e6:.1f} us")


def test_events_for_staff(instance, producer, registry, say):
    async def run():
        masses = Masses(instance.service.listen)
        await masses.join_socket_io([tokens.token(f"staff-{place}", role="ADMIN") for place in range(STAFF)])
        masses.answers_pings = False
        cpu, delivered = instance.cpu(), instance.deliveries()
        await asyncio.to_thread(write, producer, registry, STAFF_EVENTS, nobody, per_second=STAFF_RATE)
        due = delivered + STAFF * STAFF_EVENTS
        await wait_until(lambda: instance.deliveries() >= due)
        used = instance.cpu() - cpu
        say(
            f"CPU of a delivery, {STAFF} staff, {STAFF_RATE} events a second: "
            f"{used / STAFF / STAFF_EVENTS * 1e6:.1f} us (the event's own share included)"
        )
        masses.close()

    asyncio.run(run())


def test_events_for_owners(instance, producer, registry, say):
    async def run():
        masses = Masses(instance.service.listen)
        await masses.join_socket_io(customer_tokens())
        cpu, delivered = instance.cpu(), instance.deliveries()
        masses.answers_pings = False
        await asyncio.to_thread(write, producer, registry, OWNED_EVENTS, customer, per_second=OWNED_RATE)
        await wait_until(lambda: instance.deliveries() >= delivered + OWNED_EVENTS)
        used = instance.cpu() - cpu
        say(
            f"CPU of an event for one of {CONNECTIONS}, {OWNED_RATE} a second: "
            f"{used / OWNED_EVENTS * 1e6:.1f} us (delivery and pings included)"
        )
        masses.close()

    asyncio.run(run())


def write(producer, registry, count, owner, per_second=None):
    """Orders, evenly spread if a rate is given."""
    order = contract.order()
    schema_id = registry.register(shapes.ORDER)
    started_at = time.monotonic()
    for number in range(count):
        if per_second and (wait := started_at + number / per_second - time.monotonic()) > 0.01:
            time.sleep(wait)
        value = order | {"_id": f"{number:024x}", "clientId": owner(number)}
        producer.enqueue("order.created", records.framed(schema_id, records.body(_ORDER, value)))
    producer.flush()


def wait_for_events(instance, count):
    while instance.events() < count:
        time.sleep(0.2)


async def wait_until(is_so):
    while not await asyncio.to_thread(is_so):
        await asyncio.sleep(0.2)
