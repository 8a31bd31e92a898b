"""The examples of the two client documents (docs/contract), so that tests quote them instead of retyping them."""

import json
import re
import textwrap
from functools import cache

from support.paths import CONTRACT


def compact(value):
    """JSON as it travels: no spaces, keys in their order, letters of any script as themselves."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def order():
    """The example PopulatedOrder of `order:new`."""
    return _example("socket-io.md", "products")


def condition():
    """The example payload of `order:condition`."""
    return _example("socket-io.md", "condition", size=2)


def authorization_error():
    """The payload of `authorization:error`."""
    return _example("socket-io.md", "error")


def ticket_granted():
    return _example("plain-websocket.md", "token")


def ticket_refused():
    return _example("plain-websocket.md", "error")


def _example(document, key, size=None):
    """The document's one JSON example that has `key` (and, where that is not enough, `size` fields)."""
    fitting = [e for e in _examples(document) if key in e and size in (None, len(e))]
    assert len(fitting) == 1, f"{document} has {len(fitting)} examples with {key}"
    return json.loads(json.dumps(fitting[0]))


@cache
def _examples(document):
    text = (CONTRACT / document).read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```json\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [json.loads(textwrap.dedent(block)) for block in blocks]
