"""Any load balancer will do: two instances that share Kafka and Redis, behind one that sends each connection to the next."""

import itertools

import pytest

from support import records, tokens
from support.balancer import Balancer
from support.paths import RUN
from support.redis import Redis
from support.waiting import eventually

CLIENTS = 10
CUTS = 5


@pytest.fixture
def instances(start_service):
    redis = Redis(RUN / "redis-balanced").start()
    yield [start_service(redis.settings()), start_service(redis.settings())]
    redis.kill()


@pytest.fixture
def balancer(instances):
    balancer = Balancer([service.listen for service in instances])
    yield balancer
    balancer.close()


def test_plain_clients_get_a_ticket_here_and_get_in_there(instances, balancer, producer):
    front = instances[0].seen_at(balancer.address)
    # An odd number of connections a client, so that each pair falls differently.
    clients = []
    for number in range(CLIENTS):
        clients.append(front.plain(f"staff-{number}", role="ADMIN"))
        if number % 2:
            front.http("GET", "/api/v1/ws/ticket")
    pizzas = [producer.pizza(records.pizza())["uuid"] for _ in range(5)]
    for client in clients:
        client.wait_for(pizzas[-1])
        eventually(lambda: len(client.messages()) >= len(pizzas), 2, "all pizzas")
        assert sorted(message.id for message in client.messages()) == sorted(pizzas), "each once"

    for outcome in ("issued", "redeemed"):
        by_instance = [service.metric("dumbwaiter_tickets_total", outcome=outcome) for service in instances]
        assert sum(by_instance) == CLIENTS and min(by_instance) > 0, (outcome, by_instance)


def test_official_clients_come_back_anywhere_with_nothing_lost_and_nothing_twice(instances, balancer, producer):
    front = instances[0].seen_at(balancer.address)
    owners = [None] * (CLIENTS // 2) + [records.new_id() for _ in range(CLIENTS // 2)]
    clients = [open_recovering(front, owner) for owner in owners]
    sent = []
    for _ in range(CUTS):
        sent += orders(producer, owners, 50)
        balancer.cut()
        # Written while nobody is connected, and while they come back.
        sent += orders(producer, owners, 50)
        for client in clients:
            eventually(lambda: len(connects(client)) > 1 and is_connected(client), 10, f"{client.name} back")
    sent += orders(producer, owners, 50)

    for client, owner in zip(clients, owners, strict=True):
        expected = [order["_id"] for order in sent if owner in (None, order["clientId"])]
        eventually(lambda: set(expected) <= set(order_ids(client)), 5, f"all orders of {client.name}")
        assert sorted(order_ids(client)) == sorted(expected), f"{client.name}: each of its own once"
        assert connects(client) == [False] + [True] * (len(connects(client)) - 1), "recovered each time"
    for service in instances:
        assert service.metric("dumbwaiter_connections", protocol="socketio") > 0


def orders(producer, owners, count):
    customers = itertools.cycle(owner for owner in owners if owner)
    return [producer.order(records.order(clientId=owner)) for _, owner in zip(range(count), customers)]


def open_recovering(front, owner):
    claims = {"role": "CUSTOMER"} if owner else {"role": "ADMIN"}
    auth = {"token": tokens.token(owner or "staff", **claims)}
    options = {"auth": auth, "query": {"recovery": "1"}, "reconnectionDelay": 100}
    return front.open_socket_io(name=owner or "staff", **options).wait_until_authorized()


def connects(client):
    return [detail["recovered"] for kind, detail in client.life.all() if kind == "connect"]


def is_connected(client):
    return [kind for kind, _ in client.life.all() if kind in ("connect", "disconnect")][-1] == "connect"


def order_ids(client):
    return [event.id for event in client.events.all() if event.name == "order:new"]
