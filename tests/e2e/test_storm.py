"""An instance is killed, and all its clients come back at once, at another one: what they missed, and how long it takes."""

import time
from collections import Counter

import pytest

from support.costs import cpu_seconds
from support.shop import Shop, judge
from support.swarm import Swarm


def storm(start_service, producer, clients, stores, rate):
    """All clients at the first of two instances, which is then killed. Gives the swarm, the shop, the seconds that
    each client took to stand where it was, and the CPU seconds that this cost the other instance."""
    killed, other = start_service(), start_service()
    swarm = Swarm([killed.listen], clients, stores)
    try:
        swarm.wait_until(lambda screen: screen.is_open, clients / 100 + 5, "connected")
        shop = Shop(producer, rate, stores)
        time.sleep(1)
        swarm.addresses[:] = [other.listen]
        before, at = cpu_seconds(other.process), time.monotonic()
        killed.process.kill()
        swarm.wait_until(lambda screen: screen.opened_at > at, clients / 100 + 5, "connected again")
        cpu = cpu_seconds(other.process) - before
        shop.stop()
        swarm.wait_until(
            lambda screen: set(shop.written[screen.store]) <= set(screen.seen), 5, "everything that was written"
        )
        assert swarm.faults == []
        return swarm, shop, sorted(screen.opened_at - at for screen in swarm.screens), cpu
    finally:
        swarm.close()


def test_whoever_comes_back_at_once_has_lost_nothing(start_service, producer):
    clients = 500
    swarm, shop, _, _ = storm(start_service, producer, clients, stores=20, rate=50)

    assert judge(swarm, shop) == (0, 0)
    assert Counter(code for _, code in swarm.ends) == {1006: clients}
    assert {screen.statuses[-1] for screen in swarm.screens} == {(True, None)}


@pytest.mark.by_hand
@pytest.mark.timeout(900)
def test_10_000_come_back_at_once(start_service, producer, say):
    clients = 10_000
    swarm, shop, times, cpu = storm(start_service, producer, clients, stores=200, rate=20)

    lost, doubled = judge(swarm, shop)
    resumed = sum(screen.statuses[-1] == (True, None) for screen in swarm.screens)
    half, most, last = times[clients // 2], times[clients * 99 // 100], times[-1]
    say(
        f"{clients} clients come back at once: {resumed} resumed, half of them after {half:.1f} s, 99 in 100 after "
        f"{most:.1f} s, all after {last:.1f} s, at {cpu / clients * 1e6:.0f} us CPU each (ticket, upgrade, "
        f"resume); lost {lost}, doubled {doubled} of {sum(len(screen.seen) for screen in swarm.screens)} events"
    )
    assert (resumed, lost, doubled) == (clients, 0, 0)
