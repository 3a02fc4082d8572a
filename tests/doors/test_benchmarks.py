import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = [
    path for path in sorted(BENCHMARKS.glob("*.py")) if '__name__ == "__main__"' in path.read_text()
]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_help_says_what_is_measured(script):
    done = subprocess.run(
        [sys.executable, script, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"usage: {script.name}")


def test_make_bench_runs_each_but_the_bare_script_that_another_one_runs(root):
    recipe = (root / "Makefile").read_text()
    run = {script.name for script in SCRIPTS if f"benchmarks/{script.name}" in recipe}
    assert run == {script.name for script in SCRIPTS} - {"bare_recipe.py"}


def test_process_is_measured_from_outside():
    code = (
        "import json, sys, measure\n"
        "spin = 'import time\\nwhile time.process_time() < 0.3: pass\\nprint(\"[1]\")'\n"
        "one = measure.run([sys.executable, '-c', spin])\n"
        "print(json.dumps([one.wall, one.cpu, one.peak_mb, one.result()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True, check=True
    )
    wall, cpu, peak_mb, result = json.loads(done.stdout)
    assert result == [1]
    assert 0.3 <= cpu < 2
    assert wall >= cpu * 0.9
    assert 1 < peak_mb < 500
