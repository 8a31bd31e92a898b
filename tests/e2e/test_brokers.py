"""Brokers as they are in companies: TLS, mutual TLS and every SASL mechanism; and what is told when it does not fit.

One broker with a listener of each kind serves the module. Services that must not get in are started together, so
that the time in which each may say its trouble only once is waited for once.
"""

import signal
import time

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from support import records
from support.processes import free_port
from support.records import Producer
from support.secure_kafka import KEY_PASSWORD, MECHANISMS, PASSWORD, STRANGER, USER, SecureKafka
from support.service import Service, start_serve
from support.waiting import eventually

WRONG_PASSWORD = "another-kafka-password"
TROUBLE = "cannot read from kafka"


@pytest.fixture(scope="module")
def secure_kafka(run_folder):
    kafka = SecureKafka(run_folder / "secure-kafka").prepare().start().wait_until_ready()
    kafka.create_topics("pizza.created", "order.created", "order.condition", partitions=1)
    yield kafka
    kafka.kill()


@pytest.fixture(scope="module")
def admin(secure_kafka):
    return AdminClient({"bootstrap.servers": secure_kafka.brokers})


@pytest.fixture(scope="module")
def secure_producer(secure_kafka, registry):
    return Producer(secure_kafka.brokers, registry)


@pytest.fixture
def serve(secure_kafka, registry, driver):
    """`serve("SASL", {...})`: a service that comes in by that listener, started and not waited for."""
    started = []

    def start(address, kafka_settings, env=None):
        started.append(Service(address, registry.url, driver, {"kafka": kafka_settings}, env).start())
        return started[-1]

    yield start
    for service in started:
        service.stop()


# The settings of an operator, by way in. They are what docs/kafka.md shows.


def tls(kafka, **properties):
    return {"properties": {"security.protocol": "ssl", "ssl.ca.location": str(kafka.authority.certificate)} | properties}


def mutual_tls(kafka):
    files = {"ssl.certificate.location": kafka.client.certificate, "ssl.key.location": kafka.client.key}
    return tls(kafka, **{name: str(path) for name, path in files.items()}) | {"key_password": KEY_PASSWORD}


def sasl(kafka, mechanism, username=USER, **more):
    properties = {"security.protocol": "sasl_ssl", "sasl.mechanism": mechanism}
    return tls(kafka, **properties) | {"username": username} | more


def oidc(kafka, **more):
    properties = {
        "security.protocol": "sasl_ssl",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": USER,
        "sasl.oauthbearer.token.endpoint.url": kafka.issuer.token_url,
    }
    return tls(kafka, **properties | more.pop("properties", {})) | more


# Each: the listener, and the settings for it.
WAYS_IN = {
    "tls": ("TLS", tls),
    "mutual tls": ("MTLS", mutual_tls),
    **{
        mechanism: ("SASL", lambda kafka, mechanism=mechanism: sasl(kafka, mechanism, password=PASSWORD))
        for mechanism in MECHANISMS
    },
    "oauthbearer": ("SASL", lambda kafka: oidc(kafka, client_secret=PASSWORD)),
}


def assert_it_reads(service, producer):
    staff = service.wait_until_ready().plain("staff", role="ADMIN")
    pizza = producer.pizza(records.pizza())
    staff.wait_for(pizza["uuid"])


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_records_come_through_every_way_in(serve, secure_kafka, secure_producer, way_in):
    listener, settings = WAYS_IN[way_in]

    service = serve(secure_kafka.address(listener), settings(secure_kafka))

    assert_it_reads(service, secure_producer)
    assert PASSWORD not in service.log() and TROUBLE not in service.log()


def test_the_password_may_come_from_a_file(serve, secure_kafka, secure_producer, run_folder):
    file = run_folder / "kafka-password.txt"
    file.write_text(PASSWORD + "\n")
    settings = sasl(secure_kafka, "SCRAM-SHA-512", password_file=str(file))

    assert_it_reads(serve(secure_kafka.address("SASL"), settings), secure_producer)


