"""docs/openapi.yaml and docs/asyncapi.yaml: what an answer or a message must be like, for the tests to hold the real ones against it."""

import functools
import json

import jsonschema
import yaml

from support.paths import DOCS, REPOSITORY

# The JSON forms that the `json` attribute of a bundled schema, or a logical type, asks for.
RFC3339 = {"type": "string", "format": "date-time"}
PRIMITIVES = {"string": "string", "long": "integer", "int": "integer", "boolean": "boolean", "double": "number", "null": "null"}


@functools.cache
def document(name):
    return yaml.safe_load((DOCS / name).read_text(encoding="utf-8"))


def resolved(whole, part):
    """The part, or what its `$ref` points to."""
    while "$ref" in part:
        path = part["$ref"].removeprefix("#/").split("/")
        part = functools.reduce(lambda node, key: node[key.replace("~1", "/")], path, whole)
    return part


def faults(name, schema, value):
    """What is wrong with a value, by a schema of that document."""
    whole = document(name)
    validator = jsonschema.Draft202012Validator(schema | {"components": whole["components"]})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def check_answer(answer, listener):
    """An answer (of `requests`) of the `clients` or `operators` listener is one that docs/openapi.yaml describes for its path, method and status."""
    path = answer.request.path_url.partition("?")[0]
    described = document("openapi.yaml")["paths"].get(path)
    operation = described.get(answer.request.method.lower()) if described else None
    if operation is None or listener not in operation["tags"]:
        # Routes that are none at this listener, and methods that a route has not.
        assert answer.status_code in (404, 405) or path.startswith("/ws"), f"undescribed: {path} {answer.status_code}"
        return
    whole = document("openapi.yaml")
    responses = operation["responses"]
    where = f"{answer.request.method} {path} {answer.status_code}"
    # Below the routes: a head that is too long or broken.
    assert str(answer.status_code) in responses, f"docs/openapi.yaml does not have {where}"
    response = resolved(whole, responses[str(answer.status_code)])
    for header, about in response.get("headers", {}).items():
        value = answer.headers.get(header)
        assert value is not None, f"{where} lacks {header}"
        assert faults("openapi.yaml", resolved(whole, about)["schema"], value) == [], where
    content = response.get("content", {})
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if not content or answer.request.method == "HEAD":
        assert not answer.content, f"{where} has a body"
        return
    assert kind in content, f"{where} has a body of {kind!r}"
    body = answer.json() if kind == "application/json" else answer.text
    assert faults("openapi.yaml", content[kind]["schema"], body) == [], f"{where}: {body!r}"


def message_faults(message, value):
    """What is wrong with a message, by its name among the components of docs/asyncapi.yaml."""
    return faults("asyncapi.yaml", document("asyncapi.yaml")["components"]["messages"][message]["payload"], value)


def json_schema_of(avsc):
    """The payload that the service makes of a bundled schema, in its order: as the contracts show it."""
    return _of(json.loads((REPOSITORY / "schemas" / avsc).read_text()), None)


def _of(avro, form):
    if isinstance(avro, list):
        # A union is its bare value. Branches that look the same in JSON are one.
        branches = [_of(branch, form) for branch in avro]
        return _union([branch for i, branch in enumerate(branches) if branch not in branches[:i]])
    if isinstance(avro, str):
        return dict(RFC3339) if form and avro == "string" else {"type": PRIMITIVES[avro]}
    if avro["type"] == "record":
        fields = avro["fields"]
        return {
            "type": "object",
            "required": [field["name"] for field in fields],
            "additionalProperties": False,
            "properties": {field["name"]: _of(field["type"], field.get("json")) for field in fields},
        }
    if avro["type"] == "array":
        return {"type": "array", "items": _of(avro["items"], None)}
    return dict(RFC3339) if form else {"type": PRIMITIVES[avro["type"]]}


def _union(branches):
    if len(branches) == 1:
        return branches[0]
    if all(branch.keys() == {"type"} for branch in branches):
        return {"type": [branch["type"] for branch in branches][::-1]}
    return {"oneOf": branches[::-1]}
