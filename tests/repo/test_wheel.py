"""The wheel works outside the checkout, with the shipped studies inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy: a build leaves folders behind that a later build would pick up again."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in files():
        if path.parts[0] in ROOMS or len(path.parts) == 1:
            (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / "source" / path)
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "source"))
    (built,) = folder.glob("*.whl")
    return built


def _pip(command: str, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", "--no-deps", *arguments], check=True)


def test_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.as_posix() for path in files() if path.parts[0] in ROOMS}

    assert "search_spaces/quickstart.yaml" in wanted
    assert wanted - inside == set()


def test_installed_wheel_checks_a_shipped_study_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    _pip("install", "--target", str(site), str(wheel))
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*command: str) -> str:
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    assert Path(run(sys.executable, "-c", "print(__import__('search_spaces').__file__)").strip()).is_relative_to(site)
    run(sys.executable, str(site / "bin" / "ablate"), "check", "quickstart")
