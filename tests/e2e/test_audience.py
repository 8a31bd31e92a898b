"""Who gets what: every event against every kind of person, all connected at the same time to one service.

One table says it all: `x` gets the event exactly once, `.` never. That nothing else arrives is shown without
waiting for silence: once staff have got every event, all of them stand in the service's journal; each client then gets a
fence, an event of its own, and since a connection is served in the journal's order, whatever else it was owed came before.
"""

import uuid

import pytest

from support import records, shapes

# Columns: people. Everybody holds a plain and a Socket.IO connection, and a sub of their own.
PEOPLE = {
    "admin": {"role": "ADMIN"},
    "watcher": {"role": "WATCHER"},
    "user": {"role": "USER"},
    "owner": {"role": "CUSTOMER"},
    "other": {"role": "CUSTOMER"},
    "admin_owner": {"role": "ADMIN"},
    "same_store": {"role": "USER", "store_id": 7},
    "other_store": {"role": "USER", "store_id": 77},
    "author": {"role": "USER"},
    "store_author": {"role": "USER", "store_id": 7},
    "store_admin": {"role": "ADMIN", "store_id": 7},
    "no_role": {},
}

AUDIENCE = """
                                    admin watcher user owner other admin_owner same_store other_store author store_author store_admin no_role
pizza by author in store 7            x      x     .     .     .        x          x           .         x         x            x        .
pizza by store_author in store 7      x      x     .     .     .        x          x           .         .         x            x        .
pizza by owner in no one's store      x      x     .     x     .        x          .           .         .         .            x        .
order of owner                        x      x     .     x     .        x          .           .         .         .            x        .
order of admin_owner                  x      x     .     .     .        x          .           .         .         .            x        .
order of no_role                      x      x     .     .     .        x          .           .         .         .            x        x
another order of owner                x      x     .     x     .        x          .           .         .         .            x        .
another order of no_role              x      x     .     .     .        x          .           .         .         .            x        x
order of a guest                      x      x     .     .     .        x          .           .         .         .            x        .
condition says owner                  x      x     .     x     .        x          .           .         .         .            x        .
condition says admin_owner            x      x     .     .     .        x          .           .         .         .            x        .
condition says guest                  x      x     .     .     .        x          .           .         .         .            x        .
condition says guest, not the order   x      x     .     .     .        x          .           .         .         .            x        .
condition says owner, not the order   x      x     .     x     .        x          .           .         .         .            x        .
condition silent, order of owner      x      x     .     x     .        x          .           .         .         .            x        .
condition silent, of admin_owner      x      x     .     .     .        x          .           .         .         .            x        .
condition silent, order of a guest    x      x     .     .     .        x          .           .         .         .            x        .
condition silent, order unknown       x      x     .     .     .        x          .           .         .         .            x        .
"""


def table():
    """{event: {person: whether they get it}}; an event's name may have spaces, so cells are split from the right."""
    header, *rows = AUDIENCE.strip("\n").splitlines()
    people = header.split()
    split = [row.rsplit(maxsplit=len(people)) for row in rows]
    return {event.strip(): dict(zip(people, (cell == "x" for cell in cells), strict=True)) for event, *cells in split}


TABLE = table()


class Person:
    def __init__(self, service, name, claims):
        self.sub = f"{name}-{uuid.uuid4()}"
        self.plain = service.plain(self.sub, **claims)
        self.socket_io = service.socket_io(self.sub, **claims)


