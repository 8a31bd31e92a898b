"""A login that was revoked is out within a second, at every instance, and stays out over restarts (docs/authentication.md).

Each test has a control topic of its own, since the services of the other tests read the one of that name by default.
"""

import json
import time
import uuid

import pytest
from confluent_kafka import Consumer

from support import contract, records, tokens, tools
from support.contract import compact
from support.login import Login
from support.waiting import SLACK, eventually

REVOKED = (4003, "Access revoked")
WITHIN = 1


@pytest.fixture
def topic(kafka):
    name = f"control-{uuid.uuid4().hex[:8]}"
    kafka.create_compacted(name)
    return name


@pytest.fixture
def start(start_service, topic):
    def start(settings=None):
        return start_service({"revocation": {"topic": topic}} | (settings or {}))

    return start


@pytest.fixture
def control(topic, producer):
    """Writes one record, acknowledged when this returns."""

    def write(key, value, to=topic):
        producer.send_bytes(to, None if value is None else json.dumps(value), key=key)

    return write


def until_now():
    return {"issued_before": int(time.time()) + 1}


def is_refused(service, token):
    return service.request_ticket(token).status_code == 401


def admin(sub, **claims):
    return tokens.token(sub, **({"role": "ADMIN"} | claims))


def open_official(service, token, **options):
    options = {"auth": {"token": token}, "reconnectionDelay": 100} | options
    return service.open_socket_io(**options).wait_until_authorized()


def test_a_revoked_user_is_out_at_both_instances_within_a_second(start, control, producer):
    one, two = start(), start()
    token = admin("gone")
    plain = one.plain_at(f"key={one.request_ticket(token).json()['token']}")
    official = open_official(two, token)
    recovering = open_official(one, token, query={"recovery": "1"})
    unused_ticket = two.request_ticket(token).json()["token"]
    stays = [one.plain("stays", role="ADMIN"), two.plain("stays", role="ADMIN")]

    control("user:gone", until_now())
    acknowledged_at = time.monotonic()

    assert plain.wait_for_close(WITHIN) == REVOKED
    for client in (official, recovering):
        error = client.events.wait_for(lambda event: event.name == "authorization:error", WITHIN, "the error")
        assert error.args == [contract.authorization_error()]
        assert client.wait_for_life("disconnect", WITHIN) == "io server disconnect"
        assert client.frames.all()[-2:] == [
            '42["authorization:error",' + compact(contract.authorization_error()) + "]",
            "41",
        ]
    assert time.monotonic() - acknowledged_at < WITHIN * SLACK
    assert is_refused(one, token) and is_refused(two, token)
    assert two.plain_at(f"key={unused_ticket}").wait_for_close() == (4001, "Wrong connection key.")

    pizza = producer.pizza(records.pizza())
    for client in stays:
        client.wait_for(pizza["uuid"])
    assert [step for step in official.life.all() if step[0] == "attempt"] == [], "it does not come back"


def test_a_restarted_instance_knows_what_was_revoked_and_lifting_counts_everywhere(start, control):
    one, two = start(), start()
    token = admin("back-again", jti="t-1")
    control("token:t-1", {})
    eventually(lambda: is_refused(one, token) and is_refused(two, token), WITHIN, "refused at both")

    one.process.kill()
    one.start().wait_until_ready()
    assert is_refused(one, token), "from its first second"
    official = one.open_socket_io(auth={"token": token})
    assert official.wait_for_life("disconnect") == "io server disconnect"

    control("token:t-1", None)
    eventually(lambda: not is_refused(one, token) and not is_refused(two, token), WITHIN, "let in at both")
    open_official(one, token)


def test_an_instance_is_ready_when_the_last_of_many_revocations_is_in_force(start, producer, topic):
    count = 20_000
    for number in range(count):
        producer.enqueue(topic, "{}", key=f"token:many-{number}")
    producer.flush()

    service = start()

    assert is_refused(service, admin("any", jti=f"many-{count - 1}"))
    assert not is_refused(service, admin("any", jti=f"many-{count}"))
    assert service.metric("dumbwaiter_revocations_in_force") == count
    assert "revocations: in force" in service.readiness()


