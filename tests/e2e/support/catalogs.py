"""Catalogs of a test's own: the documented events, on topics that nobody else writes to.

`catalog` gives the text; a test puts it into a file beside whatever schemas it names.
"""

GRANTS = '[grants]\nkeys = ["role:{role}", "user:{sub}", "store:{store_id}"]\n'

ORDERS = """\
[orders]
opened_by = "order:new"
changed_by = "order:condition"
id = "_id"
owner = "clientId"
condition = "condition"
closed = ["DONE", "REJECT", "CANCELLED"]
"""


def pizza_event(topic, name="CREATE_PIZZA", **more):
    return _event(
        name=name,
        clients=["plain"],
        topic=topic,
        schema="pizza.avsc",
        audience=["role:ADMIN", "store:{store_id}", "user:{user_uuid}"],
        **more,
    )


def order_events(created, condition, **more):
    """`more` may give each of the two further keys, as `new` and `changed`."""
    staff_and_owner = ["role:ADMIN", "role:WATCHER", "user:{clientId}"]
    new = _event(
        name="order:new",
        clients=["socketio"],
        topic=created,
        schema="populated_order.avsc",
        audience=staff_and_owner,
        **more.get("new", {}),
    )
    changed = _event(
        name="order:condition",
        clients=["socketio"],
        topic=condition,
        schema="order_condition.avsc",
        audience=staff_and_owner,
        routing=["clientId"],
        **more.get("changed", {}),
    )
    return new + changed + ORDERS


def catalog(*parts):
    # Tables of [[event]] come before the single ones, in which TOML would otherwise go on.
    return "\n".join([*parts, GRANTS])


def settings(file, text, topics):
    """Of a service that reads these topics by that catalog, which is written to `file`."""
    file.write_text(text)
    return {"kafka": {"topics": topics}, "catalog": {"file": str(file)}}


def _event(**keys):
    return "\n".join(["[[event]]", *(f"{key} = {_toml(value)}" for key, value in keys.items()), ""])


def _toml(value):
    return "[" + ", ".join(map(_toml, value)) + "]" if isinstance(value, list) else f'"{value}"'
