"""Headless Chromium as a person uses it: open, wait, read; and what its console says."""

from __future__ import annotations

import io
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

PATIENCE = 60.0  # seconds until what a page should show is given up
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it is refused to root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en",
)
WIDTH, HEIGHT = 2200, 900  # as wide as all columns: MLflow's table draws those in sight only
STILL_SECONDS = 1.0
COLOURS = 256  # of a picture that is kept
# What MLflow 3.17 itself leaves in the console, word for word, and why it does no harm.
KNOWN_NOISE = {
    # The page asks who is logged in; a server without accounts has nobody to name.
    "/ajax-api/2.0/mlflow/users/current - Failed to load resource: the server responded with a "
    "status of 404 (Not Found)",
    # Charts that change their size while they are drawn; Chromium draws them in the next frame.
    'null "ResizeObserver loop completed with undelivered notifications."',
}
Found = TypeVar("Found")


def missing() -> str | None:
    """Return why there is no browser here, or None if there is one."""
    absent = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(absent)} on this machine" if absent else None


class Chromium:
    """One window."""

    def __init__(self, profile: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or ""
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # With its path given, selenium looks for no driver elsewhere.
        self.driver = webdriver.Chrome(
            options=options, service=Service(shutil.which("chromedriver"))
        )
        self.resize(WIDTH, HEIGHT)

    def resize(self, width: int, height: int) -> None:
        """Give the page this size in pixels."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )

    def open(self, address: str) -> None:
        """Open a page anew: the part behind ``#`` alone would not load it."""
        self.driver.get("about:blank")
        self.driver.get(address)

    def until(self, look: Callable[[], Found | None], what: str) -> Found:
        """Return what ``look`` finds, as soon as it finds something."""
        waiting = WebDriverWait(
            self.driver, PATIENCE, ignored_exceptions=[StaleElementReferenceException]
        )
        found: Found = waiting.until(
            lambda _: look(), f"{what} did not come; there is:\n{self.text}"
        )
        return found

    def find(self, css: str, text: str = "") -> WebElement:
        """Return the first element that the selector names and that shows the text, once there."""
        return self.until(
            lambda: next((each for each in self.all(css) if text in each.text), None),
            f"{css} with '{text}'",
        )

    def all(self, css: str) -> list[WebElement]:
        """Return all elements that the selector names at this moment."""
        return list(self.driver.find_elements(By.CSS_SELECTOR, css))

    def shows(self, *texts: str) -> None:
        """Wait until the page shows all of the texts."""
        for text in texts:
            self.until(lambda text=text: text in self.text, f"'{text}'")  # type: ignore[misc]

    @property
    def text(self) -> str:
        """What the page shows."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def errors(self) -> list[str]:
        """Return the console's errors since the last call, MLflow's known ones left out."""
        said = [line["message"] for line in self.driver.get_log("browser") if _severe(line)]
        return [text for text in map(_placeless, said) if text not in KNOWN_NOISE]

    def photograph(self, file: Path) -> None:
        """Write what is seen to a small PNG file."""
        shot = Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB")
        file.parent.mkdir(parents=True, exist_ok=True)
        shot.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)

    def settle(self) -> None:
        """Wait until the page has looked the same for a moment: animations have ended."""
        before = b""
        while (now := self.driver.get_screenshot_as_png()) != before:
            before = now
            time.sleep(STILL_SECONDS)

    def quit(self) -> None:
        """Close the window."""
        self.driver.quit()


def _severe(line: dict[str, str]) -> bool:
    return line["level"] == "SEVERE"


def _placeless(message: str) -> str:
    """Return a message without the server's address and the place in a script, which vary."""
    text = re.sub(r"^http://127\.0\.0\.1:\d+", "", message)
    return re.sub(r"^/static-files/static/js/\S+\.js \d+:\d+ ", "", text)
