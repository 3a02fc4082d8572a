"""What a user sees of one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import HEIGHT, Chromium
from shown_site import Site

pytestmark = pytest.mark.browser
PAGE_WIDTH, REPORT_WIDTH = 1500, 1100


@pytest.fixture
def run(site: Site) -> Any:
    """The oldest of the experiment's runs, which has several epochs."""
    return site.runs("mnist")[-1]


def files(site: Site, run: Any, folder: str | None = None) -> list[str]:
    """The paths of all artifacts of a run."""
    found = site.client.list_artifacts(run.info.run_id, folder)
    below = [path for each in found if each.is_dir for path in files(site, run, each.path)]
    return below + [each.path for each in found if not each.is_dir]


def test_a_click_in_the_list_opens_the_runs_page(browser: Chromium, site: Site, run: Any) -> None:
    browser.resize(PAGE_WIDTH, HEIGHT)
    browser.open(site.link)
    browser.find(".ag-cell a", run.info.run_name).click()
    browser.shows("Description", f"Metrics ({len(run.data.metrics)})")
    assert f"/runs/{run.info.run_id}" in browser.driver.current_url


def test_the_page_shows_metrics_parameters_and_description(
    browser: Chromium, site: Site, run: Any, keep: Callable[..., None]
) -> None:
    browser.resize(PAGE_WIDTH, 6000)  # the tables draw what is in sight only
    browser.open(site.run_page(run))
    browser.shows(f"Metrics ({len(run.data.metrics)})", f"Parameters ({len(run.data.params)})")
    browser.shows(*run.data.metrics, *map(str, run.data.metrics.values()))
    browser.shows("Description", "task.parameters.batch_size", "optimizer.learning_rate", "mnist")
    browser.shows(run.data.tags["shackdoo.tag"], "shackdoo.lineage", "Mnist_B < Mnist_A < Task")
    browser.shows("Result", f"test_accuracy {run.data.metrics['test_accuracy']:.4f}")
    keep("run-page", PAGE_WIDTH, 1100)


def test_each_metric_has_its_chart(browser: Chromium, site: Site, run: Any) -> None:
    browser.resize(PAGE_WIDTH, 2400)
    browser.open(site.run_page(run, "/model-metrics"))
    browser.shows(*run.data.metrics)
    browser.until(lambda: len(browser.all(".js-plotly-plot")) == len(run.data.metrics), "charts")


def test_each_picture_is_shown(browser: Chromium, site: Site, run: Any) -> None:
    browser.resize(PAGE_WIDTH, HEIGHT)
    pictures = [path for path in files(site, run) if path.endswith(".png")]
    kinds = ("learning_curves", "confusion_matrix", "worst_mistakes")
    assert {f"report/{kind}.png" for kind in kinds} <= set(pictures)
    for path in pictures:
        browser.open(site.run_page(run, f"/artifacts/{path}"))
        browser.shows(path)
        browser.until(lambda: drawn(browser), f"the picture {path}")


def drawn(browser: Chromium) -> bool:
    """Whether the page shows a picture that has arrived."""
    return bool(
        browser.driver.execute_script(
            "return [...document.images].some(each => each.complete && each.naturalWidth > 300)"
        )
    )


def test_texts_are_shown(browser: Chromium, site: Site, run: Any) -> None:
    browser.resize(PAGE_WIDTH, HEIGHT)
    for path, text in (("config.yaml", "learning_rate"), ("manifest.json", "run_uid")):
        browser.open(site.run_page(run, f"/artifacts/{path}"))
        browser.shows(path, text)


def test_the_report_is_shown(
    browser: Chromium, site: Site, run: Any, keep: Callable[..., None]
) -> None:
    uid, accuracy = run.data.tags["shackdoo.run_uid"], run.data.metrics["test_accuracy"]
    browser.resize(PAGE_WIDTH, HEIGHT)
    browser.open(site.run_page(run, "/artifacts/report/report.html"))
    browser.driver.switch_to.frame(browser.find("iframe"))
    try:
        browser.shows(uid, f"{accuracy:.4f}", "Learning curves", "Confusion matrix")
        assert browser.all("svg")
    finally:
        browser.driver.switch_to.default_content()
    file = site.client.download_artifacts(run.info.run_id, "report/report.html", str(site.root))
    browser.open(Path(file).as_uri())  # as a download is opened
    browser.shows(uid)
    keep("report", REPORT_WIDTH, 1400)
