"""What `ablate init` writes checks, passes its test and runs as it is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

import ablative
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.commands.init_command import KINDS
from ablative.orchestrator.commands.init_command import write_starter
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import files

STARTERS = {path.parts[3] for path in files() if path.parts[:3] == ("src", "ablative", "starters") and path.parts[4:]}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ABLATE_STORE", raising=False)
    return tmp_path


def _ablate(*words: str) -> Result:
    return CliRunner().invoke(ablate, list(words))


def _init(kind: str, folder: Path) -> tuple[Path, list[str]]:
    """Return the folder of a kind, and the option with its parts."""
    done = _ablate("init", f"my_{kind}", "--kind", kind)
    assert done.exit_code == 0, done.output
    made = folder / f"my_{kind}"
    own = made / f"my_{kind}.py"
    return made, ["--with", own.name] if own.is_file() else []


def test_each_kind_has_its_folder_of_real_files() -> None:
    assert set(KINDS) == STARTERS


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_checks_without_a_warning(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, own = _init(kind, folder)
    monkeypatch.chdir(made)

    checked = _ablate("check", f"my_{kind}.yaml", *own)

    assert (checked.exit_code, checked.stderr) == (0, "")
    assert "not here" not in checked.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_names_no_place_of_this_machine_and_no_starter(kind: str, folder: Path) -> None:
    made, _ = _init(kind, folder)

    for path in made.rglob("*"):
        assert "starter" not in path.name
        if path.is_file() and path.suffix != ".png":
            text = path.read_text(encoding="utf-8")
            assert "starter" not in text.lower(), path
            assert str(folder) not in text and str(Path.home()) not in text, path
    assert f"ablate check my_{kind}.yaml" in (made / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest said of the tests of all kinds, each in its folder; one process imports torch for all."""
    around = tmp_path_factory.mktemp("starters")
    for kind in KINDS:
        write_starter(kind, f"my_{kind}", around / f"my_{kind}")
    environment = {**os.environ, "PYTHONPATH": IMPORT_PATH}
    folders = [f"my_{kind}" for kind in KINDS]
    program = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", *folders]
    done = subprocess.run(program, cwd=around, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_its_own_test_passes(kind: str, passed: str) -> None:
    assert f"PASSED my_{kind}/test_my_{kind}.py::" in passed


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_to_an_answer(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, own = _init(kind, folder)
    monkeypatch.chdir(made)

    fewer = "seeds.confirm=1-2"  # seeds than the seven of the file
    done = _ablate("run", f"my_{kind}.yaml", fewer, *own, "--executor", "inline", "-q")

    assert done.exit_code == 0, done.output
    assert ", 0 failed" in done.stdout
    results = ablative.load("ablate-results")
    assert set(results.trials["status"].to_pylist()) == {"completed"}
    assert results.effects.num_rows > 0


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("Mine", "study", "use a lower-case letter"),
        ("../mine", "study", "use a lower-case letter"),
        ("random", "term", "already a Python keyword or module"),
        ("class", "term", "already a Python keyword or module"),
        ("numpy", "study", "already a Python keyword or module"),
        ("quickstart", "study", "a shipped study has this name"),
        ("crd", "term", "crd.py:39: term 'crd' is already defined"),
        ("selection", "term", "a setting already has this name"),
        ("snli_ve", "task", "task 'snli_ve' is already defined"),
        ("clip_td", "trainable", "trainable 'clip_td' is already defined"),
    ],
)
def test_a_name_of_no_use_is_refused_and_nothing_is_written(name: str, kind: str, said: str, folder: Path) -> None:
    done = _ablate("init", name, "--kind", kind)

    assert done.exit_code == 2
    assert said in done.stderr
    assert list(folder.iterdir()) == []


def test_a_folder_with_something_in_it_is_left_alone(folder: Path) -> None:
    (folder / "mine").mkdir()
    assert _ablate("init", "mine", "-q").output == "", "an empty one is filled"
    before = sorted((folder / "mine").iterdir())

    done = _ablate("init", "mine", "--kind", "term")

    assert done.exit_code == 2
    assert done.stderr == "mine: already exists; give another name, or move the folder\n"
    assert sorted((folder / "mine").iterdir()) == before
