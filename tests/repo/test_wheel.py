"""The wheel works outside the checkout, with the shipped studies inside."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOMS
from tests.helpers.sources import files
from tests.helpers.wheels import pip
from tests.helpers.wheels import wheel_of_ours

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel_of_ours(tmp_path_factory.mktemp("wheel"))


def test_wheel_holds_every_file_of_the_rooms(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"{PACKAGE}/{path.as_posix()}" for path in files() if path.parts[0] in ROOMS}
    wanted |= {path.relative_to("src").as_posix() for path in files() if path.parts[0] == "src"}

    assert f"{PACKAGE}/starters/data/pictures/metadata.csv" in wanted
    assert f"{PACKAGE}/search_spaces/quickstart.yaml" in wanted
    assert wanted - inside == set()


def test_wheel_holds_one_package_and_nothing_beside_it(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    names = {top for top in tops if not top.endswith(".dist-info")}

    assert (names, len(tops)) == ({PACKAGE}, 2)


def test_installed_wheel_checks_a_shipped_study_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    pip("install", "--target", str(site), str(wheel))
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def run(*command: str) -> str:
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    origin = run(sys.executable, "-c", "import ablative.search_spaces as room; print(room.__file__)").strip()
    assert Path(origin).is_relative_to(site / PACKAGE)
    run(sys.executable, str(site / "bin" / "ablate"), "check", "quickstart")
    run(sys.executable, str(site / "bin" / "ablate"), "init", "hers", "--kind", "data")
    assert len(list((tmp_path / "hers" / "pictures").glob("*.png"))) == 12
