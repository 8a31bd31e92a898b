"""The machine's clock is set by an hour, forth and back: what was given for a time is given for that time.

The service alone sees the step: libfaketime stands between it and the wall clock, and leaves the monotonic clock as it is.
What it does not show is a wait of librdkafka that is under way when a clock is set back: that wait ends with the next event.
"""

import subprocess
import time
from pathlib import Path
from glob import glob

import pytest

from support import records, tokens
from support.waiting import SLACK, eventually

FAKETIME = next(iter(glob("/usr/lib/*/faketime/libfaketimeMT.so.1")), None)
HOUR = 3_600
WRONG_KEY = (4001, "Wrong connection key.")


class Clock:
    """The service's wall clock; `service` sees its steps within a second."""

    def __init__(self, start_service, folder):
        self._file = folder / "faketime"
        self._file.write_text("+0")
        waits = folder / "cnd_timedwait.so"
        source = Path(__file__).with_name("support") / "cnd_timedwait.c"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", waits, source, "-pthread"], check=True)
        env = {
            "LD_PRELOAD": f"{waits}:{FAKETIME}",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.service = start_service(env=env)

    def set(self, offset):
        """Logins follow the wall clock, as their issuer does; by them its step is seen."""
        self._file.write_text(f"{offset:+d}")

        # By which tokens are expired: in half an hour, half an hour ago.
        expected = {HOUR: (401, 401), 0: (200, 401), -HOUR: (200, 200)}[offset]

        def is_set():
            lifetimes = (HOUR // 2, -HOUR // 2)
            return expected == tuple(self.service.request_ticket(token("x", life)).status_code for life in lifetimes)

        eventually(is_set, 3, f"a clock that is {offset} s off")


@pytest.fixture
def clock(start_service, tmp_path):
    assert FAKETIME, "libfaketime is missing: `make e2e-setup`"
    return Clock(start_service, tmp_path)


def token(sub, lifetime=5 * HOUR):
    return tokens.token(sub, lifetime=lifetime, role="ADMIN")


def ticket(service, bearer):
    answer = service.request_ticket(bearer)
    return answer.json()["token"] if answer.status_code == 200 else answer.status_code


def connect(service, key):
    return service.plain_at(f"key={key}")


def test_steps_of_an_hour_change_nothing_that_was_given_for_a_time(clock, producer):
    service = clock.service
    plain = connect(service, ticket(service, token("plain")))
    cursor = service.plain_at(f"key={ticket(service, token('cursor'))}&cursor=")
    official = service.open_socket_io(auth={"token": token("official")}).wait_until_authorized()
    short_lived = connect(service, ticket(service, token("short", lifetime=HOUR // 2)))

    for offset in (HOUR, 0, -HOUR, 0):
        given = ticket(service, token("given before"))
        clock.set(offset)
        newcomer = connect(service, given)
        pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
        for client in (plain, newcomer, short_lived):
            client.wait_for(pizza["uuid"])
        official.wait_for("order:new", order["_id"])
        assert connect(service, ticket(service, token("new"))).is_open()

    assert all(client.is_open() for client in (plain, cursor, newcomer, short_lived))
    assert [kind for kind, _ in official.life.all()] == ["connect"]
    statuses = [message.data for message in cursor.messages() if message.name == "STATUS"]
    assert statuses == [{"resumed": False, "gap": None, "stale_since": None}], "never stale"


@pytest.mark.by_hand
@pytest.mark.timeout(200)
def test_a_ticket_lives_for_a_minute_whatever_the_clock_says(clock, say):
    """Tickets of all ages around the minute, redeemed at once: the oldest that is taken, and the youngest that is not."""
    service = clock.service
    given = []
    for _ in range(60):
        given.append((time.monotonic(), ticket(service, token("somebody"))))
        time.sleep(0.1)
    clock.set(HOUR)
    time.sleep(max(0, given[30][0] + 60 - time.monotonic()))
    taken, refused = [], []
    for at, key in given:
        age = time.monotonic() - at
        (taken if connect(service, key).answers() else refused).append(age)
    say(f"clock an hour ahead: tickets taken at {max(taken):.1f} s at most, refused from {min(refused):.1f} s on")
    assert 59 - SLACK < max(taken) and min(refused) < 61 + SLACK
    assert max(taken) < min(refused) + 1
