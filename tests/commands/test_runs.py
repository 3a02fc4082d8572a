"""``shackdoo runs``: the tree, its order and limits, its JSON, and what it says is wrong."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from recorded import die, record

from shackdoo.cli import main
from shackdoo.commands.run_tree import differing, duration, main_metrics, number
from shackdoo.report.tree import columns
from shackdoo.tracking.listing import ListedRun
from shackdoo.tracking.shipper import Workshop, ship
from shackdoo.tracking.shipping import Shipping, write_shipping

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow")

Run = Callable[..., subprocess.CompletedProcess[str]]

DEAD_SERVER = "http://somebody:secret@127.0.0.1:9"
MINUTE = 60_000
NOTHING = Workshop({}, redact=shutil.copyfile)  # type: ignore[arg-type]


def own_store(project: Path) -> str:
    return f"sqlite:///{project}/mlflow.db"


def recorded(
    project: Path,
    number: int,
    tag: str = "Mnist_B",
    status: str | None = "FINISHED",
    params: dict[str, Any] | None = None,
    metrics: dict[str, float] | None = None,
    **changes: Any,
) -> Path:
    """Record a run that began so many minutes after 2001-09-09; one without a status goes on."""
    fields = {"start_time": 1_000_000_000_000 + number * MINUTE, "tracking_uri": own_store(project)}
    folder, tracker = record(project, points=0, uri="", **{**fields, **changes})
    tracker.params({"task": "x", "task.name": "T", **(params or {})})
    tracker.tags({"shackdoo.task": tag.partition(" ")[0], "shackdoo.tag": tag})
    tracker.metrics(metrics or {"loss": 0.5}, step=0)
    if status == "FAILED":
        tracker.tags({"shackdoo.error": "ValueError: no such layer\n  in line 2"})
    if status:
        tracker.end(status)  # type: ignore[arg-type]
    return folder


def shipped(folder: Path) -> str:
    done = ship(folder, NOTHING)
    assert done.done
    (folder / "shipper.lock").unlink()  # own_project would take this process for a shipper
    return str(done.mlflow_run_id)


@pytest.fixture
def listed(
    own_project: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process; return exit code, standard output and error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["runs", *arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


def told(listed: Any, *arguments: str) -> str:
    code, out, err = listed(*arguments)
    assert (code, err) == (0, "")
    return str(out)


def refused(listed: Any, *arguments: str) -> str:
    code, out, err = listed(*arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    return str(err)


# ── the tree ─────────────────────────────────────────────────────────────────────────────────


def test_the_tree(own_project: Path, listed: Any) -> None:
    common = {"task.parameters.batch_size": 64, "config.seed": 1}
    old = recorded(
        own_project,
        1,
        params={**common, "task.parameters.epochs": 1},
        metrics={"loss": 0.5, "val_accuracy": 0.9, "val_loss": 0.00004},
    )
    new = recorded(
        own_project,
        2,
        "Mnist_B",
        "FAILED",
        params={**common, "task.parameters.epochs": 20},
        metrics={"loss": math.nan},
    )
    other = recorded(own_project, 0, "手書き", "KILLED", experiment="数字")
    when = [
        datetime.fromtimestamp(1_000_000_000 + minute * 60).strftime("%Y-%m-%d %H:%M")
        for minute in range(3)
    ]
    lines = told(listed, "--local").splitlines()
    store = own_store(own_project)
    assert [" ".join(line.split()) for line in without_durations(lines)] == [
        "digits",
        f"└─ Mnist_B 2 runs {store}",
        f"├─ {new.name[:8]} {when[2]} FAILED loss nan",
        "│ epochs=20",
        "│ 6 entries not shipped",
        "│ ValueError: no such layer",
        f"└─ {old.name[:8]} {when[1]} FINISHED val_accuracy 0.9000 val_loss 4e-05",
        "epochs=1",
        "5 entries not shipped",
        "数字",
        f"└─ 手書き 1 run {store}",
        f"└─ {other.name[:8]} {when[0]} KILLED loss 0.5000",
        "5 entries not shipped",
        "3 runs are not shipped whole; `shackdoo sync` ships them.",
    ]


def test_parts_stand_below_the_run_that_they_are_parts_of(own_project: Path, listed: Any) -> None:
    whole = recorded(own_project, 1)
    for seed in (2, 3):
        recorded(own_project, seed, parent_uid=whole.name, params={"config.seed": seed})
    recorded(own_project, 4, params={"config.seed": 3})
    recorded(own_project, 5, parent_uid="e" * 32, params={"config.seed": 4})  # its parent is gone
    shape = [line[: line.index("20")] for line in told(listed).splitlines() if "2001" in line]
    below = [line.rstrip("0123456789abcdef ") for line in shape]
    assert below == ["   ├─", "   ├─", "   └─", "      ├─", "      └─"]


def without_durations(lines: list[str]) -> list[str]:
    """Take out `8000 d 03 h`: these runs began long ago and end now."""
    return [re.sub(r"\d+ d \d\d h", "", line) for line in lines]


def test_the_address_of_a_store_stands_with_the_run_where_they_differ(
    own_project: Path, listed: Any
) -> None:
    recorded(own_project, 1)
    away = recorded(own_project, 2, tracking_uri=DEAD_SERVER)
    write_shipping(away, Shipping(0, False, None, "no answer within 5 s"))
    out = told(listed, "--local")
    assert "http://***@127.0.0.1:9  5 entries not shipped: no answer within 5 s\n" in out
    assert f"{own_store(own_project)}  5 entries not shipped\n" in out
    assert "secret" not in out


def test_a_dead_run_is_closed_and_a_living_one_is_left_to_its_shipper(
    own_project: Path, listed: Any
) -> None:
    folder, tracker = record(own_project, own_store(own_project))
    die(tracker)
    living = recorded(own_project, 1, status=None)
    out = told(listed, "--local")
    assert f"{folder.name[:8]}" in out
    assert "KILLED" in out
    assert f"{living.name[:8]}" in out
    assert "RUNNING" in out
    assert out.endswith("\n1 run is not shipped whole; `shackdoo sync` ships it.\n")


def test_a_narrow_terminal(own_project: Path, shackdoo: Run) -> None:
    """A terminal of 50 columns: no line is wider, nothing is lost."""
    import pty

    params = {f"task.parameters.number_{n}": 0 for n in range(9)}
    recorded(own_project, 1, "手書き数字", params=params, tracking_uri="http://server:5000")
    other = dict.fromkeys(params, 1)
    recorded(own_project, 2, "手書き数字", params=other, tracking_uri="http://server:5000")
    here, there = pty.openpty()
    environment = {**os.environ, "COLUMNS": "50"}
    command = [sys.executable, "-m", "shackdoo.cli", "runs", "--local"]
    with subprocess.Popen(command, stdout=there, stderr=there, env=environment) as process:
        process.wait(60)
    os.close(there)
    text = os.read(here, 1 << 16).decode()
    os.close(here)
    lines = text.splitlines()
    tree, last = lines[:-1], lines[-1]
    assert max(map(columns, tree)) <= 50
    assert all(f"number_{n}={value}" in text for n in range(9) for value in (0, 1))
    assert "\x1b" not in text
    assert last.startswith("2 runs are not shipped whole")


def test_a_terminal_without_japanese(own_project: Path, shackdoo: Run) -> None:
    recorded(own_project, 1, "手書き")
    done = shackdoo("runs", "--local", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "???  1 run" in done.stdout


def listed_run(params: dict[str, str]) -> ListedRun:
    rest: dict[str, Any] = {
        "params": params,
        "metrics": {},
        "tags": {},
        "store": "",
        "shipped": None,
    }
    return ListedRun("u", None, "e", "n", "FINISHED", 0, 0, **rest)


@pytest.mark.parametrize(
    ("params", "shown"),
    [
        ([{"a.b": "1"}, {"a.b": "1"}], {}),
        ([{"task": "1"}, {"task": "2"}], {}),
        ([{"a.b": "1"}, {"a.b": "2"}], {"a.b": "b"}),
        (
            [{"a.b.c": "1", "a.b.d": "1"}, {"a.b.c": "2", "a.b.d": "2"}],
            {"a.b.c": "c", "a.b.d": "d"},
        ),
        ([{"a.b": "1", "a.c.d": "1"}, {}, {"a.b": "2"}], {"a.b": "b", "a.c.d": "c.d"}),
        ([{"a.b": "1", "c.d": "1"}, {"a.b": "2", "c.d": "2"}], {"a.b": "a.b", "c.d": "c.d"}),
    ],
)
def test_which_parameters_differ(params: list[dict[str, str]], shown: dict[str, str]) -> None:
    assert differing([listed_run(each) for each in params]) == shown


def test_numbers_are_short() -> None:
    values = (0.0, 0.98765, 12345.6, 1e9, 4e-5, -0.5, math.nan, math.inf)
    expected = "0.0000 0.9877 12345.6000 1e+09 4e-05 -0.5000 nan inf"
    assert " ".join(map(number, values)) == expected


def test_durations_are_short() -> None:
    values = (0, 59, 60, 3599, 3600, 86399, 86400 * 12 + 3600 * 4)
    expected = ["0 s", "59 s", "1 m 00 s", "59 m 59 s", "1 h 00 m", "23 h 59 m", "12 d 04 h"]
    assert list(map(duration, values)) == expected


@pytest.mark.parametrize(
    ("metrics", "best", "sort", "shown"),
    [
        ("loss accuracy", None, None, "loss accuracy"),
        ("a b c d e loss", None, None, "loss a b c"),
        ("a b c d e loss", "d", None, "d loss a b"),
        ("loss val_loss test_loss lr", None, None, "test_loss val_loss"),
        ("loss val_loss test_loss lr", "loss", "lr", "lr loss test_loss val_loss"),
        ("test_a test_b val_a val_b val_c", "gone", None, "test_a test_b val_a val_b"),
        ("", "val_accuracy", None, ""),
    ],
)
def test_which_results_are_shown(
    metrics: str, best: str | None, sort: str | None, shown: str
) -> None:
    run = listed_run({"best.metric": best} if best else {})
    run.metrics.update(dict.fromkeys(metrics.split(), 0.5))
    assert main_metrics(run, sort) == shown.split()


# ── which, and in which order ────────────────────────────────────────────────────────────────


def order(listed: Any, *arguments: str) -> list[str]:
    return [run["run_uid"] for run in json.loads(told(listed, "--local", "--json", *arguments))]


def limited(listed: Any, *arguments: str) -> tuple[list[str], str]:
    code, out, err = listed("--json", *arguments)
    assert code == 0
    return [run["run_uid"] for run in json.loads(out)], err


def test_filters_and_order(own_project: Path, listed: Any) -> None:
    values = [
        {"val_loss": 0.3, "val_accuracy": 0.7},
        {"val_loss": 0.1, "val_accuracy": 0.9},
        {"loss": 1.0},
        {"val_loss": math.nan, "val_accuracy": 0.8},
    ]
    statuses = ("FINISHED", "FAILED", "KILLED", "FINISHED")
    tags = ("Mnist_A one", "Mnist_A two", "Mnist_B", "Mnist_B")
    a, b, c, d = (
        recorded(own_project, n, tags[n], statuses[n], metrics=values[n]).name for n in range(4)
    )
    assert order(listed) == [d, c, b, a]
    assert order(listed, "--task", "Mnist_A") == [b, a]
    assert order(listed, "--tag", "Mnist_A one") == [a]
    assert order(listed, "--status", "finished") == [d, a]
    assert order(listed, "--experiment", "digits", "--status", "KILLED") == [c]
    assert order(listed, "--sort", "val_accuracy") == [b, d, a, c]
    assert order(listed, "--sort", "val_accuracy", "--reverse") == [a, d, b, c]
    assert order(listed, "--sort", "val_loss")[:2] == [b, a]
    assert order(listed, "--sort", "val_loss", "--reverse")[:2] == [a, b]
    best = limited(listed, "--local", "--sort", "val_accuracy", "--limit", "1")
    assert best == ([b], "3 more runs are left out; --limit 2 shows more of them.\n")


def test_what_is_left_out_is_said(own_project: Path, listed: Any) -> None:
    names = [recorded(own_project, n).name for n in range(3)]
    left = "1 more runs are left out; --limit 4 shows more of them.\n"
    out = told(listed, "--local", "--limit", "2")
    assert left in out
    assert names[0][:8] not in out
    code, out, err = listed("--local", "--limit", "2", "--json")
    assert (code, err, len(json.loads(out))) == (0, left, 2)


# ── the store ────────────────────────────────────────────────────────────────────────────────


def test_runs_of_the_store_and_of_this_machine(
    own_project: Path, listed: Any, tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    here, gone = recorded(own_project, 2), recorded(own_project, 1)
    here_id, gone_id = shipped(here), shipped(gone)
    shutil.rmtree(gone)
    client = MlflowClient(own_store(own_project))
    client.set_tag(here_id, "note", "the good one")
    foreign = client.create_run("0", start_time=5).info.run_id
    left = recorded(own_project, 3)
    before = (own_project / "mlflow.db").read_bytes()
    runs = json.loads(told(listed, "--json"))
    assert [(run["run_uid"], run["mlflow_run_id"]) for run in runs] == [
        (left.name, None),
        (here.name, here_id),
        (gone.name, gone_id),
        (None, foreign),
    ]
    assert runs[1]["tags"]["note"] == "the good one"
    assert runs[1]["shipped"] == {"done": True, "entries_left": 0, "error": None}
    assert [run["shipped"] for run in runs[2:]] == [None, None]
    out = told(listed)
    assert f"{foreign[:8]}  " in out
    assert "(no tag)  1 run  " in out
    assert out.count("not shipped") == 2
    assert (own_project / "mlflow.db").read_bytes() == before
    assert limited(listed, "--limit", "1") == (
        [left.name],
        "at least 1 more runs are left out; --limit 2 shows more of them.\n",
    )


def test_everything_is_in_the_json(own_project: Path, listed: Any) -> None:
    folder = recorded(
        own_project,
        1,
        params={"config.名": "値"},
        metrics={"loss": math.nan, "peak": math.inf, "accuracy": 1 / 3},
        tracking_uri=DEAD_SERVER,
    )
    write_shipping(folder, Shipping(0, False, None, "away"))
    (run,) = json.loads(told(listed, "--local", "--json"), parse_constant=pytest.fail)
    assert run.pop("end_time") > run["start_time"]
    assert run == {
        "run_uid": folder.name,
        "mlflow_run_id": None,
        "experiment": "digits",
        "tag": "Mnist_B",
        "task": "Mnist_B",
        "run_name": f"name-{run['run_name'][5:]}",
        "status": "FINISHED",
        "start_time": 1_000_000_000_000 + MINUTE,
        "params": {"task": "x", "task.name": "T", "config.名": "値"},
        "metrics": {"loss": None, "peak": None, "accuracy": 1 / 3},
        "tags": {
            "shackdoo.run_uid": folder.name,
            "shackdoo.tag": "Mnist_B",
            "shackdoo.task": "Mnist_B",
        },
        "store": "http://***@127.0.0.1:9",
        "shipped": {"done": False, "entries_left": 5, "error": "away"},
        "registered": [],
    }


def test_a_store_that_is_away_is_warned_of_once(
    own_project: Path, listed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", DEAD_SERVER)
    warning = (
        "warning: The tracking store http://127.0.0.1:9 can't be used: Connection refused. "
        "Only the runs of this machine are shown.\n"
    )
    code, out, err = listed()
    assert (code, err) == (0, warning)
    assert out == "no run is recorded yet; make one: shackdoo train task=Mnist_B\n"
    folder = recorded(own_project, 1)
    code, out, err = listed()
    assert (code, err) == (0, warning)
    assert folder.name[:8] in out


def test_the_store_of_the_settings_is_asked(own_project: Path, listed: Any) -> None:
    local = own_project / "conf" / "local" / "default.yaml"
    local.parent.mkdir()
    local.write_text(f"tracking:\n  uri: {DEAD_SERVER}\n")
    assert "127.0.0.1:9 can't be used" in listed()[2]
    local.write_text("tracking: {uri: '${oc.env:X}'}\n")
    assert refused(listed) == (
        "error: tracking.uri is '${oc.env:X}', which only a run can look up. `shackdoo runs "
        "--local` shows the runs of this machine.\n"
    )
    assert listed("--local")[0] == 0
    local.write_text("tracking: {uri: 'htp://server'}\n")
    assert "Did you mean 'http'?" in refused(listed)


def test_a_real_server(own_project: Path, listed: Any, server: Any) -> None:
    folder = recorded(own_project, 1, tracking_uri=server.uri, metrics={"test_accuracy": 0.5})
    shipped(folder)
    shutil.rmtree(folder)
    os.environ["MLFLOW_TRACKING_URI"] = server.uri  # own_project takes it back
    out = told(listed, "--task", "Mnist_B", "--sort", "test_accuracy")
    assert f"{folder.name[:8]}  2001-09-" in out
    assert "test_accuracy 0.5000" in out
    assert server.uri in out
    assert refused(listed, "--task", "Mnist_Z") == (
        "error: No task 'Mnist_Z'. Did you mean 'Mnist_B'? Known: Mnist_B.\n"
    )


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_project: Path) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "tracking")
    from servers import MlflowServer

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    started = MlflowServer(f"sqlite:///{tmp_path / 'server.db'}", tmp_path / "artifacts").start()
    yield started
    started.kill()


# ── mistakes ─────────────────────────────────────────────────────────────────────────────────


def test_no_runs_at_all(own_project: Path, listed: Any) -> None:
    (own_project / "mlflow.db").unlink()
    assert told(listed) == "no run is recorded yet; make one: shackdoo train task=Mnist_B\n"
    assert told(listed, "--json") == "[]\n"
    assert not (own_project / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("--experiment digit", "No experiment 'digit'. Did you mean 'digits'? Known: digits."),
        ("--task mnist_b", "No task 'mnist_b'. Did you mean 'Mnist_B'? Known: Mnist_A, Mnist_B."),
        ("--tag x", "No tag 'x'. Known: Mnist_A, Mnist_B."),
        ("--sort los", "No metric 'los'. Did you mean 'loss'? Known: accuracy, loss."),
        (
            "--status FINISHD",
            "argument --status: no status 'FINISHD'. Did you mean 'FINISHED'? Known: FAILED, "
            "FINISHED, KILLED, RUNNING. `shackdoo runs --help` lists the options.",
        ),
        (
            "--limit 0",
            "argument --limit: '0' is no number from 1 on. `shackdoo runs --help` lists the "
            "options.",
        ),
        (
            "--expriment digits",
            "unrecognized arguments: --expriment digits. `shackdoo runs --help` lists the options.",
        ),
        ("--reverse", "--reverse turns the order of --sort METRIC, which is missing."),
    ],
)
def test_mistakes(own_project: Path, listed: Any, arguments: str, error: str) -> None:
    recorded(own_project, 1, "Mnist_A", metrics={"loss": 1.0})
    recorded(own_project, 2, "Mnist_B", metrics={"accuracy": 1.0})
    assert refused(listed, "--local", *arguments.split()) == f"error: {error}\n"


def test_what_exists_and_matches_nothing(own_project: Path, listed: Any) -> None:
    recorded(own_project, 1)
    out = told(listed, "--local", "--task", "Mnist_B", "--status", "FAILED")
    assert out == "no run matches --task Mnist_B --status FAILED; 1 are recorded\n"


@pytest.mark.parametrize(
    "arguments", [["runs", "--local"], ["runs", "--local", "--json"], ["runs"]]
)
def test_nothing_heavy_is_loaded(own_project: Path, arguments: list[str]) -> None:
    if arguments == ["runs"]:
        shipped(recorded(own_project, 1))
    recorded(own_project, 2)
    program = (
        "import sys; from shackdoo.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'matplotlib'} & set(sys.modules);"
        "print(heavy, file=sys.stderr) if heavy else None; sys.exit(code or len(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_help(shackdoo: Run) -> None:
    program = (
        "import sys\nfrom shackdoo.cli import main\ntry:\n    main(['runs', '--help'])\n"
        "finally:\n    assert not {'tensorflow', 'keras', 'mlflow', 'matplotlib'} & {*sys.modules}"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: shackdoo runs")
    assert "  runs     " in shackdoo("--help").stdout
