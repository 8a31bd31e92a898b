"""SIGTERM with clients connected: they are spread out over the drain time, and those that resume lose nothing."""

import re
import signal
import time
from collections import Counter
from datetime import datetime

import pytest
from confluent_kafka import Consumer, TopicPartition

from support import records, tokens
from support.proxy import CuttingProxy
from support.shop import Shop, judge
from support.swarm import Swarm
from support.waiting import SLACK, eventually

STORES = 20


def committed(kafka, service):
    """(committed, end) of every partition of pizza.created."""
    group = f"dumbwaiter-{service.settings['kafka']['instance']}"
    reader = Consumer({"bootstrap.servers": kafka.brokers, "group.id": group})
    partitions = reader.list_topics("pizza.created", timeout=10).topics["pizza.created"].partitions
    places = [TopicPartition("pizza.created", partition) for partition in partitions]
    found = [
        (place.offset, reader.get_watermark_offsets(place, timeout=10)[1])
        for place in reader.committed(places, timeout=10)
    ]
    reader.close()
    return found


def ended_at(service):
    """When the service ended each connection, by its own log: a busy machine's clients hear of it in batches."""
    lines = [line for line in service.log().splitlines() if "ending a connection" in line and "restart" in line]
    stamps = [re.search(r"\d{4}-\d\d-\d\dT[\d:.]+", line).group() for line in lines]
    return sorted(datetime.fromisoformat(stamp).timestamp() for stamp in stamps)


def busiest_100_ms(times):
    """The most ends that any 100 ms have."""
    busiest, first = 0, 0
    for place, at in enumerate(times):
        while times[first] <= at - 0.1:
            first += 1
        busiest = max(busiest, place - first + 1)
    return busiest


def rolling_update(start_service, producer, clients, stores, grace, drain, rate):
    """Two instances, all clients at the first, which is then asked to stop. Gives what there is to judge."""
    going = start_service({"shutdown": {"grace": f"{grace}s", "drain": f"{drain}s"}})
    staying = start_service({"log": {"level": "info"}})
    swarm = Swarm([going.listen], clients, stores)
    try:
        swarm.wait_until(lambda screen: screen.is_open, clients / 100 + 5, "connected")
        swarm.addresses.append(staying.listen)
        shop = Shop(producer, rate, stores)
        time.sleep(1)
        asked = time.monotonic()
        going.process.signal(signal.SIGTERM)
        eventually(lambda: going.readyz() == 503, 1, "unready")
        exit_code = going.process.exit_code(within=grace + drain + 5)
        lasted = time.monotonic() - asked
        shop.stop()
        swarm.wait_until(lambda screen: screen.is_open, clients / 100 + 5, "connected again")
        assert swarm.faults == []
        swarm.wait_until(
            lambda screen: set(shop.written[screen.store]) <= set(screen.seen), 5, "everything that was written"
        )
        return going, swarm, shop, asked, lasted, exit_code
    finally:
        swarm.close()


def test_a_rolling_update_loses_and_doubles_nothing_for_clients_that_resume(start_service, producer):
    going, swarm, shop, asked, lasted, exit_code = rolling_update(
        start_service, producer, clients=300, stores=STORES, grace=1, drain=6, rate=50
    )

    assert (exit_code, judge(swarm, shop)) == (0, (0, 0))
    assert {screen.statuses[-1] for screen in swarm.screens} == {(True, None)}
    assert Counter(code for _, code in swarm.ends) == {1012: 300}
    assert len(ended_at(going)) == 300
    assert min(at for at, _ in swarm.ends) - asked >= 1, "nobody is ended within the grace"
    # Spread out: an even share of half the drain time is 150.
    early = sum(at - asked < 1 + 3 for at, _ in swarm.ends)
    assert 75 <= early <= 225
    assert lasted <= (1 + 6 + 5) * SLACK


def test_the_last_positions_are_committed(start_service, producer, kafka):
    service = start_service()
    client = service.plain("screen", role="ADMIN")
    for _ in range(20):
        newest = producer.pizza(records.pizza())
    client.wait_for(newest["uuid"])

    assert service.stop() == 0

    assert all(position == end for position, end in committed(kafka, service) if end > 0), committed(kafka, service)
    assert "not committed" not in service.log()


def test_a_second_sigterm_ends_at_once(start_service):
    service = start_service({"shutdown": {"grace": "10m", "drain": "10m"}})
    client = service.plain("screen", role="ADMIN")
    service.process.signal(signal.SIGTERM)
    eventually(lambda: service.readyz() == 503, 1, "unready")
    assert client.is_open()

    service.process.signal(signal.SIGTERM)

    assert service.process.exit_code(within=5) == 0
    assert client.wait_for_close()[0] == 1012


def test_a_socket_io_client_recovers_elsewhere_after_a_drain(start_service, producer):
    """Behind one address, as behind a load balancer: the library connects to what it knows."""
    going = start_service({"shutdown": {"grace": "0s", "drain": "2s"}})
    staying = start_service()
    proxy = CuttingProxy(going.listen)
    client = going.open_socket_io(
        name="screen",
        address=proxy.address,
        auth={"token": tokens.token("screen", role="ADMIN")},
        query={"recovery": "1"},
        reconnectionDelay=100,
    ).wait_until_authorized()
    first = producer.order(records.order())["_id"]
    client.wait_for("order:new", first)

    proxy.aim(staying.listen)
    going.process.signal(signal.SIGTERM)
    orders = []
    while going.process.is_alive():
        orders.append(producer.order(records.order())["_id"])
        time.sleep(0.05)
    orders.append(producer.order(records.order())["_id"])
    # In several partitions, so the last one written may come first.
    for order in orders:
        client.wait_for("order:new", order)

    got = [event.id for event in client.events.all() if event.name == "order:new"]
    assert sorted(set(got) & set(orders)) == sorted(orders)
    assert len(got) == len(set(got))
    assert [detail["recovered"] for kind, detail in client.life.all() if kind == "connect"] == [False, True]
    assert "41" not in client.frames.all()


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_10_000_connections(start_service, producer, say):
    clients, drain = 10_000, 60
    going, swarm, shop, asked, lasted, exit_code = rolling_update(
        start_service, producer, clients=clients, stores=200, grace=5, drain=drain, rate=20
    )

    lost, doubled = judge(swarm, shop)
    times = ended_at(going)
    mean = clients / drain / 10
    say(
        f"{clients} connections, grace 5 s, drain {drain} s: ended over "
        f"{times[-1] - times[0]:.1f} s, at most {busiest_100_ms(times)} in 100 ms (mean {mean:.1f}), "
        f"exit {exit_code} after {lasted:.1f} s; lost {lost}, doubled {doubled} "
        f"of {sum(len(screen.seen) for screen in swarm.screens)} events"
    )
    assert (exit_code, lost, doubled) == (0, 0, 0)
    assert busiest_100_ms(times) <= 2 * mean
    assert lasted <= 5 + drain + 5
