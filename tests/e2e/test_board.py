"""The board in a real browser: what people see and do there, in the demo and behind a sign-in."""

import re
import time

import pytest

from support import catalogs, records, shapes, tokens
from support.browser import Browser
from support.demo import Demo
from support.paths import DOCS
from support.waiting import SLACK, eventually

PHONE = {"width": 390, "height": 844}
COLUMNS = ("admin", "watcher", "customer", "other-customer", "store")
# Each with two for the admin.
CONNECTIONS = 6
OPEN_ORDERS = 10_000
STATES = "[...document.querySelectorAll('.connections [data-state]')].map((item) => item.dataset.state + ': ' + item.textContent.trim())"
NO_KEY = "the user holds none of the keys"
OTHER_PROTOCOL = "the event is not for clients of this protocol"


@pytest.fixture(scope="module")
def browser(run_folder):
    browser = Browser(run_folder)
    yield browser
    browser.stop()


@pytest.fixture(scope="module")
def demo(browser):
    demo = Demo("--rate", "4")
    yield demo
    demo.stop()


@pytest.fixture
def board(browser, demo):
    """The page, all of whose connections are there."""
    browser.open(demo.url, viewport={"width": 1360, "height": 860})
    wait_until_live(browser, 5)
    yield browser
    assert browser.complaints() == []
    # No connection got what the service says it should not get, and none got anything twice.
    assert browser.texts(".is-doubtful") == []


def all_live(browser, connections=CONNECTIONS):
    return is_live(browser.evaluate(STATES), connections)


def is_live(states, connections):
    return len(states) == connections and all(state.startswith("live: ") for state in states)


def wait_until_live(browser, within, connections=CONNECTIONS):
    began = time.monotonic()
    seen = []

    def probe():
        states = browser.evaluate(STATES)
        if not seen or seen[-1][1] != states:
            seen.append((f"{time.monotonic() - began:.1f} s", states))
        return is_live(states, connections)

    def what():
        return f"{connections} live connections, but {seen} {browser.texts('#trouble, #refusal')} {browser.complaints()}"

    eventually(probe, within, what, every=0.05)


def note(board, pattern, within=2):
    """The first thing that happened, as the page tells it, that fits; newest first."""

    def found():
        return next((text for text in board.texts("#notes li") if re.search(pattern, text)), None)

    return eventually(found, within, lambda: f"{pattern!r} among {board.texts('#notes li')}", every=0.05)


def count(board, selector):
    return board.evaluate(f"document.querySelectorAll({selector!r}).length")


def test_the_first_event_is_there_at_once(browser, demo, say):
    browser.open(demo.url)
    browser.wait_for(".event, .slip")
    say(f"{time.monotonic() - demo.started_at:.1f} s from the start of the demo to the first event on its page")


def test_a_page_of_which_a_part_did_not_load_says_so(browser, demo):
    browser.open(demo.url, without="**/socket.io.min.js")
    browser.eventually("document.querySelector('#unloaded').checkVisibility({ visibilityProperty: true })", 4, "what to do")
    assert browser.texts("#unloaded") == ["A part of this page did not load. Please reload it."]


def test_each_event_is_shown_or_struck_out_with_the_services_reason(board):
    board.eventually("document.querySelectorAll('#column-store .event:not(.is-withheld)').length > 1", 8, "pizzas")
    board.eventually("document.querySelectorAll('#column-watcher .is-withheld').length > 1", 8, "struck-out pizzas")

    assert set(board.texts("#column-admin .why")) == set()
    assert set(board.texts("#column-watcher .why")) == {OTHER_PROTOCOL}
    for column in ("customer", "other-customer", "store"):
        # The store may have had nothing but its own pizzas so far.
        board.wait_for(f"#column-{column} .why")
        assert set(board.texts(f"#column-{column} .why")) == {NO_KEY}
    assert all("store 7" in text for text in board.texts("#column-store .event:not(.is-withheld) .title"))
    struck = board.evaluate("getComputedStyle(document.querySelector('.is-withheld s')).textDecorationLine")
    assert struck == "line-through"
    # What a person does not get, their column does not hold.
    assert count(board, ".is-withheld .frame") == 0
    board.eventually("/Half within \\d+ ms/.test(document.querySelector('#figures').textContent)", 2, "latency")


