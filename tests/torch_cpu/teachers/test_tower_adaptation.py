"""AF-T of whole towers: what it learns, a run that is killed, and the folder that a study names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from ablative.orchestrator.commands.cli import ablate
from ablative.progress import silent
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TeacherConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.teachers import tower_adaptation
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.tower_adaptation import WEIGHTS
from ablative.trainables.teachers.tower_adaptation import TowerAdaptation
from ablative.trainables.teachers.tower_adaptation import adapt
from tests.helpers.answers import checked_answer
from tests.helpers.small_teachers import pictured_snli_ve
from tests.helpers.small_teachers import small_teacher

torch.set_num_threads(1)
SHORT = TowerAdaptation(steps=6, batch_size=4, lr=1e-3, seed=3)


class Killed(Exception):
    """Somebody ends the process."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data, and a small open_clip teacher beside them."""
    pictured_snli_ve(tmp_path / "data", examples=24, images=8, gold_label="entailment")
    small_teacher(tmp_path / "clip")
    return tmp_path


def config(folder: Path, **task: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "task": {"name": "snli_ve", "data": str(folder / "data"), **task},
            "teacher": {"model": f"local-dir:{folder / 'clip'}"},
        }
    )


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def test_the_folder_is_a_teacher_whose_towers_have_both_learned_and_whose_scale_has_not(folder: Path) -> None:
    found = adapt(config(folder), SHORT, folder / "adapted", cache_folder(), silent)
    before = load_teacher(config(folder).teacher, cache_folder())
    after = load_teacher(TeacherConfig(model=f"local-dir:{folder / 'adapted'}"), cache_folder())

    assert (found.steps, found.resumed_at, found.pairs) == (6, 0, 24)
    old, new = before.model.state_dict(), after.model.state_dict()
    changed = {name.split(".")[0] for name in old if not torch.equal(old[name], new[name])}
    assert {"visual", "transformer", "token_embedding", "text_projection"} <= changed
    assert torch.equal(old["logit_scale"], new["logit_scale"])
    assert not torch.equal(before.encode_texts(["a red fox"]), after.encode_texts(["a red fox"]))


def test_many_steps_bring_pictures_and_their_texts_together(folder: Path) -> None:
    found = adapt(
        config(folder), TowerAdaptation(steps=60, batch_size=24, lr=3e-3), folder / "adapted", cache_folder(), silent
    )

    assert found.curve[-1][1] < 0.8 * found.curve[0][1], found.curve


def test_a_run_that_was_killed_ends_with_the_same_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapt(config(folder), SHORT, folder / "whole", cache_folder(), silent)
    monkeypatch.setattr(tower_adaptation, "SAVED", 2)

    def killed(stage: str, done: int, total: int) -> None:
        if stage.startswith("adapting") and done == 5:
            raise Killed

    with pytest.raises(Killed):
        adapt(config(folder), SHORT, folder / "resumed", cache_folder(), killed)
    assert not (folder / "resumed").exists()
    found = adapt(config(folder), SHORT, folder / "resumed", cache_folder(), silent)
    again = adapt(config(folder), SHORT, folder / "resumed", cache_folder(), silent)

    assert (found.resumed_at, again.resumed_at) == (4, 6)
    assert not (folder / "resumed.state").exists()
    one, other = weights(folder / "whole"), weights(folder / "resumed")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_share_of_train_gives_the_pairs_that_trials_of_that_share_and_seed_have(folder: Path) -> None:
    few = adapt(config(folder, data_fraction=0.25), SHORT, folder / "few", cache_folder(), silent)

    assert 2 <= few.pairs < 24
    with pytest.raises(TeacherError, match=r"few: written with other data, weights or options; give another --output"):
        adapt(config(folder), SHORT, folder / "few", cache_folder(), silent)


def test_a_teacher_without_towers_is_refused(folder: Path) -> None:
    bundled = TrialConfig.model_validate({"task": {"name": "snli_ve", "data": str(folder / "data")}})

    with pytest.raises(TeacherError, match=r"teacher.model: mini_dual_encoder has no towers of open_clip's"):
        adapt(bundled, SHORT, folder / "adapted", cache_folder(), silent)


def test_the_command_says_what_it_would_do_does_it_and_names_the_teacher(folder: Path) -> None:
    words = ["teacher", "adapt", str(folder / "data"), "--task", "snli_ve", "--model", f"local-dir:{folder / 'clip'}"]
    words += ["-o", str(folder / "adapted"), "--steps", "3", "--batch", "8"]

    dry = CliRunner().invoke(ablate, [*words, "--dry-run"])
    assert (dry.exit_code, dry.stdout) == (0, f"all files are there; 3 steps would write {folder / 'adapted'}\n")
    assert not (folder / "adapted").exists()
    done = CliRunner().invoke(ablate, [*words, "--quiet"])
    assert done.exit_code == 0, done.output
    assert f"teacher.model=local-dir:{folder / 'adapted'}" in done.stdout
    told = CliRunner().invoke(ablate, [*words, "--json"])
    assert checked_answer("teacher_adapt", told.stdout)["resumed_at"] == 3


def test_the_command_names_what_is_not_there(folder: Path) -> None:
    words = ["teacher", "adapt", str(folder / "data"), "--task", "snli_ve", "-o", str(folder / "adapted")]

    found = CliRunner().invoke(ablate, [*words, "--model", "ViT-B-32", "--checkpoint", str(folder / "none.pt")])

    assert found.exit_code == 2
    assert "teacher.checkpoint: no file at" in found.stderr and "\n" not in found.stderr.strip()
