"""Headless Chromium with one page open."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND"  # what a page asks for is seen all the same
DESK, PHONE = 1400, 360  # pixels
PATIENCE = 60.0  # seconds for all plots of a page
QUESTIONS = Path(__file__).with_name("questions.js").read_text(encoding="utf-8")
TAB = "\ue004"
# focus leaves where it was, and the next tab begins at the first stop
TOP = "const { body } = document; body.tabIndex = -1; body.focus(); body.removeAttribute('tabindex'); scrollTo(0, 0)"
DRAWN = "return libraries.length === 0 || views.size === figures.length"
# Frames tell whoever observes sizes; then plots have their new width, and may have changed those of others.
SETTLED = """
const [width, done] = arguments;
const frame = () => new Promise(requestAnimationFrame);
const frames = async () => { await frame(); await frame(); };
const drawings = () => typeof views === "undefined" ? [] : [...views.values()];
const redrawn = async () => { for (const view of drawings()) await view?.runAsync(); };
const awaited = async () => { while (innerWidth !== width) await frame(); };
awaited().then(frames).then(redrawn).then(frames).then(done);
"""


class Browser:
    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", NO_NETWORK):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self._driver = webdriver.Chrome(service=Service(DRIVER), options=options)
        self._width = 0  # that it was given; 0: none yet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._driver.quit()

    def open(self, path: Path) -> None:
        self._driver.get("about:blank")
        for kind in ("browser", "performance"):
            self._driver.get_log(kind)  # what came before is another page's
        self.restore()
        self._driver.get(path.as_uri())
        deadline = time.monotonic() + PATIENCE
        while not self.run(DRAWN):
            assert time.monotonic() < deadline, f"not all plots of {path} are drawn after {PATIENCE:g} s"
            time.sleep(0.05)
        self._path, self._events, self._complaints = path, self._driver.get_log("performance"), []

    def restore(self) -> None:
        """As it is when it was just opened."""
        self.width(DESK)
        self.colours("light")
        self.run(TOP)
        self.run("document.querySelectorAll('details').forEach(one => one.open = false)")

    def run(self, script: str, *arguments: Any) -> Any:
        """Its result, of JavaScript."""
        return self._driver.execute_script(script, *arguments)

    def ask(self, question: str, *arguments: Any) -> Any:
        """One of questions.js."""
        return self.run(f"{QUESTIONS} return questions.{question}(...arguments)", *arguments)

    def await_(self, question: str, *arguments: Any) -> Any:
        """One whose last argument is called with the answer."""
        return self._driver.execute_async_script(f"{QUESTIONS} questions.{question}(...arguments)", *arguments)

    def unfold(self) -> None:
        self.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        self._settle()

    def width(self, pixels: int) -> None:
        if pixels == self._width:
            return
        self._width = pixels
        size = {"width": pixels, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self._driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self._settle()

    def _settle(self) -> None:
        self._driver.execute_async_script(SETTLED, self._width)

    def colours(self, scheme: str, medium: str = "screen") -> None:
        """light or dark, on the screen or in print."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})

    def press(self, key: str) -> None:
        self._driver.switch_to.active_element.send_keys(key)

    def complaints(self) -> list[str]:
        """What is on the console since the page was opened."""
        self._complaints += [one["message"] for one in self._driver.get_log("browser")]
        return self._complaints

    def requests(self) -> list[str]:
        """Addresses that were asked for since then, itself and what it has in itself aside."""
        self._events += self._driver.get_log("performance")
        events = [json.loads(one["message"])["message"] for one in self._events]
        asked = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        own = (self._path.as_uri(), "about:blank", "data:", "blob:")
        return [url for url in asked if not url.startswith(own)]
