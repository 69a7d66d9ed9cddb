"""One import name: what lies beside a study, or comes along with a Ray job, never takes the place of a room."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files
from tests.helpers.sources import modules

STUDY = """
study: hers
question: Does the command see the files beside its study?
base: {task: {name: snli_ve}}
arms: {listed: {plain: {}, dropout: {student.dropout: 0.2}}}
seeds: {search: [0], confirm: [1, 2]}
"""
ABLATE = ("-m", "ablative.orchestrator.commands.cli")


@pytest.fixture
def crowded(tmp_path: Path) -> Path:
    """A person's folder: a study, and her own modules with the names of the rooms."""
    (tmp_path / "hers.yaml").write_text(STUDY)
    for room in ROOMS:
        (tmp_path / f"{room}.py").write_text("raise RuntimeError('her own module was taken for a room')\n")
    (tmp_path / "orchestrator").mkdir()
    (tmp_path / "orchestrator" / "__init__.py").write_text("raise RuntimeError('her own package')\n")
    return tmp_path


def _python(folder: Path, *arguments: str) -> str:
    """Run Python in `folder`, which is also the first on its path."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), IMPORT_PATH])}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "command",
    [("check", "hers.yaml"), ("plan", "hers.yaml"), ("simulate", "hers.yaml", "--studies", "2", "-q")],
    ids=lambda command: command[0],
)
def test_commands_work_beside_files_named_like_rooms(crowded: Path, command: tuple[str, ...]) -> None:
    assert _python(crowded, *ABLATE, *command)


def test_results_are_loaded_beside_files_named_like_rooms(crowded: Path) -> None:
    _python(crowded, *ABLATE, "simulate", "hers.yaml", "--engine", "inline", "--store", "store", "-q")
    code = "from ablative.analysis import load; print(load('store').trials.num_rows)"

    assert int(_python(crowded, "-c", code)) >= 4


@pytest.mark.slow
def test_coverage_counts_each_file_of_the_package_once(tmp_path: Path) -> None:
    (tmp_path / "hers.yaml").write_text(STUDY)
    data = f"--data-file={tmp_path / 'coverage'}"
    _python(ROOT, "-m", "coverage", "run", data, *ABLATE, "check", str(tmp_path / "hers.yaml"))
    _python(ROOT, "-m", "coverage", "json", "-q", data, "-o", str(tmp_path / "covered.json"))
    covered = json.loads((tmp_path / "covered.json").read_text())["files"]

    starters = Path("src", PACKAGE, "starters")
    ours = [path for path in modules().values() if path.parent.parent != starters]
    assert sorted(covered) == sorted(str(path) for path in ours)
    assert covered["orchestrator/commands/cli.py"]["summary"]["covered_lines"] > 50


@pytest.mark.ray
def test_a_study_runs_on_ray_beside_files_named_like_rooms(crowded: Path) -> None:
    shown = _python(crowded, *ABLATE, "simulate", "hers.yaml", "--engine", "ray", "--store", "store", "-q")

    assert "dropout" in shown


@pytest.mark.slow
def test_a_ray_job_carries_each_file_once_and_its_script_finds_the_package(tmp_path: Path) -> None:
    packaging = pytest.importorskip("ray._private.runtime_env.packaging")
    packaging.create_package(str(ROOT), tmp_path / "job.zip", include_gitignore=True, excludes=[".git"])
    with zipfile.ZipFile(tmp_path / "job.zip") as package:
        package.extractall(tmp_path / "job")
        carried = package.namelist()

    twice = [name for name in carried if not name.endswith("/") and f"src/{PACKAGE}/{name}" in carried]
    wanted = {f"src/{PACKAGE}/{path}" for path in files() if path.parts[0] in ROOMS}
    assert twice == ["orchestrator/ablate.py"]
    assert wanted - set(carried) == set()
    code = "import runpy; runpy.run_path('orchestrator/ablate.py')['_leave_own_folder']()"
    origin = _python(tmp_path / "job", "-c", f"{code}; import {PACKAGE}; print({PACKAGE}.__file__)")
    assert Path(origin.strip()).is_relative_to(tmp_path / "job" / "src")
