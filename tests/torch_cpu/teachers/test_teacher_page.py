"""The studies and commands of docs/teacher.md run, on tiny models and pictures at the paths that the page names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.data.load import load_split
from ablative.trainables.data.manifest import images_of
from ablative.trainables.students.tokens import teacher_text
from tests.helpers.small_folders import clip_folder
from tests.helpers.small_folders import feature_files
from tests.helpers.small_folders import siglip_folder
from tests.helpers.small_folders import two_towers
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher
from tests.helpers.sources import ROOT
from tests.helpers.tasks import TASKS

PAGE = (ROOT / "docs" / "teacher.md").read_text(encoding="utf-8")
STUDIES = dict(re.findall(r"^```yaml\n# (\w+)\.yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
SHELL = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = [shlex.split(line, comments=True)[1:] for line in SHELL.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the page's studies find what they name."""
    folder = tmp_path_factory.mktemp("page")
    data = folder / "data" / "snli_ve"
    data.parent.mkdir()
    pictured_snli_ve(data)
    small_teacher(folder / "models" / "my_clip")
    clip_folder(folder / "models" / "clip")
    siglip_folder(folder / "models" / "siglip")
    two_towers(folder / "models" / "towers")
    split = load_split(TASKS["snli_ve"], str(data), "train", folder / "cache")
    texts = list(dict.fromkeys(teacher_text(example.candidates[0]) for example in split.examples))
    feature_files(folder / "features", sorted(images_of(split)), texts)
    for name, text in STUDIES.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_every_kind_of_teacher_has_a_study() -> None:
    assert [*STUDIES] == [
        "bundled", "scenes", "open_clip_teacher", "unimodal", "clip_folder", "siglip_folder", "stored", "several",
    ]  # fmt: skip


@pytest.mark.parametrize("name", STUDIES)
def test_the_commands_of_a_study_run(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ABLATE_CACHE", str(folder / f"cache_{name}"))
    commands = [words for words in COMMANDS if f"{name}.yaml" in words]
    assert [words[0] for words in commands] == ["check", "teacher"]

    shown = CliRunner().invoke(ablate, ["teacher", "show", f"{name}.yaml"], catch_exceptions=False)
    assert shown.exit_code == 1, shown.output
    for words in commands:
        done = CliRunner().invoke(ablate, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        assert "not here" not in done.output

    shown = CliRunner().invoke(ablate, ["teacher", "show", f"{name}.yaml"], catch_exceptions=False)
    assert shown.output.splitlines()[-1] == f"{name}.yaml: complete"
