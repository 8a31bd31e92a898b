"""Tickets that instances share in a real Redis (docs/authentication.md, "Tickets shared by instances")."""

import time
from collections import Counter

import pytest

from support import records, redeem, tokens, tools
from support.certificates import Authority
from support.paths import RUN
from support.redis import PASSWORD, Redis
from support.waiting import eventually

TOGETHER = 10_000
TRY_LATER = (1013, "Try again later")
WRONG_KEY = (4001, "Wrong connection key.")


@pytest.fixture(scope="module")
def redis():
    redis = Redis(RUN / "redis").start()
    yield redis
    redis.kill()


@pytest.fixture
def instances(start_service, redis):
    """Two that share nothing but Kafka and Redis."""
    return start_service(redis.settings()), start_service(redis.settings())


def come_back(service):
    """As a client does that was told to come back: with a new ticket, until it is let in."""

    def is_in():
        answer = service.request_ticket(tokens.token("somebody"))
        if answer.status_code != 200:
            return None
        client = service.plain_at(f"key={answer.json()['token']}")
        client.send("hello")
        time.sleep(0.1)
        return client if client.is_open() else None

    return eventually(is_in, 5, "let in")


def test_a_ticket_of_one_instance_is_good_at_another_once(instances, producer, redis):
    one, two = instances
    ticket = one.ticket("staff", role="ADMIN")
    client = two.plain_at(f"key={ticket}")
    pizza = producer.pizza(records.pizza())
    client.wait_for(pizza["uuid"])

    for service in instances:
        assert service.plain_at(f"key={ticket}").wait_for_close() == WRONG_KEY
    assert two.metric("dumbwaiter_tickets_total", outcome="redeemed") == 1
    assert one.metric("dumbwaiter_redis_requests_total", command="set", outcome="ok") == 1
    assert one.metric("dumbwaiter_redis_request_seconds_count") == 2
    assert redis.keys() == []


def test_keys_are_of_whom_the_ticket_is(instances, producer):
    one, two = instances
    mine, other = producer_pizza_owner("mine"), producer_pizza_owner("other")
    clients = {owner: two.plain_at(f"key={one.ticket(owner)}", name=owner) for owner in (mine, other)}
    for client in clients.values():
        client.send("joined?")
    pizzas = {owner: records.pizza(user_uuid=owner) for owner in clients}
    for pizza in pizzas.values():
        producer.pizza(pizza)
    for owner, client in clients.items():
        client.wait_for(pizzas[owner]["uuid"])
        assert [message.id for message in client.messages()] == [pizzas[owner]["uuid"]]


def producer_pizza_owner(name):
    return f"{name}-{records.new_id()}"


def test_redis_holds_no_ticket_and_forgets_it_after_a_minute(instances, redis):
    one, two = instances
    ticket = one.ticket("somebody")
    (key,) = redis.keys()
    assert key.startswith("dumbwaiter:ticket:") and ticket not in key
    assert ticket not in redis.command("GET", key)
    assert 50_000 < int(redis.command("PTTL", key)) <= 60_000

    assert redis.command("PEXPIRE", key, "1") == "1"
    eventually(lambda: redis.keys() == [], 1, "an expired ticket")
    assert two.plain_at(f"key={ticket}").wait_for_close() == WRONG_KEY


def test_a_ticket_outlives_no_login(instances):
    one, two = instances
    ticket = one.ticket("somebody", lifetime=2)
    time.sleep(2.1)
    assert two.plain_at(f"key={ticket}").wait_for_close() == WRONG_KEY


def test_of_two_instances_that_are_brought_one_ticket_exactly_one_takes_it(start_service, redis):
    quiet = {"log": {"level": "info"}}
    hosts = [start_service(redis.settings() | quiet).listen for _ in range(2)]
    outcomes = redeem.outcomes(hosts, tokens.token("somebody"), TOGETHER)
    winners = Counter(results.count(redeem.WON) for results in outcomes)
    assert winners == {1: TOGETHER}
    assert Counter(code for results in outcomes for code in results) == {redeem.WON: TOGETHER, 4001: TOGETHER}
    firsts = sum(results[0] == redeem.WON for results in outcomes)
    assert 0 < firsts < TOGETHER, "both instances win some: they did race"


