from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.sources import ROOT

SCRIPT = ROOT / "orchestrator" / "ablate.py"


def _run(script: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), *arguments]
    return subprocess.run(command, cwd=folder, env=_environment(), capture_output=True, text=True, check=False)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def test_the_script_runs_from_the_checkout(tmp_path: Path) -> None:
    result = _run(SCRIPT, tmp_path, "check", "quickstart")
    assert result.returncode == 0, result.stderr
    assert "no mistakes" in result.stdout


def test_the_script_runs_alone_beside_modules_that_would_hide_others(tmp_path: Path) -> None:
    alone = tmp_path / "ablate.py"
    shutil.copy(SCRIPT, alone)
    for name in ("queue", "yaml", "click", "ablative", "orchestrator", "search_spaces"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('hidden')\n")
    code = "import importlib.util; print(bool(importlib.util.find_spec('ablative')))"
    command = [sys.executable, "-c", code]
    installed = subprocess.run(command, cwd="/", env=_environment(), capture_output=True, text=True, check=True)
    if installed.stdout.strip() != "True":
        pytest.skip("the package is not installed in this environment")

    result = _run(alone, tmp_path, "check", "quickstart")
    assert result.returncode == 0, result.stderr
    assert "no mistakes" in result.stdout


def test_the_script_joins_a_running_cluster_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from ablative.orchestrator import ablate

    seen: list[str] = []
    monkeypatch.setattr("ablative.orchestrator.commands.cli.main", lambda: seen.append(os.environ["ABLATE_ADDRESS"]))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("ABLATE_ADDRESS", "auto")
    ablate.main()
    monkeypatch.delenv("ABLATE_ADDRESS")
    ablate.main()
    monkeypatch.delenv("ABLATE_ADDRESS")
    assert seen == ["auto", "any"]