def test_an_order_moves_by_condition_where_it_may_be_seen(board):
    board.select("#whose", "other-customer")
    board.click("#new-order")
    number = re.search(r"Order № (\d+)", note(board, "is written to Kafka")).group(1)
    slip = f"[...document.querySelectorAll('#column-COLUMN .slip')].find((slip) => slip.textContent.includes('№ {number} '))"

    def at(column, what):
        return slip.replace("COLUMN", column) + what

    slip = slip.replace(f"№ {number} '", f"№ {number}'")
    for column in ("admin", "watcher", "other-customer"):
        board.eventually(at(column, "?.dataset.condition === 'NEW'"), 2, f"№ {number} is new to {column}")
    assert board.evaluate(at("customer", " === undefined"))

    board.evaluate(at("admin", ".querySelector('.step').click()"))
    for column in ("admin", "watcher", "other-customer"):
        board.eventually(at(column, "?.dataset.condition !== 'NEW'"), 2, f"№ {number} moved on for {column}")
    withheld = f"[...document.querySelectorAll('#column-customer .is-withheld')].filter((e) => e.textContent.includes('№ {number} ')).length >= 2"
    board.eventually(withheld, 2, "both events are struck out for the other customer")

    board.click("#advance")
    board.eventually("document.querySelectorAll('#column-admin .stage').length > 1", 3, "several conditions at a time")


def test_a_cut_connection_resumes_and_tells_what_it_caught_up(board):
    board.click("#column-admin .cut")
    board.wait_for("#column-admin .connections [data-state=wait]")
    for whose in ("customer", "store", "guest", "store"):
        board.select("#whose", whose)
        board.click("#new-order")

    def caught_up(protocol, name):
        text = note(board, rf"Антонина, {name}: back, resumed, \d+ events? caught up\.", within=6)
        counted = int(re.search(r"(\d+) events?", text).group(1))
        shown = count(board, f"#column-admin .is-caught-up[data-protocol={protocol}]")
        # Without the last ones, should the story go on just then.
        assert counted >= 2 and shown >= counted

    caught_up("socketio", "Socket.IO")
    caught_up("plain", "WebSocket")


def test_a_ticket_is_good_for_one_connection(board):
    board.click("#column-store .reuse")
    note(board, "Экран на кухне: the ticket, shown a second time, is answered 4001 “Wrong connection key.”")
    assert all_live(board)


def test_who_is_revoked_is_out_until_they_sign_in_again(board):
    for column, said in (("other-customer", "authorization:error 2000"), ("store", "4003 Access revoked")):
        board.click(f"#column-{column} .revoke")
        note(board, f"shut out, {said}")
        board.wait_for(f"#column-{column} .connections [data-state=bad]")
    assert count(board, ".is-out") == 2
    for column in ("other-customer", "store"):
        board.click(f"#column-{column} .again")
    wait_until_live(board, 5)
    note(board, "Марфа Зимина: back, resumed")
    note(board, "Экран на кухне: back, resumed")
    assert count(board, ".is-out") == 0


def test_events_wait_while_kafka_is_stopped(board):
    board.click("#outage")
    note(board, "Kafka is stopped for 5 s")
    assert board.evaluate("document.querySelector('#outage').disabled")
    assert all_live(board), "connections stay"
    board.select("#whose", "customer")
    board.click("#new-order")
    number = re.search(r"№ (\d+)", note(board, "is written to Kafka")).group(1)
    late = f"""[...document.querySelectorAll('#column-customer .event')].some((event) =>
        event.querySelector('.title').textContent === '№ {number}' && event.dataset.name === 'order:new' &&
        Number(event.dataset.ms) > 1000)"""
    board.eventually(late, 12, "the order comes late")
    note(board, "Kafka is back")


def test_frames_are_shown_on_demand(board):
    board.wait_for("#column-admin .event[data-protocol=socketio]")
    board.wait_for("#column-admin .event[data-protocol=plain]")
    assert board.evaluate("[...document.querySelectorAll('.frame')].every((frame) => !frame.checkVisibility())")
    board.click("#frames")

    def frame(protocol):
        return board.evaluate(f"document.querySelector('#column-admin [data-protocol={protocol}] .frame').textContent")

    assert frame("socketio").startswith('42["order:')
    assert frame("plain").startswith('{"event_name":"CREATE_PIZZA","data":{')
    assert board.evaluate("document.querySelector('#column-admin .frame').checkVisibility()")
    board.click("#withheld")
    assert board.evaluate("[...document.querySelectorAll('.is-withheld')].every((line) => !line.checkVisibility())")


