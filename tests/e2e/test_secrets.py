"""Marked values for everything that is secret, sent along every way there is: none of them may ever be seen again.

What is looked through: the log at its most talkative, with the Kafka client's own; metrics, health, answers to clients, and
what the commands say. A payload goes to whom it is for, and nowhere else.
"""

import base64
import json

import pytest
import requests

from support import records, shapes, tokens, tools
from support.bare import connect
from support.login import Login
from support.records import body, framed
from support.redis import PASSWORD as REDIS_PASSWORD
from support.redis import Redis
from support.service import UPGRADE, start_serve
from support.waiting import eventually

PHONE = "+380715550123"
STREET = "canary-street-4711"
SESSION = "canary-session-9d2f6c1b4e"
UNKNOWN_SESSION = "canary-unknown-session-77ab"
TICKET = "CanaryTicket0123456789abcdefghij"
CURSOR = "canary-cursor-5f6e7d"
GARBAGE = "canary-garbage-token"
SECRETS = {
    "the secret of tokens": "canary-hmac-secret-that-is-long-enough-for-HS512-and-more-than-that-00",
    "the key of cursors": "canary-cursor-key-that-has-more-than-32-bytes",
    "the former key of cursors": "canary-former-cursor-key-that-has-more-than-32",
    "the registry's password": "canary-registry-password",
    "Kafka's password": "canary-kafka-password",
    "Redis' password": REDIS_PASSWORD,
}


def token(sub="canary-subject", **claims):
    return tokens.token(sub, secret=SECRETS["the secret of tokens"], phone=PHONE, **claims)


@pytest.fixture(scope="module")
def login():
    login = Login()
    login.claims[SESSION] = {"sub": "canary-subject", "role": "ADMIN", "exp": 4_000_000_000, "phone": PHONE}
    yield login
    login.stop()


@pytest.fixture(scope="module")
def redis(run_folder):
    redis = Redis(run_folder / "canary-redis").start()
    yield redis
    redis.kill()


@pytest.fixture
def canary(start_service, redis, login):
    return start_service(
        redis.settings()
        | {
            "auth": {"secret": SECRETS["the secret of tokens"], "query_token": True},
            "session": {"url": login.url},
            "cursor": {"key": SECRETS["the key of cursors"], "previous_key": SECRETS["the former key of cursors"]},
            "registry": {"username": "canary", "password": SECRETS["the registry's password"]},
            "kafka": {"properties": {"debug": "broker,security,consumer,cgrp"}},
            "log": {"level": "trace"},
        }
    )


class Seen:
    """All that has come out somewhere, and everything that must not."""

    def __init__(self):
        self.outputs = {}
        self.secrets = dict(SECRETS)

    def keep(self, what, text):
        self.outputs[what] = self.outputs.get(what, "") + text

    def secret(self, what, value):
        self.secrets[what] = value
        return value

    def token(self, what, value):
        # Any of its parts would do for somebody.
        _, claims, signature = value.split(".")
        self.secrets[f"{what}, claims"], self.secrets[f"{what}, signature"] = claims, signature
        return value

    def leaks(self):
        return [
            f"{what} in {where}"
            for where, text in self.outputs.items()
            for what, value in self.secrets.items()
            for form in forms(value)
            if form in text
        ]


def forms(value):
    """As it is, and as credentials are written into a header."""
    yield value
    for user in ("canary", "dumbwaiter"):
        yield base64.b64encode(f"{user}:{value}".encode()).decode()