def test_a_topic_and_a_partition_that_appear_later_are_read(start_service, kafka, control):
    name = f"control-late-{uuid.uuid4().hex[:8]}"
    service = start_service({"revocation": {"topic": name}})
    token, other = admin("late"), admin("later")
    assert not is_refused(service, token)

    kafka.create_compacted(name)
    control("user:late", until_now(), to=name)
    refresh = 1
    eventually(lambda: is_refused(service, token), WITHIN + refresh, "refused by the new topic")
    kafka.add_partitions(name, 6)
    # Some of these are in new partitions.
    for number in range(20):
        eventually(lambda: spread(control, name, number), 3, "the producer knows the new partitions")
    eventually(
        lambda: service.metric("dumbwaiter_revocations_in_force") == 21, WITHIN + refresh, "all of them in force"
    )
    assert not is_refused(service, other)


def spread(control, name, number):
    control(f"token:spread-{number}", {}, to=name)
    return True


def test_what_says_nothing_is_counted_and_located_and_never_shown(start, producer, topic):
    service = start()
    for key, value in [("user:hush-hush", "{"), ("hush-hush", "{}"), ("user:hush-hush", '{"issued_before":"x"}')]:
        producer.send_bytes(topic, value, key=key)

    eventually(lambda: service.metric("dumbwaiter_revocation_records_total", outcome="bad") == 3, WITHIN, "counted")
    assert producer.last_place() == f"{topic}-0-2"
    eventually(lambda: service.log().count("control record passed over") == 3, WITHIN, "told")
    assert "hush-hush" not in service.log()


def test_a_session_is_revoked_by_its_user(start, control):
    login = Login()
    try:
        login.claims["s-1"] = {"sub": "guest", "role": "ADMIN", "exp": int(time.time()) + 600}
        service = start({"session": {"url": login.url}})
        cookie = {"Cookie": "sessionId=s-1"}
        assert service.http("GET", "/api/v1/ws/ticket", headers=cookie).status_code == 200
        client = service.open_socket_io(extraHeaders=cookie).wait_until_authorized()

        # It does not say when it was issued, so any time is after it.
        control("user:guest", {"issued_before": 1})

        assert client.wait_for_life("disconnect", WITHIN) == "io server disconnect"
        assert service.http("GET", "/api/v1/ws/ticket", headers=cookie).status_code == 401
        login.claims["s-2"] = login.claims["s-1"] | {"iat": int(time.time())}
        again = {"Cookie": "sessionId=s-2"}
        assert service.http("GET", "/api/v1/ws/ticket", headers=again).status_code == 200
    finally:
        login.stop()


def test_switched_off_nobody_reads_the_topic(start_service, control):
    service = start_service({"revocation": {"topic": ""}})
    control("user:free", until_now())
    assert "control topic" not in service.log()
    assert not is_refused(service, admin("free"))


def run_revoke(service, *arguments):
    return tools.run("revoke", "--config", service.folder / "dumbwaiter.toml", *arguments)


def test_the_command_revokes_and_lifts(start, topic, kafka):
    service = start()
    clients = [service.plain("by-command", role="ADMIN")]
    first = run_revoke(service, "--user", "by-command")
    assert (first.code, first.out) == (0, f"{topic}-0-0\n"), first
    assert clients[0].wait_for_close(WITHIN) == REVOKED

    assert run_revoke(service, "--user", "by-command", "--lift").code == 0
    eventually(lambda: not is_refused(service, admin("by-command")), WITHIN, "let in again")
    assert run_revoke(service, "--token", "t-9").code == 0
    eventually(lambda: is_refused(service, admin("x", jti="t-9")), WITHIN, "the token refused")
    assert run_revoke(service, "--issued-before", "2020-01-01T00:00:00Z").code == 0
    without_iat = admin("x", iat=None)
    eventually(lambda: is_refused(service, without_iat), WITHIN, "everybody from before refused")
    assert not is_refused(service, admin("x"))
    assert [key for key, _ in all_records(kafka, topic, 4)] == [
        "user:by-command",
        "user:by-command",
        "token:t-9",
        "everybody",
    ]


def test_the_command_wants_a_topic_that_is_there(start_service):
    name = f"control-none-{uuid.uuid4().hex[:8]}"
    service = start_service({"revocation": {"topic": name}})
    refused = run_revoke(service, "--user", "x")
    assert refused.code == 1 and f"there is no topic {name}" in refused.err and "cleanup.policy=compact" in refused.err


def all_records(kafka, topic, count):
    consumer = Consumer({"bootstrap.servers": kafka.brokers, "group.id": topic, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([topic])
        got = consumer.consume(count, timeout=10 * SLACK)
        return [(message.key().decode(), message.value()) for message in got]
    finally:
        consumer.close()