class Evening:
    """Everybody connected, everything that happened, and how often each person got each event."""

    def __init__(self, service, producer):
        self.people = {name: Person(service, name, claims) for name, claims in PEOPLE.items()}
        self._producer = producer
        self._sub = {name: person.sub for name, person in self.people.items()} | {"guest": None}
        orders = self._orders()
        self.happened = self._pizzas() | orders | self._conditions(orders)
        self._wait_until_staff_has(self.happened.values())
        self._fence()

    def copies(self, person, event):
        """How often that person got that event, over both their connections."""
        received = self.people[person]
        sought = self.happened[event]
        plain = [("CREATE_PIZZA", message.id) for message in received.plain.messages()]
        return (plain + received.socket_io.order_events()).count(sought)

    def strays(self, person):
        """What the person got beyond what the table gives them, and the fences: staff see everybody's."""
        received = self.people[person]
        entitled = {self.happened[event] for event, row in TABLE.items() if row[person]}
        is_staff = PEOPLE[person].get("role") in ("ADMIN", "WATCHER")
        entitled |= set().union(*self._fences.values()) if is_staff else self._fences[person]
        everything = [(m.name, m.id) for m in received.plain.messages()]
        everything += [(e.name, e.id) for e in received.socket_io.events.all() if e.name != "authorization:ok"]
        return [event for event in everything if event not in entitled]

    def _pizzas(self):
        def pizza(author, store_id):
            made = self._producer.pizza(records.pizza(user_uuid=self._sub[author], store_id=store_id))
            return "CREATE_PIZZA", made["uuid"]

        return {
            "pizza by author in store 7": pizza("author", 7),
            "pizza by store_author in store 7": pizza("store_author", 7),
            "pizza by owner in no one's store": pizza("owner", 777),
        }

    def _orders(self):
        def order(owner):
            made = self._producer.order(records.order(clientId=self._sub[owner]))
            return "order:new", made["_id"]

        orders = {
            "order of owner": order("owner"),
            "order of admin_owner": order("admin_owner"),
            "order of no_role": order("no_role"),
            "another order of owner": order("owner"),
            "another order of no_role": order("no_role"),
            "order of a guest": order("guest"),
        }
        # A condition that does not say whose it is goes by what was known when it came.
        self._wait_until_staff_has(orders.values())
        return orders

    def _conditions(self, orders):
        def says(owner, order_id):
            told = records.condition(order_id, clientId=self._sub[owner])
            self._producer.condition(told, shapes.OWNED_CONDITION)
            return "order:condition", order_id

        def silent(order_id):
            self._producer.condition(records.condition(order_id, "IN_PROGRESS"))
            return "order:condition", order_id

        id_of = {event: order_id for event, (_name, order_id) in orders.items()}
        return {
            # Of orders nobody has heard of: what the record itself says is enough.
            "condition says owner": says("owner", records.new_id()),
            "condition says admin_owner": says("admin_owner", records.new_id()),
            "condition says guest": says("guest", records.new_id()),
            # Of orders known to be somebody else's: what the record itself says counts, "nobody's" too.
            "condition says guest, not the order": says("guest", id_of["another order of owner"]),
            "condition says owner, not the order": says("owner", id_of["another order of no_role"]),
            "condition silent, order of owner": silent(id_of["order of owner"]),
            "condition silent, of admin_owner": silent(id_of["order of admin_owner"]),
            "condition silent, order of a guest": silent(id_of["order of a guest"]),
            "condition silent, order unknown": silent(records.new_id()),
        }

    def _wait_until_staff_has(self, events):
        admin = self.people["admin"]
        for name, event_id in events:
            if name == "CREATE_PIZZA":
                admin.plain.wait_for(event_id)
            else:
                admin.socket_io.wait_for(name, event_id)

    def _fence(self):
        self._fences = {}
        for name, person in self.people.items():
            pizza = self._producer.pizza(records.pizza(user_uuid=person.sub, store_id=777))
            order = self._producer.order(records.order(clientId=person.sub))
            self._fences[name] = {("CREATE_PIZZA", pizza["uuid"]), ("order:new", order["_id"])}
            person.plain.wait_for(pizza["uuid"])
            person.socket_io.wait_for("order:new", order["_id"])


@pytest.fixture(scope="module")
def evening(shared_service, producer):
    yield Evening(shared_service, producer)
    shared_service.forget_clients()


def test_the_table_speaks_of_everybody_and_everything(evening):
    assert set(TABLE) == set(evening.happened)
    assert all(set(row) == set(PEOPLE) for row in TABLE.values())


@pytest.mark.parametrize("event", TABLE)
def test_an_event_reaches_exactly_its_audience_exactly_once(evening, event):
    got = {person: evening.copies(person, event) for person in PEOPLE}

    assert got == {person: int(entitled) for person, entitled in TABLE[event].items()}


@pytest.mark.parametrize("person", PEOPLE)
def test_nobody_gets_anything_beyond_the_table(evening, person):
    assert evening.strays(person) == []


def test_plain_clients_get_pizzas_and_socket_io_clients_orders(evening):
    admin = evening.people["admin"]

    assert {message.name for message in admin.plain.messages()} == {"CREATE_PIZZA"}
    assert {e.name for e in admin.socket_io.events.all()} == {"authorization:ok", "order:new", "order:condition"}


def test_an_owner_keeps_getting_silent_conditions_until_the_order_is_closed(service, producer):
    owner = service.socket_io("steady-owner", role="CUSTOMER")
    order = producer.order(records.order(clientId="steady-owner"))
    owner.wait_for("order:new", order["_id"])

    for condition in ("IN_PROGRESS", "IN_THE_WAY", "IS_DELIVERED", "DONE"):
        producer.condition(records.condition(order["_id"], condition))
        owner.events.wait_for(
            lambda event: event.id == order["_id"] and event.data["condition"] == condition, 2, condition
        )


def test_several_connections_of_one_person_each_get_the_event(service, producer):
    tabs = [service.socket_io("many-tabs", role="CUSTOMER") for _ in range(3)]

    order = producer.order(records.order(clientId="many-tabs"))

    for tab in tabs:
        tab.wait_for("order:new", order["_id"])
        assert tab.order_events() == [("order:new", order["_id"])]