def test_everything_can_be_done_by_keyboard(board):
    reached = set()
    for _ in range(60):
        board.press("Tab")
        reached.add(board.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"new-order", "whose", "advance", "outage", "frames", "withheld", "cut", "reuse", "revoke", "slips", "events"} <= reached

    board.press("4")
    assert board.evaluate("document.activeElement.id") == "column-other-customer"
    board.press("n")
    note(board, "is written to Kafka")
    board.press("f")
    assert board.evaluate("document.querySelector('#frames').ariaPressed") == "true"
    # Typed where something is written or chosen, a letter is a letter.
    board.evaluate("document.querySelector('#whose').focus()")
    board.press("f")
    assert board.evaluate("document.querySelector('#frames').ariaPressed") == "true"
    board.evaluate("document.querySelector('#column-admin .cut').focus()")
    board.press("Enter")
    note(board, "Антонина: cut")


# The least contrast of texts and what is behind them (WCAG 2, AA), as the browser has computed both.
LEAST_CONTRAST = """(() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const backgrounds = (element) => (element ? [...backgrounds(element.parentElement), getComputedStyle(element).backgroundColor] : ["white"]);
  const luminance = (colours) => {
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrasts = ["h1", ".masthead p", ".primary", ".danger", ".name", ".is", ".tally", ".keys li", ".state", ".slip .title", ".slip .more",
    ".stage .label", ".event .title", ".age", ".event-name", ".why", ".condition", "#figures"].flatMap((selector) => {
      const element = [...document.querySelectorAll(selector)].find((element) => element.textContent && element.checkVisibility());
      if (!element) return [];
      const behind = backgrounds(element);
      const [text, back] = [luminance([...behind, getComputedStyle(element).color]), luminance(behind)];
      return [[(Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05), selector]];
  });
  return contrasts.sort(([a], [b]) => a - b)[0];
})()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_in_light_and_dark_and_keeps_still_if_asked_to(browser, demo, scheme):
    browser.open(demo.url, colorScheme=scheme, reducedMotion="reduce")
    browser.eventually("document.querySelectorAll('.event').length > 20", 8, "events of all kinds")
    browser.eventually("document.querySelectorAll('.is-withheld').length > 3", 8, "struck-out events")

    contrast, selector = browser.evaluate(LEAST_CONTRAST)
    assert contrast >= 4.5, selector
    is_dark = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0] < 80")
    assert is_dark == (scheme == "dark")
    moving = "document.getAnimations().filter((animation) => animation.playState === 'running').length"
    assert [browser.evaluate(moving) for _ in range(10)] == [0] * 10


def test_it_fits_a_phone(browser, demo):
    browser.open(demo.url, viewport=PHONE, hasTouch=True, isMobile=True)
    wait_until_live(browser, 5)

    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).every((b) => b.offsetHeight >= 32)")
    for name, column in (("Экран на кухне", "store"), ("Антонина", "admin")):
        browser.click(f"#people a:text('{name}')")
        seen = f"(({{ left, right }}) => left >= 0 && right <= innerWidth)(document.querySelector('#column-{column}').getBoundingClientRect())"
        browser.eventually(seen, 2, f"the column of {name} is in view")


def submit(browser, token):
    browser.fill("#token", token)
    browser.press("Enter")


class Topics:
    """A test's own, so that no order of another one is on its board."""

    def __init__(self, kafka, folder):
        run = records.new_id()[:8]
        self.pizzas, self.created, self.condition = (f"board.{name}.{run}" for name in ("pizza", "created", "condition"))
        names = [self.pizzas, self.created, self.condition]
        kafka.create_topics(*names, partitions=1)
        catalog = catalogs.catalog(catalogs.pizza_event(self.pizzas), catalogs.order_events(self.created, self.condition))
        self.settings = catalogs.settings(folder / "catalog.toml", catalog, names) | {"board": {"enabled": True}}


@pytest.fixture
def topics(kafka, tmp_path):
    return Topics(kafka, tmp_path)


