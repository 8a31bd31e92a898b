"""Brokers and networks that go away and come back: what it costs, and that it costs nothing but time.

`make faults` runs all of it and prints the figures of docs/reliability.md; a run of all tests has the silent network only.
"""

import time

import pytest

from support import network
from support.cluster import Cluster
from support.kafka import Kafka, Listener
from support.network import Network
from support.records import Producer
from support.service import Service
from support.waiting import eventually
from support.witness import Crowd, Stream, assert_whole, percentile

TOPICS = ("pizza.created", "order.created", "order.condition")
# The longest that a service is away in these tests, and with the tests' slack.
PATIENT = {"message.timeout.ms": 600_000}


@pytest.fixture
def serve(registry, driver):
    started = []

    def start(brokers, settings=None):
        started.append(Service(brokers, registry.url, driver, settings).start())
        return started[-1]

    yield start
    for service in started:
        service.stop()


@pytest.fixture
def broker(tmp_path):
    kafka = Kafka(tmp_path / "kafka").prepare()
    yield kafka
    kafka.kill()


@pytest.mark.by_hand
@pytest.mark.timeout(400)
def test_a_rolling_restart_of_three_brokers_costs_time_only(run_folder, registry, serve, say):
    cluster = Cluster(run_folder / "cluster")
    try:
        cluster.start().create_topics(*TOPICS, partitions=3)
        producer = Producer(cluster.brokers, registry.wait_until_ready(), PATIENT)
        service = serve(cluster.brokers).wait_until_ready()
        crowd = Crowd(service)
        stream = Stream(producer, 100)
        stream.wait_until(300)
        cluster.roll(say)
        stream.wait_until(len(stream.written) + 300)
        stream.stop()
        assert_whole(stream, crowd)
        times = stream.latencies(crowd.contract)
        say(
            f"rolling restart of 3 brokers: {len(times)} events, 0 lost, 0 doubled; from producer to screen"
            f" p50 {percentile(times, 50) * 1000:.0f} ms, p99 {percentile(times, 99) * 1000:.0f} ms, max {times[-1]:.1f} s"
        )
        crowd.close()
    finally:
        cluster.kill()


@pytest.mark.by_hand
@pytest.mark.timeout(1_200)
def test_100_000_events_while_kafka_is_killed_and_stopped_for_up_to_two_minutes(broker, registry, serve, say):
    broker.start().wait_until_ready()
    broker.create_topics(*TOPICS, partitions=3)
    producer = Producer(broker.brokers, registry.wait_until_ready(), PATIENT)
    service = serve(broker.brokers).wait_until_ready()
    crowd = Crowd(service)
    stream = Stream(producer, 400)
    for end, away in [("kill", 1), ("stop", 1), ("kill", 10), ("stop", 30), ("kill", 120)]:
        stream.wait_until(len(stream.written) + 2_000)
        getattr(broker, end)()
        time.sleep(away)
        broker.start().wait_until_ready()
        back = time.monotonic()
        first = eventually(lambda: next((at for at, *_ in reversed(crowd.contract.seen[-1:]) if at > back), 0), 60, "an event")
        say(f"kafka {end} for {away} s: first event {first - back:.1f} s after it was ready")
        eventually(lambda: "picture: current" in service.readiness(), 60, "current")
    stream.wait_until(100_000)
    stream.stop()
    assert_whole(stream, crowd, within=60)
    say(f"{len(stream.written)} events, 0 lost, 0 doubled, 0 connections dropped")
    crowd.close()


@pytest.mark.by_hand
@pytest.mark.timeout(400)
def test_kafka_that_is_not_there_at_the_start_costs_no_memory(broker, serve, say):
    service = serve(broker.brokers)
    eventually(lambda: service.livez() == 200, 5, "live")
    resident = lambda: service.metric("process_resident_memory_bytes") / 2**20
    time.sleep(10)
    before = resident()
    time.sleep(60)
    grown = resident() - before
    assert service.readyz() == 503
    broker.start().wait_until_ready()
    there = time.monotonic()
    service.wait_until_ready(5)
    say(
        f"kafka down at the start: ready {time.monotonic() - there:.1f} s after it was there;"
        f" memory {before:.1f} MiB after 10 s, {grown:+.1f} MiB in the next 60 s"
    )
    assert grown < 5


class Wired:
    """A broker behind a network that breaks, a service that reads by it, and the tests' own way past it."""

    def __init__(self, folder, registry, serve):
        self.net = Network()
        door = Listener("SERVICE", "PLAINTEXT", host=self.net.service)
        self.broker = Kafka(folder, listeners=[door], host=self.net.tests, within=self.net.start).prepare()
        self.broker.start().wait_until_ready()
        self.broker.create_topics(*TOPICS, partitions=3)
        self.producer = Producer(self.broker.brokers, registry.wait_until_ready(), PATIENT)
        self.service = serve(self.broker.address("SERVICE")).wait_until_ready()
        self.crowd = Crowd(self.service)

    def close(self):
        self.crowd.close()
        self.broker.kill()
        self.net.remove()


@pytest.fixture
def wired(run_folder, registry, serve):
    if not network.is_possible():
        pytest.skip("network namespaces want root")
    wired = Wired(run_folder / "wired-kafka", registry, serve)
    yield wired
    wired.close()


def cut(wired, seconds, say):
    """The network is silent for so long, or until that is noticed; gives the stream that ran meanwhile."""
    stream = Stream(wired.producer, 50)
    stream.wait_until(50)
    wired.net.cut()
    began = time.monotonic()
    statuses = wired.crowd.resuming.statuses
    told = eventually(lambda: [at for at, since in statuses if since and at > began], 12, "told that it is stale")[0]
    assert "picture: stale" in wired.service.readiness() and wired.service.readyz() == 200
    time.sleep(max(0, began + seconds - time.monotonic()))
    wired.net.mend()
    mended = time.monotonic()
    first = eventually(lambda: [at for at, *_ in wired.crowd.contract.seen[-1:] if at > mended], 60, "an event")[0]
    say(
        f"silent network for {mended - began:.0f} s: clients told after {told - began:.1f} s;"
        f" first event {first - mended:.1f} s after it was mended"
    )
    return stream


def test_a_network_that_is_silent_is_noticed_and_nobody_is_dropped(wired, say):
    stream = cut(wired, 0, say).stop()
    assert_whole(stream, wired.crowd)


@pytest.mark.by_hand
@pytest.mark.timeout(600)
def test_a_network_that_is_silent_for_long_and_one_that_is_slow(wired, say):
    for seconds in (40, 100):
        stream = cut(wired, seconds, say).stop()
        assert_whole(stream, wired.crowd, within=60)
    wired.net.throttle(256)
    stream = Stream(wired.producer, 200)
    stream.wait_until(200 * 20)
    slow = time.monotonic()
    stream.stop()
    behind = len(stream.written) - sum(uuid in stream.written for _, _, uuid in list(wired.crowd.contract.seen))
    assert wired.service.readyz() == 200
    wired.net.unthrottle()
    assert_whole(stream, wired.crowd, within=60)
    say(
        f"network throttled to 256 kbit/s: {behind} of {len(stream.written)} events behind after 20 s,"
        f" all there {wired.crowd.contract.seen[-1][0] - slow:.1f} s later; 0 lost, 0 doubled, 0 connections dropped"
    )
