"""The clients of a soak, in one process of their own (drivers/soak/main.mjs): who they are, and what came of them."""

import time
from pathlib import Path

from support import tokens
from support.json_child import JsonChild
from support.paths import NODE
from support.waiting import SLACK, eventually

DRIVER = Path(__file__).parents[1] / "drivers" / "soak"

# Staff of each protocol: with cursors, as the contract has it, slow with cursors. Each gets every event of its protocol, so
# it is they who cost.
_STAFF = (2, 1, 2)
# One of so many others is slow, one of so many has no cursors, which is not a mover: their places are multiples of ten.
_SLOW_EVERY = 100
_CONTRACT_EVERY = 5

_HOUR = 3_600


class People:
    """`count` clients, half of each protocol, at `url`."""

    def __init__(self, town, count, url, folder):
        self._child = JsonChild("the people", ["node", DRIVER / "main.mjs", NODE], folder / "people.log")
        self.clients = [*_staff(), *_customers(town), *_screens(town, count // 2)]
        town_told = {name: getattr(town, name) for name in ("run", "customers", "stores", "partitions")}
        self._child.send({"town": town_told, "url": url, "clients": self.clients})

    def wait_until_in(self):
        eventually(lambda: self._are_in(self.report()), 10 + len(self.clients) / 100, "everybody in", every=0.5)

    def report(self, count=0):
        """The sums, if `count` events have been written."""
        self._child.send({"report": count})
        return self._child.next(within=20)

    def settled(self, count, within):
        """The sums once everybody is back and has everything, or patience has ended.

        Whether all are in is asked by itself first: while the sums of millions of events are made, nobody can come in. It is
        asked again with them: who had stopped reading and was closed for it only notices when reading again.
        """
        deadline = time.monotonic() + within * SLACK
        self._child.send({"rest": True})
        while time.monotonic() < deadline:
            if self._are_in(self.report()):
                sums = self.report(count)
                if self._are_in(sums) and sums["lost"] == 0:
                    return sums
            time.sleep(1)
        return self.report(count)

    def _are_in(self, sums):
        return sums["in"] == len(self.clients)

    def stop(self):
        self._child.stop()


def _staff():
    with_cursors, contract, slow = _STAFF
    for protocol in ("socketio", "plain"):
        token = _token("staff", "ADMIN")
        yield from [_client(protocol, token, "staff")] * with_cursors
        yield from [_client(protocol, token, "staff", cursors=False)] * contract
        yield from [_client(protocol, token, "staff", slow=True)] * slow


def _customers(town):
    for place in range(town.customers):
        token = _token(town.customer(place), "CUSTOMER")
        yield _client("socketio", token, f"customer:{place}", **_habits(place))


def _screens(town, count):
    stores = [_token(f"screen-{store}", "USER", store_id=store) for store in range(town.stores)]
    for place in range(count):
        store = place % town.stores
        yield _client("plain", stores[store], f"store:{store}", **_habits(place))


def _habits(place):
    return {"cursors": place % _CONTRACT_EVERY != _CONTRACT_EVERY - 1, "slow": place % _SLOW_EVERY == 1}


def _client(protocol, token, audience, cursors=True, slow=False):
    return {"protocol": protocol, "token": token, "audience": audience, "cursors": cursors, "slow": slow}


def _token(sub, role, **claims):
    return tokens.token(sub, role=role, lifetime=3 * _HOUR, **claims)