@pytest.mark.parametrize("variable", ["PASSWORD", "PASSWORD_FILE"])
def test_the_password_may_come_by_the_environment(serve, secure_kafka, secure_producer, run_folder, variable):
    file = run_folder / "kafka-password.txt"
    file.write_text(PASSWORD)
    env = {f"DUMBWAITER_KAFKA__{variable}": str(file) if variable.endswith("FILE") else PASSWORD}

    service = serve(secure_kafka.address("SASL"), sasl(secure_kafka, "PLAIN"), env)

    assert_it_reads(service, secure_producer)


# What is wrong: listener or address, settings, the code it is counted under, and the keys that the log must name.


def untrusted(kafka):
    return tls(kafka, **{"ssl.ca.location": str(kafka.stranger_authority.certificate)})


def dead_endpoint(kafka):
    url = f"http://127.0.0.1:{free_port()}/token"
    return oidc(kafka, client_secret=PASSWORD, properties={"sasl.oauthbearer.token.endpoint.url": url})


def wrong_name(kafka):
    return kafka.address("TLS").replace("localhost", "127.0.0.1")


LOGIN_KEYS = ["kafka.username", "kafka.password_file"]
TROUBLES = {
    **{
        f"a wrong password, {mechanism}": (
            "SASL",
            lambda kafka, mechanism=mechanism: sasl(kafka, mechanism, password=WRONG_PASSWORD),
            "authentication",
            LOGIN_KEYS,
        )
        for mechanism in MECHANISMS
    },
    "nobody of that name": (
        "SASL",
        lambda kafka: sasl(kafka, "SCRAM-SHA-256", "nobody", password=PASSWORD),
        "authentication",
        LOGIN_KEYS,
    ),
    "a wrong client secret": (
        "SASL",
        lambda kafka: oidc(kafka, client_secret=WRONG_PASSWORD),
        "token",
        ["kafka.client_secret_file"],
    ),
    "a token endpoint that is down": (
        "SASL",
        dead_endpoint,
        "token",
        ["sasl.oauthbearer.token.endpoint.url"],
    ),
    "an authority we do not trust": ("TLS", untrusted, "certificate", ["ssl.ca.location"]),
    "a host name that is not the broker's": (
        wrong_name,
        tls,
        "certificate",
        ["kafka.brokers", "advertised.listeners"],
    ),
    "no certificate of ours": ("MTLS", tls, "client_certificate", ["ssl.certificate.location", "ssl.key.location"]),
    "plain text to a tls port": ("TLS", lambda kafka: {}, "security_protocol", ["security.protocol"]),
    "tls to a plain text port": ("PLAINTEXT", tls, "security_protocol", ["security.protocol"]),
    "no login where one is wanted": ("SASL", tls, "unreachable", ["security.protocol"]),
    "a host that does not exist": (lambda kafka: "broker.invalid:9092", tls, "unknown_host", ["kafka.brokers"]),
    "a port where nobody is": (
        lambda kafka: f"127.0.0.1:{free_port()}",
        lambda kafka: {},
        "unreachable",
        ["kafka.brokers"],
    ),
}


@pytest.fixture(scope="module")
def troubled(secure_kafka, registry, driver):
    """A service for each trouble, after long enough for the Kafka client to have told it some dozen times."""
    services = {}
    for trouble, (door, settings, _code, _keys) in TROUBLES.items():
        address = door(secure_kafka) if callable(door) else secure_kafka.address(door)
        changes = {"kafka": settings(secure_kafka), "log": {"level": "info"}}
        services[trouble] = Service(address, registry.url, driver, changes).start()
    for service in services.values():
        eventually(lambda service=service: service.livez() == 200, 4, "/livez answers")
    time.sleep(4)
    yield services
    # All at once: each is in the middle of a question that nobody answers.
    for service in services.values():
        service.process.signal(signal.SIGTERM)
    for service in services.values():
        service.stop()


def trouble_lines(service):
    return [line for line in service.log().splitlines() if TROUBLE in line]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_is_told_once_with_the_way_out(troubled, trouble):
    service = troubled[trouble]
    _door, _settings, code, keys = TROUBLES[trouble]

    eventually(lambda: trouble_lines(service), 1, "a line in the log")

    (line,) = trouble_lines(service)
    assert code in line
    assert [key for key in keys if key not in line] == []
    assert service.metric("dumbwaiter_kafka_errors_total", code=code) > 0
    assert PASSWORD not in service.log() and WRONG_PASSWORD not in service.log()


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_service_in_trouble_lives_is_not_ready_and_says_why(troubled, trouble):
    service = troubled[trouble]
    *_, keys = TROUBLES[trouble]

    assert (service.livez(), service.readyz()) == (200, 503)
    assert [key for key in keys if key not in service.readiness()] == []
    assert len(service.log().splitlines()) < 15, service.log()


