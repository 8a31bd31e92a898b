"""docs/openapi.yaml and docs/asyncapi.yaml are what the service does.

Every answer over HTTP that any test gets is compared with the first, in `support.described`; here are the answers that no other test asks for.
"""

import json
import subprocess

import pytest
from openapi_spec_validator import validate

from support import described, records, tokens
from support.paths import DOCS, NODE, REPOSITORY
from support.service import UPGRADE

SCHEMAS = {"Pizza": "pizza.avsc", "PopulatedOrder": "populated_order.avsc", "OrderCondition": "order_condition.avsc"}


def test_the_openapi_document_is_valid():
    validate(described.document("openapi.yaml"))


def test_the_asyncapi_document_is_valid():
    """By the official parser, which prints what is wrong."""
    checker = REPOSITORY / "tests" / "e2e" / "support" / "asyncapi.mjs"
    done = subprocess.run(
        ["node", checker, DOCS / "asyncapi.yaml", NODE / "package.json"], capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_described_payloads_are_the_bundled_schemas(name):
    schema = described.document("asyncapi.yaml")["components"]["schemas"][name]

    # As text, because the order of the fields counts too.
    assert json.dumps(schema) == json.dumps(described.json_schema_of(SCHEMAS[name]))


def test_every_route_is_described(service):
    paths = described.document("openapi.yaml")["paths"]
    routers = "".join((REPOSITORY / "src" / part / "mod.rs").read_text() for part in ("web", "board"))

    assert sorted(paths) == sorted(set(part.split('"')[0] for part in routers.split('.route("')[1:]))


def test_answers_are_as_described(service):
    """`service.http` compares each."""
    handshake = UPGRADE | {"Sec-WebSocket-Version": "12"}
    asked = [
        service.request_ticket(tokens.token("somebody", role="USER")),
        service.request_ticket("not.a.token"),
        service.http("GET", "/api/v1/ws/ticket", headers={"Origin": "http://foreign.example"}),
        service.http("OPTIONS", "/api/v1/ws/ticket", headers={"Origin": "http://foreign.example"}),
        service.http("GET", "/api/v1/ws/ticket", data="a body"),
        service.http("GET", "/ws"),
        service.http("GET", "/ws", headers=handshake),
        service.http("GET", "/ws", headers=UPGRADE | {"Origin": "http://foreign.example"}),
        service.http("GET", "/ws/?EIO=3&transport=websocket", headers=UPGRADE),
        service.http("GET", "/ws?since=whenever", headers=UPGRADE),
    ]

    assert [answer.status_code for answer in asked] == [200, 401, 403, 403, 400, 400, 426, 403, 400, 400]


def test_messages_are_as_described(service, producer):
    plain = service.plain("described", role="ADMIN")
    with_cursor = service.plain_at(f"key={service.ticket('described', role='ADMIN')}&cursor=")
    screen = service.socket_io("described", role="ADMIN")
    refused = service.open_socket_io(auth={"token": "not.a.token"})
    pizza, order = producer.pizza(records.pizza()), producer.order(records.order())
    producer.condition(records.condition(order["_id"]))
    screen.wait_for("order:condition", order["_id"])
    refused.wait_for_life("disconnect")
    last = plain.wait_for(pizza["uuid"])
    with_cursor.inbox.wait_for(lambda message: pizza["uuid"] in message.text, 2, "the pizza with its cursor")

    received = [last.text, *(message.text for message in with_cursor.messages())]
    names = {"authorization:ok": "authorizationOk", "authorization:error": "authorizationError"} | {
        "order:new": "orderNew",
        "order:condition": "orderCondition",
    }
    events = [event for client in (screen, refused) for event in client.events.all()]

    assert {event.name for event in events} == set(names)
    assert {json.loads(text)["event_name"] for text in received} == {"STATUS", "CREATE_PIZZA"}
    assert [fault for text in received for fault in plain_faults(json.loads(text))] == []
    assert [fault for event in events for fault in described.message_faults(names[event.name], event.args)] == []


def plain_faults(message):
    return described.message_faults(message["event_name"], message)


def test_a_wrong_message_is_noticed():
    assert described.message_faults("orderNew", [{"_id": "1"}]) != []
    assert described.message_faults("authorizationOk", [None]) != []
