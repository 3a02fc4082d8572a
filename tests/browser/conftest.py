"""Real trainings, the real ``shackdoo ui`` over them, and a browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from chromium import Chromium, missing
from shown_site import JAPANESE, JAPANESE_NOTE, JAPANESE_TAG, Site

from shackdoo.tracking.shipping import wait_shipped
from shackdoo.tracking.state import local_runs

SHIPPED_SECONDS = 180.0
SHORT = ("task.parameters.max_steps_per_epoch=30",)
RUNS = (
    ("task=Mnist_B", "task.parameters.epochs=3"),
    ("task=Mnist_A", "seed=7"),
    ("task=Mnist_B", "optimizer.learning_rate=0.006", "task.parameters.batch_size=48"),
)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Site]:
    """Train, ship, serve: whole trainings if pictures are to be kept, else short ones."""
    if why := missing():
        pytest.skip(why)
    from mlflow import MlflowClient

    root = tmp_path_factory.mktemp("site") / "project"
    (root / "conf" / "task").mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "SHACKDOO_ROOT": str(root),
        "SHACKDOO_STATE": str(root / "state"),
    }
    pictures = pytestconfig.getoption("--screenshots")
    short, runs = ((), RUNS) if pictures else (SHORT, RUNS[:2])
    japanese = (
        "task=Mnist_B",
        f"tag='{JAPANESE_TAG}'",
        f"experiment='{JAPANESE}'",
        f"description='{JAPANESE_NOTE}'",
    )
    for overrides in (japanese, *runs):
        _shackdoo("train", *overrides, *short, environment=environment)
    for run in local_runs(root / "state"):
        assert wait_shipped(run.folder, SHIPPED_SECONDS).done
    with _served(environment) as link:
        yield Site(link, MlflowClient(f"sqlite:///{root}/mlflow.db"), root)


def _shackdoo(*arguments: str, environment: dict[str, str]) -> None:
    command = [str(Path(sys.executable).with_name("shackdoo")), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


class _served:
    """``shackdoo ui`` on a free port, as long as the block lasts."""

    def __init__(self, environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "shackdoo.cli", "ui", "--port", "0"]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)


@pytest.fixture(scope="session")
def window(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Chromium]:
    chromium = Chromium(tmp_path_factory.mktemp("profile"))
    chromium.open(site.address)
    # MLflow's assistant opens by itself the first time and covers a part of the page.
    chromium.driver.execute_script(
        "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
    )
    yield chromium
    chromium.quit()


@pytest.fixture
def browser(window: Chromium) -> Iterator[Chromium]:
    """The browser; whatever a test does with it, the console must have no error at its end."""
    window.errors()
    yield window
    assert window.errors() == []


@pytest.fixture
def keep(browser: Chromium, pytestconfig: pytest.Config) -> Callable[..., None]:
    """Keep a picture of the page for the README, if ``--screenshots FOLDER`` asks for it."""
    folder = pytestconfig.getoption("--screenshots")

    def take(name: str, width: int, height: int) -> None:
        if folder is not None:
            browser.resize(width, height)
            browser.settle()
            browser.photograph(Path(folder) / f"{name}.png")

    return take
