"""Every benchmark starts as a script, from any folder, and says how it is used."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.sources import ROOT

SHARED = {"__init__", "large_store", "rival_stores", "simulated", "simulation", "synthetic"}
"""What other benchmarks import, and nobody starts."""
SIMULATIONS = {
    "claims": ("--studies", "2"),
    "clusters": ("--studies", "2"),
    "futility": ("--studies", "4"),
    "gate": ("--ledgers", "1"),
    "same_seed": ("--studies", "4"),
    "weights": ("--studies", "4"),
}
"""Those that call the product's tests themselves and take a second for few studies."""
STARTER = """
import contextlib, io, json, runpy, sys
folder, *scripts = sys.argv[1:]
sys.path[0] = folder  # as it is when one of them is started
told = {}
for script in scripts:
    sys.argv, out = [script, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(f"{folder}/{script}", run_name="__main__")
        told[script] = "did not stop at its help"
    except SystemExit as end:
        told[script] = out.getvalue() if not end.code else f"exit {end.code}"
    except Exception as error:
        told[script] = f"{type(error).__name__}: {error}"
print(json.dumps(told))
"""


@pytest.mark.parametrize("name", SIMULATIONS)
def test_a_simulation_runs_through_with_the_present_code(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *SIMULATIONS[name]])

    runpy.run_path(str(ROOT / "benchmarks" / f"{name}.py"), run_name="__main__")

    *points, found = map(json.loads, capsys.readouterr().out.splitlines())
    assert len(points) > 3
    assert {"points", "nulls"} & found.keys()


def test_each_benchmark_starts_as_a_script_and_has_a_quick_form(tmp_path: Path) -> None:
    scripts = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if path.stem not in SHARED)
    ran = subprocess.run(
        [sys.executable, "-c", STARTER, str(ROOT / "benchmarks"), *scripts],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout.splitlines()[-1])

    assert list(told) == scripts
    assert {name: text for name, text in told.items() if "--quick" not in text} == {}
    assert {name for name, text in told.items() if f"python benchmarks/{name}" not in text} == set()