def test_elsewhere_it_is_for_who_signs_in(browser, start_service, producer, topics):
    service = start_service(topics.settings)
    browser.open(f"http://{service.listen}/")

    for token, said in (("nonsense", "not let in: not a JWT"), (tokens.token("u", role="WATCHER"), "whoever holds board.key")):
        submit(browser, token)
        browser.eventually(f"document.querySelector('#refusal').textContent.includes('{said}')", 2, said)
    submit(browser, tokens.token("boss", role="ADMIN"))
    wait_until_live(browser, 3, connections=2)
    assert not browser.evaluate("document.querySelector('#pizzeria').checkVisibility()")
    assert browser.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])") == '[{},{},""]'

    browser.fill(".judged input", "store:7 user:somebody")
    browser.press("Enter")
    browser.wait_for("#column-judged-2")
    for pizza in (records.pizza(name="Ours"), records.pizza(name="Theirs", store_id=8)):
        producer.send(topics.pizzas, shapes.PIZZA, pizza)

    shown = "[...document.querySelectorAll('#column-{} .event{} .title')].map((title) => title.textContent)"
    for column, kind, name in (("me", "", "Ours"), ("me", "", "Theirs"), ("judged-2", ":not(.is-withheld)", "Ours"), ("judged-2", ".is-withheld", "Theirs")):
        listed = shown.format(column, kind)
        browser.eventually(f"{listed}.some((title) => title.startsWith('{name}'))", 3, f"{name} in {column}")
    assert browser.texts("#column-judged-2 .why") == [NO_KEY]
    # The refusals of the first tries are the browser's complaints.
    assert [text for text in browser.complaints() if "401" not in text and "403" not in text] == []


# The longest that a page did nothing else, in milliseconds, from now on.
WATCH_DELAYS = """(() => {
  let last = performance.now();
  window.longest = 0;
  setInterval(() => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  }, 10);
})()"""


def test_thousands_of_open_orders_do_not_stop_it(browser, start_service, producer, topics, say):
    for number in range(OPEN_ORDERS):
        order = records.order(number=number)
        producer.enqueue(topics.created, producer.encode(shapes.ORDER, order), key=order["_id"])
    producer.flush()
    service = start_service(topics.settings)
    browser.open(f"http://{service.listen}/")
    submit(browser, tokens.token("boss", role="ADMIN"))
    browser.evaluate(WATCH_DELAYS)
    browser.wait_for("#column-me")

    received = "document.querySelector('#column-me .received').textContent"
    browser.eventually(f"{received} === '{OPEN_ORDERS}'", 4, f"{OPEN_ORDERS} events")
    wait_until_live(browser, 3, connections=2)
    longest = browser.evaluate("longest")
    say(f"a board with {OPEN_ORDERS} open orders: busy for {longest:.0f} ms at most at a time")
    assert longest < 1000 * SLACK
    # The newest are on the page, however many came before them.
    assert (count(browser, "#column-me .event"), count(browser, "#column-me .slip")) == (80, 40)
    newest = f"№ {OPEN_ORDERS - 1}"
    assert browser.texts("#column-me .event .title")[0] == browser.texts("#column-me .slip .title")[0] == newest


@pytest.mark.by_hand
def test_pictures_for_the_documents(browser, demo):
    """`make pictures`. They show what happens to be there, so nothing is asserted of them but that they can be taken."""
    for name, options in (
        ("board", {"viewport": {"width": 1280, "height": 800}, "colorScheme": "light"}),
        ("board-dark", {"viewport": {"width": 1280, "height": 800}, "colorScheme": "dark"}),
        ("board-phone", {"viewport": PHONE, "colorScheme": "light"}),
    ):
        # Nothing is caught between two places.
        browser.open(demo.url, reducedMotion="reduce", **options)
        wait_until_live(browser, 5)
        browser.click("#column-other-customer .cut")
        note(browser, "Марфа Зимина: back", within=6)
        browser.click("#column-store .reuse")
        note(browser, "4001")
        browser.evaluate("document.activeElement.blur()")
        browser.hover("#figures")
        # Some life, and the last of it without a highlight.
        browser.eventually("document.querySelectorAll('#column-customer .stage').length > 2", 20, "orders in several conditions")
        browser.eventually("document.querySelectorAll('#column-store .event:not(.is-withheld)').length > 2", 20, "pizzas")
        browser.evaluate("document.querySelector('#board').scrollTo(0, 0), scrollTo(0, 0)")
        if name == "board-phone":
            browser.click("#people a:text('Евдоким Субботин')")
            browser.eventually("document.querySelector('#column-customer').getBoundingClientRect().left < 20", 2, "their column")
        # The pointer lights nothing up.
        browser.hover("h1")
        browser.screenshot(DOCS / f"{name}.png")
