"""Thousands of clients, and every few seconds something breaks: a judge says at the end what came of the promises.

Some hundred clients for three minutes by default; `make soak` runs it in full size, for as long as SOAK_SECONDS says, and prints the
figures (docs/reliability.md). SOAK_SEED repeats the order of the faults.
"""

import json
import os
import statistics
import subprocess
import time
from collections import Counter

import pytest

from support.records import Producer
from support.soak.nemesis import Nemesis
from support.soak.people import DRIVER, People
from support.soak.town import Town
from support.soak.traffic import Traffic
from support.soak.world import PARTITIONS, World


def from_environment(name, otherwise):
    return int(os.environ.get(f"SOAK_{name}", otherwise))


SEED = from_environment("SEED", 7)
SECONDS = from_environment("SECONDS", 180)
CLIENTS = from_environment("CLIENTS", 300)
EVENTS_PER_SECOND = from_environment("RATE", 100)
# From one fault to the next, if it is over by then.
FAULT_EVERY = from_environment("FAULT_EVERY", 5)
# What the journal has, and what it is given to fill.
WINDOW = from_environment("WINDOW", 60)
WARM_UP = from_environment("WARM_UP", 5)

# Beside connections. What comes and goes: files being read, requests to the registry, Redis, Kafka and metrics.
DESCRIPTORS_SLACK = 40
# What the allocator keeps after a storm, and what a larger shop needs: more partitions, schemas and orders.
MEMORY_SLACK_KIB = 48 << 10
WRONG = ("lost", "doubled", "disordered", "skipped", "strangers", "turnedAway", "restarted")


@pytest.fixture
def world(registry, run_folder):
    folder = run_folder / "soak"
    folder.mkdir()
    world = World(registry, folder, WINDOW)
    yield world
    world.close()


@pytest.fixture
def town():
    # Both in tens, so that a mover is one for ever.
    customers = CLIENTS // 2 // 10 * 10
    return Town(customers, stores=max(10, customers // 10 // 10 * 10), partitions=PARTITIONS)


@pytest.fixture
def people(world, town):
    people = People(town, CLIENTS, f"http://{world.balancer.address}", world.folder)
    yield people
    people.stop()


def test_the_judge_sees_whatever_is_wrong():
    done = subprocess.run(["node", "--test", DRIVER / "books.test.mjs"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_writer_and_judge_speak_of_the_same_events():
    town = Town(customers=70, stores=20, partitions=PARTITIONS)
    numbers = 5_000
    script = f"""
        import {{ Town }} from {json.dumps(str(DRIVER / "town.mjs"))};
        const town = new Town({json.dumps(vars(town))});
        console.log(JSON.stringify(Array.from({{ length: {numbers} }}, (_, number) => town.event(number))));
    """
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [as_judged(town, town.event(number)) for number in range(numbers)]


def as_judged(town, event):
    if event is None:
        return None
    what, protocol = ("store", "plain") if event.kind == "pizza" else ("customer", "socketio")
    return {
        "kind": event.kind,
        "protocol": protocol,
        "audience": None if event.is_guests else f"{what}:{event.owner}",
        "lane": None if event.is_movers else event.owner % town.partitions,
    }


@pytest.mark.timeout(SECONDS + 5 * WARM_UP + 600)
def test_whatever_breaks_nothing_is_lost_and_all_is_as_before(world, town, people, registry, capsys, say):
    with capsys.disabled():
        print(f"\nSOAK_SEED={SEED}", end="", flush=True)
    people.wait_until_in()
    traffic = Traffic(Producer(world.kafka.brokers, registry), registry, town, EVENTS_PER_SECOND, SEED)
    time.sleep(WARM_UP)
    before = Footprint(world.first)

    nemesis = Nemesis(world, traffic, SEED)
    grown = strike_in_turn(nemesis, world, capsys)
    time.sleep(WARM_UP)
    count = traffic.stop().count
    sums = people.settled(count, within=20)
    after = Footprint(world.first)

    say(figures(people, sums, count, traffic.poisoned, nemesis, before, after, grown))
    assert not any(sums[name] for name in WRONG), sums
    assert sums["gaps"] == {}
    assert sums["in"] == len(people.clients)
    assert after.poison >= traffic.poisoned > 0
    assert after.descriptors <= before.descriptors + DESCRIPTORS_SLACK
    assert after.memory_kib <= before.memory_kib + MEMORY_SLACK_KIB


def strike_in_turn(nemesis, world, capsys):
    """What memory the first instance had before each fault."""
    ends_at = time.monotonic() + SECONDS
    grown = []
    while (began := time.monotonic()) < ends_at:
        grown.append(Footprint(world.first).memory_kib)
        name, took = nemesis.strike()
        with capsys.disabled():
            print(f"\n{name} {took:.1f} s, memory {grown[-1] >> 10} MiB", end="", flush=True)
        time.sleep(max(0, began + FAULT_EVERY - time.monotonic()))
    return grown


class Footprint:
    """What an instance holds: memory, descriptors that are no connection, and the poison that it met."""

    def __init__(self, service):
        metrics = service.metrics()
        pid = service.process.pid
        with open(f"/proc/{pid}/statm") as file:
            self.memory_kib = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 10
        connections = int(metrics.sum("dumbwaiter_connections"))
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd")) - connections
        self.poison = metrics.sum("dumbwaiter_records_poison_total")


def figures(people, sums, count, poisoned, nemesis, before, after, grown):
    faults = Counter(name for name, _ in nemesis.done)
    told = ", ".join(f"{name} {times}" for name, times in sorted(faults.items()))
    wrong = ", ".join(f"{name} {sums[name]}" for name in WRONG)
    quarter = max(1, len(grown) // 4)
    quarters = ", ".join(
        f"{statistics.median(grown[start : start + quarter]) / 1024:.0f}" for start in range(0, len(grown), quarter)
    )
    return "\n".join(
        [
            f"soak: seed {SEED}, {len(people.clients)} clients, {SECONDS} s, {count} events, {poisoned} poison, "
            f"{len(nemesis.done)} faults",
            f"  faults      {told}",
            f"  deliveries  {sums['due'] - sums['lost'] - sums['told']} of {sums['due']} due to clients with cursors",
            f"  wrong       {wrong}, gaps {sums['gaps']}, by them {sums['told']}",
            f"  connects    {sums['connects']}, of which resumed {sums['resumed']}; in at the end {sums['in']}",
            f"  memory      {before.memory_kib >> 10} MiB before, {after.memory_kib >> 10} MiB after, by quarters {quarters}",
            f"  descriptors {before.descriptors} before, {after.descriptors} after, beside connections",
            f"  missing     {sums['missing']}",
            f"  not in      {sums['out']}",
        ]
    )
