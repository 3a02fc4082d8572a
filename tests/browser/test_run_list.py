"""What a user sees who opens the link of ``shackdoo ui``."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from chromium import HEIGHT, WIDTH, Chromium
from selenium.webdriver.remote.webelement import WebElement
from shown_site import JAPANESE, JAPANESE_NOTE, JAPANESE_TAG, Site

from shackdoo.tracking.experiment_page import FIRST_COLUMNS

pytestmark = pytest.mark.browser
SHOWN_DIGITS = 8  # of a metric, in a narrow column


def columns(browser: Chromium) -> list[str]:
    """The columns that the table shows, from left to right."""
    heads = browser.all(".ag-header-cell")
    placed = sorted((head.location["x"], str(head.get_attribute("col-id"))) for head in heads)
    return [name for _, name in placed]


def cell(browser: Chromium, run_name: str, column: str) -> str:
    """What the table shows of a run in a column."""
    row = browser.find(".ag-pinned-left-cols-container .ag-row", run_name)
    index = row.get_attribute("row-index")
    selector = f".ag-center-cols-container .ag-row[row-index='{index}'] [col-id='{column}']"
    return browser.find(selector).text


def test_the_link_opens_the_newest_experiment_with_what_matters_first(
    browser: Chromium, site: Site, keep: Callable[..., None]
) -> None:
    browser.resize(WIDTH, HEIGHT)
    browser.open(site.link)
    runs = site.runs("mnist")
    browser.shows(*(run.info.run_name for run in runs), f"{len(runs)} matching runs")
    _checkboxes, *shown = columns(browser)
    assert shown == ["attributes.`Run Name`", "runDateAndNestInfo", *FIRST_COLUMNS]
    keep("run-list", 1880, 640)


def test_the_columns_hold_what_was_recorded(browser: Chromium, site: Site) -> None:
    browser.resize(WIDTH, HEIGHT)
    browser.open(site.link)
    for run in site.runs("mnist"):
        name, data = run.info.run_name, run.data
        for column in FIRST_COLUMNS:
            kind, _, key = column.replace("`", "").partition(".")
            if kind == "metrics":
                assert (
                    cell(browser, name, column)[:SHOWN_DIGITS]
                    == (f"{data.metrics[key]:.12f}"[:SHOWN_DIGITS])
                )
            elif kind != "duration":
                assert cell(browser, name, column) == getattr(data, kind)[key]
        assert cell(browser, name, "duration").endswith(("s", "min"))


def test_the_text_above_the_runs_unfolds_to_the_command_that_adds_one(
    browser: Chromium, site: Site
) -> None:
    browser.resize(WIDTH, HEIGHT)
    browser.open(site.link)
    browser.shows("Mnist_B (Mnist_B < Mnist_A < Task) on the data mnist")
    browser.find("[data-component-id='mlflow.experiment.metadata_editor.expand_button']").click()
    table = browser.find("table", "measured once")
    assert "choose between runs by these" in table.text
    assert browser.find("code", "shackdoo train task=Mnist_B seed=1")


def test_japanese_names_are_shown_as_they_were_given(browser: Chromium, site: Site) -> None:
    browser.resize(WIDTH, HEIGHT)
    browser.open(site.run_list(JAPANESE))
    browser.shows(JAPANESE, JAPANESE_TAG, JAPANESE_NOTE, "1 matching run")
    (run,) = site.runs(JAPANESE)
    assert run.info.run_name.startswith(JAPANESE_TAG)
    link = browser.find("a", run.info.run_name)
    assert len({pixels(browser, link, glyph) for glyph in (*"日本語の実験", NO_GLYPH)}) == 7


NO_GLYPH = "\U0010fffe"  # no font has one; what is drawn for it is what fonts draw for want


def pixels(browser: Chromium, like: WebElement, glyph: str) -> str:
    """The picture of a character in the font of an element of the page."""
    return str(
        browser.driver.execute_script(
            """
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [40, 40];
            const context = canvas.getContext('2d');
            context.font = '30px ' + getComputedStyle(arguments[0]).fontFamily;
            context.fillText(arguments[1], 2, 32);
            return canvas.toDataURL();
            """,
            like,
            glyph,
        )
    )
