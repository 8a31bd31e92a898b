"""Which pages a real browser gets in from: those of the service's own host, and those that are listed."""

import json

import pytest

from support import tokens
from support.libraries import PAGES, start_library
from support.waiting import eventually

# Asks for a ticket, opens both kinds of connection, and says on its console how each went.
PAGE = """<!doctype html><script>
const say = (what, how) => console.log(JSON.stringify([what, how]));
fetch("http://SERVICE/api/v1/ws/ticket", {headers: {Authorization: "Bearer TOKEN"}})
  .then(async (answer) => say("ticket", [answer.status, (await answer.json()).success]))
  .catch((error) => say("ticket", error.name));
for (const [kind, query] of [["plain", "key=none"], ["socket.io", "EIO=4&transport=websocket"]]) {
  const socket = new WebSocket(`ws://SERVICE/ws?${query}`);
  socket.onopen = () => say(kind, "open");
  socket.onclose = ({code}) => say(`${kind} closed`, code);
}
</script>"""


@pytest.fixture
def browser(run_folder):
    driver = start_library("chromium", run_folder)
    yield driver
    driver.stop()


@pytest.fixture
def visit(browser):
    def visit(service, expected):
        """What the page said, once it has said all that is expected."""
        token = tokens.token("somebody", role="ADMIN")
        page = browser.open_page(PAGE.replace("SERVICE", service.listen).replace("TOKEN", token))

        def said():
            texts = [event.args[0] for event in page.events.all()]
            return dict(json.loads(text) for text in texts if text.startswith("["))

        eventually(lambda: expected <= said().keys(), 5, f"the page says {expected}")
        return said()

    return visit


def test_a_listed_page_gets_in(start_service, visit):
    service = start_service({"web": {"origins": [PAGES]}})

    said = visit(service, {"ticket", "plain closed", "socket.io"})

    assert said["ticket"] == [200, True]
    assert (said["plain"], said["plain closed"], said["socket.io"]) == ("open", 4001, "open")


def test_a_page_that_is_not_listed_stays_out(start_service, visit):
    service = start_service({"web": {"origins": [PAGES.replace("http:", "https:")]}})

    said = visit(service, {"ticket", "plain closed", "socket.io closed"})

    # The preflight is refused, so not even the request with the token is made; a socket that is refused is 1006.
    assert said == {"ticket": "TypeError", "plain closed": 1006, "socket.io closed": 1006}
    assert service.metric("dumbwaiter_connections_refused_total", reason="origin") == 2
    assert service.metric("dumbwaiter_tickets_total") == 0
