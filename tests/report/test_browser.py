"""The pages in a real browser: on a phone and on a screen nothing is cut off or complained of."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shackdoo.report.page import comparison_page, run_page
from shackdoo.report.texts import Language
from tests.report.runs_shown import class_parts, content, evil_content, value_parts

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(BROWSER is None or DRIVER is None, reason="needs chromium and chromedriver"),
]
LONG = [f"a_class_with_a_very_long_name_{n}" * 2 for n in range(12)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for switch in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--hide-scrollbars",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield driver
    driver.quit()


def page(name: str, language: Language) -> str:
    return {
        "run": lambda: run_page(content(), language),
        "numbers": lambda: run_page(content(parts=value_parts()), language),
        "long names": lambda: run_page(content(parts=class_parts(LONG)), language),
        "evil": lambda: run_page(evil_content(), language),
        "compared": lambda: comparison_page(
            [content() for _ in range(4)] + [evil_content()], language
        ),
    }[name]()


def shown(browser: Any, file: Path, width: int, dark: bool) -> bytes:
    """Show a page; return its picture."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(file.as_uri())
    return base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", {})["data"])


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", ["run", "numbers", "long names", "evil", "compared"])
def test_a_page_fits(
    name: str, width: int, language: Language, browser: Any, tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    file.write_text(page(name, language))
    light, dark = (shown(browser, file, width, dark) for dark in (False, True))
    assert light != dark
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    assert browser.execute_script("return document.body.scrollWidth") <= width
    outside = """return [...document.querySelectorAll('main *, header *')].filter(each =>
        !each.closest('.scroll, svg') && each.getBoundingClientRect().right > innerWidth + 0.5)
        .map(each => each.outerHTML.slice(0, 90))"""
    assert browser.execute_script(outside) == []
    assert browser.get_log("browser") == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 28)"


def test_every_picture_of_a_page_can_be_shown(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page("run", "en"))
    shown(browser, file, 1200, dark=False)
    widths = browser.execute_script("return [...document.images].map(one => one.naturalWidth)")
    assert len(widths) > 24
    assert set(widths) == {12}


def test_it_prints_with_everything_open_and_dark_on_light(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(page("run", "en"))
    shown(browser, file, 1200, dark=True)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert (
        browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        == "rgb(251, 251, 249)"
    )
    height = "return document.querySelector('details table').getBoundingClientRect().height"
    assert browser.execute_script(height) > 50
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert printed.startswith(b"%PDF")