def test_no_secret_is_ever_seen_again(canary, login, kafka, registry, producer, driver, run_folder, tmp_path, say):
    seen = Seen()
    for what, value in [("a phone number", PHONE), ("an address", STREET), ("a session", SESSION)]:
        seen.secret(what, value)
    for what, value in [("an unknown session", UNKNOWN_SESSION), ("a wrong ticket", TICKET), ("a wrong cursor", CURSOR)]:
        seen.secret(what, value)
    seen.secret("a token that is none", GARBAGE)

    tokens_of_all_sorts = show_tokens(canary, seen)
    show_sessions(canary, seen)
    show_tickets(canary, seen)
    show_cursors(canary, seen, tokens_of_all_sorts["good"])
    send_records(canary, seen, producer, registry)
    config = canary.folder / "dumbwaiter.toml"
    run_commands(canary, seen, config, tokens_of_all_sorts, producer, tmp_path)
    fail_at_kafka(seen, kafka, run_folder)

    seen.keep("metrics", canary.metrics().text)
    seen.keep("health", canary.readiness())
    for path in ("/", "/nothing", f"/{TICKET}"):
        seen.keep("admin pages", requests.get(f"http://{canary.admin_listen}{path}", timeout=5).text)
    canary.stop()
    seen.keep("the log", canary.log())
    # It must have been talkative, or it proves nothing.
    assert all(word in canary.log() for word in ("DEBUG", "librdkafka", "ending a connection", "poison"))
    say(f"{len(seen.secrets)} secrets looked for in {sum(map(len, seen.outputs.values())) // 1000} KB of output")
    assert seen.leaks() == []


def show_tokens(service, seen):
    shown = {
        "good": token(role="ADMIN"),
        "expired": token(lifetime=-60),
        "forged": tokens.token("canary-subject", secret="x" * 64, phone=PHONE),
        "of another issuer": token(iss="https://elsewhere.example"),
        "without a subject": token(sub=None),
        "of the wrong form": token(role={"canary": PHONE}),
        "too long": token(more="x" * 9_000),
    }
    for what, value in shown.items():
        seen.token(f"a token {what}", value)
    for value in [*shown.values(), GARBAGE, f"{GARBAGE}.{GARBAGE}.{GARBAGE}"]:
        answer = service.request_ticket(value)
        if answer.status_code == 200:
            seen.secret(f"a ticket for {value[-8:]}", answer.json()["token"])
        else:
            seen.keep("answers", answer.text)
        seen.keep("answers", service.http("GET", f"/{value}").text)
        seen.keep("answers", service.http("GET", "/ws", headers={"Authorization": f"Bearer {value}"}).text)
        by_hand = service.plain_at("EIO=4&transport=websocket")
        by_hand.send("40" + json.dumps({"token": value}))
        in_query = service.plain_at(f"EIO=4&transport=websocket&token={value}") if len(value) < 8_000 else by_hand
        in_query.send("40")
        for client in (by_hand, in_query):
            eventually(lambda client=client: len(client.messages()) > 1 or not client.is_open(), 2, "an answer")
            seen.keep("answers", "".join(message.text for message in client.messages()))
    return shown


def show_sessions(service, seen):
    for session in (SESSION, UNKNOWN_SESSION):
        answer = service.http("GET", "/api/v1/ws/ticket", headers={"Cookie": f"sessionId={session}"})
        if session == SESSION:
            assert answer.status_code == 200
            seen.secret("the ticket of a session", answer.json()["token"])
        else:
            seen.keep("answers", answer.text)


def show_tickets(service, seen):
    for _ in range(2):
        ticket = seen.secret("a ticket", service.request_ticket(token(role="ADMIN")).json()["token"])
        service.plain_at(f"key={ticket}")
        for wrong in (ticket, TICKET):
            seen.keep("close reasons", str(service.plain_at(f"key={wrong}").wait_for_close()))
    # Refused before and at the upgrade.
    for headers in ({}, UPGRADE | {"Origin": f"https://{TICKET}.example"}, UPGRADE | {"Sec-WebSocket-Version": "7"}):
        seen.keep("answers", service.http("GET", f"/ws?key={TICKET}", headers=headers).text)
    seen.keep("answers", service.http("POST", f"/ws?key={TICKET}&since=never", data=PHONE).text)
    raw = connect(service)
    raw.sendall(f"GET /ws?key={TICKET} HTTP/1.1\r\nX: \0{TICKET}\r\n\r\n".encode())
    seen.keep("answers", raw.recv(4096).decode())
    raw.close()