def test_without_redis_clients_are_to_come_back_and_nobody_else_notices(start_service, producer):
    redis = Redis(RUN / "redis-down").start()
    service = start_service(redis.settings())
    plain, screen = service.plain("before", role="ADMIN"), service.socket_io("before", role="ADMIN")
    ticket = service.ticket("somebody")

    redis.kill()
    assert service.plain_at(f"key={ticket}").wait_for_close() == TRY_LATER
    answer = service.request_ticket(tokens.token("somebody"))
    assert (answer.status_code, answer.json()) == (
        503,
        {"success": False, "error": "No ticket for now, try again later"},
    )
    assert 1 <= int(answer.headers["Retry-After"]) <= 5
    service.socket_io("during", role="ADMIN")
    plain.wait_for(producer.pizza(records.pizza())["uuid"])
    screen.wait_for("order:new", producer.order(records.order())["_id"])
    assert service.readyz() == 200
    assert service.metric("dumbwaiter_redis_requests_total", outcome="unreachable") == 2
    assert service.metric("dumbwaiter_tickets_total", outcome="not_looked_up") == 1
    assert service.metric("dumbwaiter_tickets_total", outcome="not_stored") == 1
    assert service.metric("dumbwaiter_connections_ended_total", ending="unavailable", protocol="plain") == 1
    assert service.log().count("is redis.url right") == 1

    redis.start()
    come_back(service)
    # The first request after a restart is not the price of noticing it.
    redis.kill()
    redis.start()
    service.ticket("somebody")
    redis.kill()


def test_a_service_that_started_without_redis_finds_it_later(start_service):
    redis = Redis(RUN / "redis-late")
    service = start_service(redis.settings())
    assert service.request_ticket(tokens.token("somebody")).status_code == 503
    redis.start()
    come_back(service)
    redis.kill()


def test_a_redis_that_hangs_holds_up_nobody_for_longer_than_the_timeout(start_service):
    redis = Redis(RUN / "redis-hangs").start()
    service = start_service(redis.settings(timeout="300ms"))
    ticket = service.ticket("somebody")
    redis.freeze()
    asked_at = time.monotonic()
    assert service.request_ticket(tokens.token("somebody")).status_code == 503
    assert time.monotonic() - asked_at > 0.3
    assert service.plain_at(f"key={ticket}").wait_for_close() == TRY_LATER
    assert service.metric("dumbwaiter_redis_requests_total", outcome="late") == 2
    redis.thaw()
    come_back(service)
    redis.kill()


def test_a_wrong_password_is_one_clear_line_that_does_not_show_it(start_service, redis):
    wrong = "a wrong password that must never be shown either"
    service = start_service(redis.settings(password=wrong))
    for _ in range(3):
        assert service.request_ticket(tokens.token("somebody")).status_code == 503
    (line,) = [line for line in service.log().splitlines() if "redis" in line and "WARN" in line]
    assert "does not take user and password" in line and "set redis.password" in line
    assert service.metric("dumbwaiter_redis_requests_total", outcome="unauthorized") == 3
    assert wrong not in service.log()

    checked = tools.run("check", "--online", "--config", service.folder / "dumbwaiter.toml")
    assert checked.code == 1
    assert "does not take user and password" in checked.out and "set redis.password" in checked.out
    assert wrong not in checked.out + checked.err


def test_check_says_whether_redis_is_there_and_printed_settings_hide_its_password(instances):
    config = instances[0].folder / "dumbwaiter.toml"
    checked = tools.run("check", "--online", "--config", config)
    assert "answers, version 7." in checked.out and "takes GETDEL" in checked.out
    printed = tools.run("check", "--print-config", "--config", config)
    assert PASSWORD not in checked.out + printed.out and "redis" in printed.out


def test_over_tls_with_a_user_of_its_own_that_may_do_no_more(start_service, tmp_path):
    authority = Authority(tmp_path)
    certificate = authority.issue("redis", hosts=["localhost"])
    user = ["--user", "dumbwaiter", "on", ">pass for a user", "~dumbwaiter:ticket:*", "+set", "+getdel"]
    redis = Redis(RUN / "redis-tls", certificate, arguments=user).start()
    secret = tmp_path / "password"
    secret.write_text("pass for a user\n")
    mine = {"username": "dumbwaiter", "password": None, "password_file": str(secret), "timeout": "5s"}

    def settings(**more):
        settings = redis.settings(**mine | more)
        settings["redis"] = {key: value for key, value in settings["redis"].items() if value is not None}
        return settings

    trusting = settings(ca_file=str(authority.certificate))
    one, two = start_service(trusting), start_service(trusting)
    client = two.plain_at(f"key={one.ticket('somebody')}")
    client.send("hello")
    assert two.metric("dumbwaiter_tickets_total", outcome="redeemed") == 1

    for more, outcome in [
        ({}, "unreachable"),
        ({"ca_file": str(authority.certificate), "key_prefix": "others:"}, "not_permitted"),
    ]:
        service = start_service(settings(**more))
        assert service.request_ticket(tokens.token("somebody")).status_code == 503
        assert service.metric("dumbwaiter_redis_requests_total", outcome=outcome) == 1
    redis.kill()


def test_no_ticket_and_no_password_is_in_any_log(instances):
    one, two = instances
    tickets = [one.ticket("somebody") for _ in range(3)]
    for ticket in tickets[:2]:
        two.plain_at(f"key={ticket}")
    two.plain_at(f"key={tickets[0]}").wait_for_close()
    for service in instances:
        assert not [secret for secret in [*tickets, PASSWORD] if secret in service.log()]