def test_a_wrong_password_that_becomes_right_lets_the_service_in(serve, secure_kafka, secure_producer, admin):
    settings = sasl(secure_kafka, "SCRAM-SHA-256", "late-comer", password="in-time")
    service = serve(secure_kafka.address("SASL"), settings)
    eventually(lambda: trouble_lines(service), 2, "a line in the log")

    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    upsertion = UserScramCredentialUpsertion("late-comer", info, b"in-time")
    [changed.result(30) for changed in admin.alter_user_scram_credentials([upsertion]).values()]

    assert_it_reads(service, secure_producer)
    eventually(lambda: "kafka: caught up" in service.readiness(), 2, "no trouble any more")
    assert len(trouble_lines(service)) == 1 and "connected to kafka again" in service.log()


def test_a_user_who_may_not_join_the_group_is_not_ready_until_it_may(
    serve, secure_kafka, secure_producer, admin
):
    def group(user, permission):
        return AclBinding(
            ResourceType.GROUP, "*", ResourcePatternType.LITERAL, f"User:{user}", "*", AclOperation.ALL, permission
        )

    denied = group(STRANGER, AclPermissionType.DENY)
    rules = [group("*", AclPermissionType.ALLOW), denied]
    [created.result(30) for created in admin.create_acls(rules).values()]
    service = serve(secure_kafka.address("SASL"), sasl(secure_kafka, "SCRAM-SHA-512", STRANGER, password=PASSWORD))
    eventually(lambda: trouble_lines(service), 2, "a line in the log")
    assert service.readyz() == 503
    assert "kafka.group" in service.readiness()
    assert service.metric("dumbwaiter_kafka_errors_total", code="authorization") > 0

    [deleted.result(30) for deleted in admin.delete_acls([filter_of(denied)]).values()]

    assert_it_reads(service, secure_producer)


def filter_of(rule):
    return AclBindingFilter(
        rule.restype,
        rule.name,
        rule.resource_pattern_type,
        rule.principal,
        rule.host,
        rule.operation,
        rule.permission_type,
    )


# What stops the start.

BAD_SETTINGS = {
    "a password among the properties": (
        {"properties": {"sasl.password": WRONG_PASSWORD}},
        ["kafka.properties.sasl.password", "kafka.password_file"],
    ),
    "java's login": (
        {"properties": {"sasl.jaas.config": f'x required password="{WRONG_PASSWORD}";'}},
        ["kafka.properties.sasl.jaas.config", "kafka.username"],
    ),
    "a password without a login": ({"password": WRONG_PASSWORD}, ["kafka.password", "security.protocol"]),
    "a mechanism we do not have": (
        {"properties": {"security.protocol": "sasl_ssl", "sasl.mechanism": "GSSAPI"}},
        ["kafka.properties.sasl.mechanism", "SCRAM-SHA-512"],
    ),
    "an authority that is not there": (
        {"properties": {"security.protocol": "ssl", "ssl.ca.location": "/nonexistent/ca.pem"}},
        ["kafka.properties", "ssl.ca.location"],
    ),
    "a property that is none": (
        {"properties": {"sasl.passwort": WRONG_PASSWORD}},
        ["kafka.properties.sasl.passwort"],
    ),
}


@pytest.mark.parametrize("fault", BAD_SETTINGS)
def test_settings_that_cannot_work_stop_the_start(run_folder, fault):
    kafka_settings, named = BAD_SETTINGS[fault]
    settings = {"kafka": kafka_settings, "auth": {"secret": "s" * 32}, "web": {"listen": "127.0.0.1:0"}}
    settings["registry"] = {"urls": ["http://127.0.0.1:9"]}

    process = start_serve(run_folder / "faults" / fault.replace(" ", "-"), settings)

    assert process.exit_code(within=2) == 2, process.log()
    assert [name for name in named if name not in process.log()] == []
    assert WRONG_PASSWORD not in process.log()