def show_cursors(service, seen, good):
    ticket = seen.secret("one more ticket", service.request_ticket(good).json()["token"])
    service.plain_at(f"key={ticket}&cursor={CURSOR}").inbox.wait_for_count(1, 2, "word of the gap")
    client = service.plain_at("EIO=4&transport=websocket&recovery=1")
    client.send("40" + json.dumps({"token": good, "pid": CURSOR, "offset": CURSOR}))
    client.inbox.wait_for(lambda message: "authorization:ok" in message.text, 2, "authorization:ok")


def send_records(service, seen, producer, registry):
    before = service.metric("dumbwaiter_records_poison_total")
    good = producer.order(records.order(phone=PHONE, address=STREET, username=STREET))
    order = body(shapes.ORDER, records.order(phone=PHONE, address=STREET))
    schema_id = registry.register(shapes.ORDER)
    poison = [
        framed(schema_id, order[:-3]),
        framed(schema_id, order + PHONE.encode()),
        f'{{"phone":"{PHONE}"}}'.encode(),
        b"\x00" + PHONE[:3].encode(),
    ]
    for value in poison:
        producer.send_bytes("order.created", value, key=PHONE, headers=[("note", STREET.encode())])
    staff = service.open_socket_io("staff", auth={"token": seen.token("one more token", token(role="ADMIN"))})
    staff.wait_until_authorized()
    condition = producer.condition({"_id": good["_id"], "condition": "DONE"})
    staff.wait_for("order:condition", condition["_id"])
    eventually(lambda: service.metric("dumbwaiter_records_poison_total") >= before + len(poison), 2, "all poison counted")


def run_commands(service, seen, config, shown, producer, tmp_path):
    poison = tmp_path / "poison"
    poison.write_bytes(f'{{"phone":"{PHONE}","address":"{STREET}"}}'.encode())
    for command in ("check", "serve"):
        printed = tools.run(command, "--print-config", "--config", config)
        seen.keep("printed settings", printed.out + printed.err)
    checked = tools.run("check", "--online", "--config", config, within=15)
    seen.keep("check --online", checked.out + checked.err)
    for what in ("forged", "expired"):
        for protocol in ("plain", "socketio"):
            told = tools.run("tail", "--url", f"http://{service.listen}", "--protocol", protocol, "--token", shown[what])
            assert told.code == 1
            seen.keep("tail", told.out + told.err)
        told = tools.run("explain", "--config", config, "--file", poison, "--topic", "order.created", "--token", shown[what])
        seen.keep("explain", told.out + told.err)
    nobody = tools.run("tail", "--url", "http://127.0.0.1:1", "--token", shown["good"])
    seen.keep("tail", nobody.out + nobody.err)
    for secret in SECRETS.values():
        # A fault beside a secret, and a secret where it does not belong.
        for key in ("cursor.kye", "log.level", "kafka.properties.sasl.password", "auth.jwks_refresh"):
            faulty = tools.run("check", "--config", config, "--set", f"{key}={secret}", "--set", "web.listen=nowhere")
            assert faulty.code != 0
        seen.keep("faults of other settings", tools.run("check", "--config", config, "--set", "web.listen=nowhere").err)


def fail_at_kafka(seen, kafka, run_folder):
    """A broker that wants no login at all, and is shown one."""
    settings = {
        "kafka": {
            "brokers": [kafka.brokers],
            "instance": "canary-kafka",
            "username": "dumbwaiter",
            "password": SECRETS["Kafka's password"],
            "properties": {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN", "debug": "all"},
        },
        "registry": {"urls": ["http://127.0.0.1:1"]},
        "auth": {"secret": SECRETS["the secret of tokens"]},
        "web": {"listen": "127.0.0.1:0", "admin_listen": "127.0.0.1:0"},
        "log": {"level": "trace"},
    }
    process = start_serve(run_folder / "canary-kafka", settings)
    eventually(lambda: "sasl" in process.log().lower(), 5, "word of the login")
    checked = tools.run("check", "--online", "--config", run_folder / "canary-kafka" / "dumbwaiter.toml", within=15)
    seen.keep("check --online", checked.out + checked.err)
    process.terminate(within=10)
    seen.keep("the log of a login that fails", process.log())
