"""Two instances, five hundred official clients, and an instance killed every few seconds (docs/reliability.md).

Thirty seconds by default; `make crash` runs it for three minutes and prints the figures.
"""

import os
import time

import pytest

from conftest import PARTITIONS
from support.balancer import Balancer
from support.crowd import Crowd, Traffic
from support.waiting import SLACK

SECONDS = int(os.environ.get("CRASH_SECONDS", "30"))
# Both reasons for an event to be due: a role, and being its owner.
STAFF, CUSTOMERS = 5, 495
EVENTS_PER_SECOND = 500
# From one kill to the next; longer only while the instance that was killed before is not ready again.
KILL_EVERY = 5


@pytest.fixture
def instances(start_service):
    quiet = {"log": {"level": "info"}}
    return start_service(quiet), start_service(quiet)


@pytest.fixture
def crowd(instances, run_folder):
    balancer = Balancer(
        [service.listen for service in instances], health=[service.admin_listen for service in instances]
    )
    crowd = Crowd(f"http://{balancer.address}", STAFF, CUSTOMERS, PARTITIONS, run_folder)
    yield crowd
    crowd.stop()
    balancer.close()


@pytest.mark.timeout(SECONDS + 300)
def test_five_hundred_clients_lose_nothing_when_instances_are_killed(instances, crowd, producer, registry, say):
    assert crowd.wait_until_joined(within=20) == STAFF + CUSTOMERS
    traffic = Traffic(producer, registry, crowd, EVENTS_PER_SECOND)
    killed, ready_after = kill_in_turn(instances, SECONDS)
    count = traffic.stop().count
    sums = settled(crowd, count)

    say(figures(sums, count, killed, ready_after))
    assert killed >= SECONDS // (4 * KILL_EVERY), "hardly anything was killed"
    assert count > EVENTS_PER_SECOND * SECONDS / 2, "hardly anything was written"
    assert sums["due"] == (STAFF + 1) * count
    assert sums["resumed"] == sums["drops"] > killed
    wrong = {name: sums[name] for name in ("lost", "doubled", "strangers", "disordered", "restarted")}
    assert not any(wrong.values()), wrong


def kill_in_turn(instances, seconds):
    """How many kills, and how long each instance then took to be ready again."""
    ends_at = time.monotonic() + seconds
    kills, ready_after = 0, []
    while time.monotonic() < ends_at:
        time.sleep(KILL_EVERY / 2)
        instance = instances[kills % len(instances)]
        killed_at = time.monotonic()
        instance.process.kill()
        kills += 1
        instance.start().wait_until_ready()
        ready_after.append(time.monotonic() - killed_at)
        time.sleep(max(0, KILL_EVERY / 2 - ready_after[-1]))
    return kills, ready_after


def settled(crowd, count):
    """The sums once everybody is back and nothing is missing, or patience has ended."""
    deadline = time.monotonic() + 10 * SLACK
    while True:
        sums = crowd.report(count)
        if (sums["connected"] == STAFF + CUSTOMERS and sums["lost"] == 0) or time.monotonic() > deadline:
            return sums
        time.sleep(0.5)


def figures(sums, count, killed, ready_after):
    times = sorted(sums["resume_ms"])
    at = {f"p{percent}": times[min(len(times) * percent // 100, len(times) - 1)] for percent in (50, 90, 99, 100)}
    resume = ", ".join(f"{name} {value}" for name, value in at.items())
    return "\n".join(
        [
            f"crash run: {STAFF + CUSTOMERS} clients, {SECONDS} s, {count} events, {killed} kills",
            f"  deliveries  {sums['delivered']} of {sums['due']} due",
            f"  wrong       lost {sums['lost']}, doubled {sums['doubled']}, strangers {sums['strangers']}, "
            f"disordered {sums['disordered']}, not resumed {sums['restarted']}",
            f"  resumes     {sums['resumed']} of {sums['drops']} drops; ms from drop to CONNECT: {resume}",
            f"  instances   ready again after {min(ready_after):.1f} to {max(ready_after):.1f} s",
        ]
    )
