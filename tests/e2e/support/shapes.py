"""Avro schemas as the systems that write to Kafka might have them, and ways to change them.

They are written after docs/contract/TYPES.md, not copied from the service's bundled ones: the two meet only in
the service. `evolve` gives a copy with some fields put in, replaced or left out, as another version of a writer.
"""

import copy
import uuid


def nullable(kind):
    return ["null", kind]


def field(name, kind, **extra):
    return {"name": name, "type": kind, **extra}


def record(name, *fields, namespace="shop.events"):
    return {"type": "record", "name": name, "namespace": namespace, "fields": list(fields)}


MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
PRICE_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}

DISCOUNT = record("Discount", field("type", "string"), field("percent", "double"))

PRODUCT = record(
    "Product",
    field("_id", "string"),
    field("visible", "boolean"),
    field("title", "string"),
    field("description", "string"),
    field("ingredients", {"type": "array", "items": "string"}),
    field("images", {"type": "array", "items": "string"}),
    field("type", "string"),
    field("cost", "long"),
    field("weight", "long"),
    field("createdAt", MILLIS),
    field("updatedAt", MILLIS),
)

VARIANT = record(
    "Variant",
    field("_id", "string"),
    field("title", "string"),
    field("visible", "boolean"),
    field("image", nullable("string")),
    field("icon", nullable("string")),
    field("cost", "long"),
    field("weight", "long"),
    field("createdAt", MILLIS),
    field("updatedAt", MILLIS),
)

ORDERED_PRODUCT = record(
    "OrderedProduct",
    field("cost", "long"),
    field("weight", "long"),
    field("number", "long"),
    field("product", nullable(PRODUCT)),
    field("variant", nullable(VARIANT)),
)

ORDER = record(
    "PopulatedOrder",
    field("_id", "string"),
    field("number", "long"),
    field("clientId", nullable("string")),
    field("phone", "string"),
    field("address", nullable("string")),
    field("cost", "long"),
    field("weight", "long"),
    field("username", "string"),
    field("condition", "string"),
    field("delivery", "boolean"),
    field("deliveryCost", nullable("long")),
    field("discount", nullable(DISCOUNT)),
    field("additionalInformation", nullable("string")),
    field("deliveryCalculateManually", nullable("boolean")),
    field("time", nullable(MILLIS)),
    field("productsSum", "long"),
    field("products", {"type": "array", "items": ORDERED_PRODUCT}),
    field("isTestOrder", "boolean"),
    field("createdAt", MILLIS),
    field("updatedAt", MILLIS),
)

CONDITION = record("OrderCondition", field("_id", "string"), field("condition", "string"))

# The same news from a system that says whose order it is, for routing only.
OWNED_CONDITION = record(
    "OrderCondition",
    field("_id", "string"),
    field("clientId", nullable("string")),
    field("condition", "string"),
)

PIZZA = record(
    "Pizza",
    field("uuid", "string"),
    field("name", "string"),
    field("store_id", "long"),
    field("user_uuid", "string"),
    field("size", "int"),
    field("accepted", "boolean"),
    field("price", "double"),
    field("description", nullable("string")),
    field("img_url", "string"),
    field("created_date", MICROS),
    field("time_prepared", MICROS),
)


def unseen(schema):
    """A version of it that nobody has read yet, for the same records. (The registry gives two that differ in their doc
    only one id.)"""
    return evolve(schema, first=[field(f"unseen_{uuid.uuid4().hex}", "null", default=None)])


def evolve(schema, *, replace=(), drop=(), first=(), namespace=None):
    """Another version of a writer's schema: fields replaced (`{old name: new field}`), dropped, or added in front."""
    schema = copy.deepcopy(schema)
    replace = dict(replace)
    kept = [replace.get(f["name"], f) for f in schema["fields"] if f["name"] not in drop]
    schema["fields"] = [*first, *kept]
    if namespace is not None:
        schema["namespace"] = namespace
    return schema
