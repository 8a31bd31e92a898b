"""A browser and the page that it shows, for tests of what people do and see there."""

from pathlib import Path

from support.json_child import JsonChild
from support.paths import NODE
from support.waiting import SLACK, eventually

_DRIVER = Path(__file__).with_name("drivers") / "browser.mjs"
# As a driver's own deadlines: in milliseconds.
_STEP_MS = 5_000 * SLACK


class Browser:
    """Chromium by Playwright, one page at a time. Selectors are Playwright's."""

    def __init__(self, folder):
        self._driver = JsonChild("the browser", ["node", _DRIVER, NODE], folder / "browser.log")

    def open(self, url, without=None, **options):
        """A fresh page: no cookies, no storage; and nothing whose address is like `without`."""
        self._ask({"open": url, "options": options, "without": without})
        return self

    def click(self, selector):
        self._call("click", selector, {"timeout": _STEP_MS})

    def hover(self, selector):
        self._call("hover", selector, {"timeout": _STEP_MS})

    def fill(self, selector, text):
        self._call("fill", selector, text, {"timeout": _STEP_MS})

    def select(self, selector, value):
        self._call("selectOption", selector, value)

    def press(self, key):
        """On whatever has the focus."""
        self._call("keyboard.press", key)

    def wait_for(self, selector, state="visible"):
        self._call("waitForSelector", selector, {"timeout": _STEP_MS, "state": state})

    def evaluate(self, expression):
        return self._call("evaluate", expression)

    def texts(self, selector):
        """What each of them says, in the order of the page."""
        return self.evaluate(f"[...document.querySelectorAll({selector!r})].map((element) => element.textContent)")

    def eventually(self, expression, within, what):
        return eventually(lambda: self.evaluate(expression), within, what, every=0.05)

    def screenshot(self, path):
        self._call("screenshot", {"path": str(path)})

    def complaints(self):
        """Errors of the page, on its console or thrown."""
        return self._ask({"complaints": True})

    def stop(self):
        self._driver.stop()

    def _call(self, method, *args):
        return self._ask({"call": method, "args": args})

    def _ask(self, command):
        self._driver.send(command)
        answer = self._driver.next(within=30)
        assert "error" not in answer, answer["error"]
        return answer["result"]
