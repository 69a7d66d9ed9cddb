"""Second-stage pretraining: what is asked, a run that is killed, and the file that a study starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from ablative.orchestrator.commands.cli import ablate
from ablative.progress import silent
from ablative.trainables.cache import cache_folder
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.load import load_split
from ablative.trainables.students import second_stage
from ablative.trainables.students.checkpoint import CheckpointError
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.second_stage import NO_WORD
from ablative.trainables.students.second_stage import SecondStage
from ablative.trainables.students.second_stage import exchanged
from ablative.trainables.students.second_stage import masked_regions
from ablative.trainables.students.second_stage import masked_words
from ablative.trainables.students.second_stage import matched
from ablative.trainables.students.second_stage import pretrain
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import build_student
from ablative.trainables.students.vocabulary import CLS
from ablative.trainables.students.vocabulary import MASK
from ablative.trainables.students.vocabulary import SEP
from tests.helpers.answers import checked_answer
from tests.helpers.tasks import TASKS
from tests.torch_cpu.students.published_files import SMALL
from tests.torch_cpu.students.published_files import WORDS
from tests.torch_cpu.students.published_files import uniter_tensors
from tests.torch_cpu.students.published_files import vocabulary_file

torch.set_num_threads(1)
SHORT = SecondStage(steps=6, batch_size=4, lr=1e-3, matching=1.0, seed=3)


class Killed(Exception):
    """Somebody ends the process."""


def config(task: str = "vcr", **student: Any) -> TrialConfig:
    content = {"preset": "uniter_tiny", "init": "scratch", **student}
    return TrialConfig.model_validate({"task": {"name": task, "data": "mini_smoke"}, "student": content})


def made_batch(lengths: list[int], regions: list[int], seed: int) -> StudentBatch:
    """Texts of so many words, of which the second names a region, and pictures with so many regions."""
    draw, B, L, R = torch.Generator().manual_seed(seed), len(lengths), max(lengths) + 2, max(regions) + 1
    ids_BL = torch.zeros(B, L, dtype=torch.long)
    references_BL = torch.full((B, L), -1)
    for row, length in enumerate(lengths):
        words = torch.randint(MASK + 1, 900, (length,), generator=draw)
        ids_BL[row, : length + 2] = torch.tensor([CLS, *words.tolist(), SEP])
        references_BL[row, 2] = 1 if length > 1 else -1
    mask_BR = torch.arange(R) < torch.tensor(regions).unsqueeze(-1) + 1
    return StudentBatch(
        ids_BL=ids_BL,
        segments_BL=torch.zeros(B, L, dtype=torch.long),
        references_BL=references_BL,
        text_mask_BL=ids_BL != 0,
        regions_BRF=torch.rand(B, R, 5, generator=draw) + 1,
        boxes_BR7=torch.rand(B, R, 7, generator=draw),
        region_mask_BR=mask_BR,
    )


SIZES = st.lists(st.integers(1, 9), min_size=2, max_size=6)


@given(lengths=SIZES, seed=st.integers(0, 10_000))
def test_every_text_has_a_masked_word_and_only_words_are_masked(lengths: list[int], seed: int) -> None:
    batch = made_batch(lengths, [1] * len(lengths), seed)
    asked, words_BL = masked_words(batch, 900, np.random.default_rng(seed))
    masked_BL = words_BL != NO_WORD

    assert masked_BL.any(dim=1).all()
    assert (batch.ids_BL[masked_BL] > MASK).all() and (batch.references_BL[masked_BL] < 0).all()
    assert torch.equal(words_BL[masked_BL], batch.ids_BL[masked_BL])
    assert torch.equal(asked.ids_BL[~masked_BL], batch.ids_BL[~masked_BL])


def test_eight_of_ten_masked_words_are_hidden_and_one_stays() -> None:
    batch = made_batch([400] * 20, [1] * 20, 0)
    asked, words_BL = masked_words(batch, 900, np.random.default_rng(0))
    chosen_BL = words_BL != NO_WORD
    shown, own = asked.ids_BL[chosen_BL], words_BL[chosen_BL]

    assert chosen_BL.float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert (shown == MASK).float().mean().item() == pytest.approx(0.8, abs=0.05)
    assert (shown == own).float().mean().item() == pytest.approx(0.1, abs=0.03)


@given(regions=st.lists(st.integers(0, 9), min_size=2, max_size=6), seed=st.integers(0, 10_000))
def test_every_picture_has_a_masked_region_and_never_the_whole(regions: list[int], seed: int) -> None:
    batch = made_batch([3] * len(regions), regions, seed)
    asked, chosen_BR = masked_regions(batch, np.random.default_rng(seed))

    assert chosen_BR.any(dim=1).all()
    assert not (chosen_BR & ~batch.region_mask_BR).any()
    assert chosen_BR[:, 0].tolist() == [count == 0 for count in regions]
    assert not asked.regions_BRF[chosen_BR].any()
    assert torch.equal(asked.regions_BRF[~chosen_BR], batch.regions_BRF[~chosen_BR])


@given(regions=SIZES, seed=st.integers(0, 10_000))
def test_an_exchanged_picture_is_whole_and_is_called_wrong(regions: list[int], seed: int) -> None:
    batch = made_batch([3] * len(regions), regions, seed)
    asked, true_B = exchanged(batch, np.random.default_rng(seed))

    assert torch.equal(asked.ids_BL, batch.ids_BL) and (asked.references_BL == -1).all()
    for row, true in enumerate(true_B.tolist()):
        same = torch.equal(asked.regions_BRF[row], batch.regions_BRF[row])
        assert same == bool(true)
        [source] = [
            other for other in range(len(regions)) if torch.equal(asked.boxes_BR7[row], batch.boxes_BR7[other])
        ]
        assert torch.equal(asked.region_mask_BR[row], batch.region_mask_BR[source])


@pytest.mark.slow
def test_a_killed_run_continues_exactly_and_its_state_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_stage, "SAVED", 2)
    whole = pretrain(config(), SHORT, tmp_path / "whole.safetensors", cache_folder(), silent)

    def kill(what: str, done: int, total: int) -> None:
        if what.startswith("second") and done == 5:
            raise Killed

    output = tmp_path / "killed.safetensors"
    with pytest.raises(Killed):
        pretrain(config(), SHORT, output, cache_folder(), kill)
    state = tmp_path / "killed.safetensors.state"
    assert state.is_file() and not output.exists()
    with pytest.raises(CheckpointError, match="of a run with other data, weights or options"):
        pretrain(config(), SHORT.changed(lr=2e-3), output, cache_folder(), silent)

    found = pretrain(config(), SHORT, output, cache_folder(), silent)
    assert (found.resumed_at, found.steps) == (4, 6) and not state.exists()
    one, two = load_file(whole.output), load_file(output)
    assert all(torch.equal(one[name], two[name]) for name in one)

    again = pretrain(config(), SHORT, output, cache_folder(), silent)
    assert again.resumed_at == 6 and not again.curve
    with pytest.raises(CheckpointError, match="written with other data, weights or options"):
        pretrain(config("snli_ve"), SHORT, output, cache_folder(), silent)


def test_bfloat16_without_its_instructions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_stage, "lacks_bfloat16", lambda: True)
    monkeypatch.setattr(second_stage, "current_device", lambda: torch.device("cpu"))
    with pytest.raises(CheckpointError, match="far slower than float32; use float32, or a GPU"):
        pretrain(config(), SHORT.changed(precision="bfloat16"), tmp_path / "s", cache_folder(), silent)


@pytest.mark.slow
def test_a_run_that_diverges_says_so_and_writes_nothing(tmp_path: Path) -> None:
    recipe = SHORT.changed(lr=1e30, warmup_fraction=0.0)
    with pytest.raises(CheckpointError, match="by step 6; use a smaller --lr"):
        pretrain(config(), recipe, tmp_path / "s.safetensors", cache_folder(), silent)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_the_losses_fall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(second_stage, "REPORTED", 20)
    recipe = SecondStage(steps=80, batch_size=8, lr=1e-3)
    found = pretrain(config(), recipe, tmp_path / "s.safetensors", cache_folder(), silent)
    (_, first), *_, (_, last) = found.curve
    assert found.examples > 0 and first.keys() == last.keys() == {"words", "regions"}
    assert last["words"] < 0.9 * first["words"] and last["regions"] < first["regions"]


@pytest.mark.slow
def test_a_study_starts_from_what_began_as_a_published_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its norms keep BERT's epsilon, and every weight comes back."""
    monkeypatch.setitem(UNITER_PRESETS, "uniter_base", SMALL)
    published, output = tmp_path / "uniter.pt", tmp_path / "stage2.safetensors"
    torch.save(uniter_tensors(region_width=1280), published)
    settings = {
        "preset": "uniter_base",
        "init": str(published),
        "vocabulary": vocabulary_file(tmp_path / "vocab.txt", ["cat", "dog", "##s"]),
    }
    pretrain(config(**settings), SHORT, output, cache_folder(), silent)

    trial = config(**{**settings, "init": str(output)})
    student = build_student(trial.student, head="candidates", num_classes=0, region_width=1280)
    norms = [module for module in student.encoder.modules() if isinstance(module, nn.LayerNorm)]
    assert {norm.eps for norm in norms} == {1e-12}
    written, started = load_file(output), torch.load(published, weights_only=True)
    assert len(written["text_embedding.vectors"]) == WORDS
    for name, value in student.encoder.state_dict().items():
        assert torch.equal(value, written[name]), name
    before = next(value for name, value in started.items() if name.endswith("position_embeddings.weight"))
    rows = written["text_embedding.positions.weight"]
    assert 0 < (rows - before[: len(rows)]).abs().max() < 0.1


@pytest.mark.slow
def test_only_true_statements_are_pairs() -> None:
    split = load_split(TASKS["snli_ve"], "mini_smoke", "train", cache_folder())
    pairs = matched(split)
    [true] = {max(one.targets, key=lambda target: target[1])[0] for one in pairs.examples}
    assert split.classes[true] == "entailment" and 0 < len(pairs.examples) < len(split.examples)
    assert matched(vcr := load_split(TASKS["vcr"], "mini_smoke", "train", cache_folder())) is vcr


def invoked(*words: object) -> Any:
    return CliRunner().invoke(ablate, ["student", "pretrain", *map(str, words)])


@pytest.mark.slow
def test_the_command_pretrains_and_says_what_it_did(tmp_path: Path) -> None:
    output = tmp_path / "new" / "stage2.safetensors"
    words = ["mini_smoke", "--task", "vcr", "--preset", "uniter_tiny", "--init", "scratch", "-o", output]
    words += ["--steps", 3, "--batch", 4, "--lr", 1e-3]

    dry = checked_answer("student_pretrain", invoked(*words, "--dry-run", "--json").stdout)
    assert dry["dry_run"] and not output.exists()
    said = invoked(*words, "-q")
    assert said.exit_code == 0, said.output
    assert f"student.init={output}" in said.output and "pairs" in said.output
    again = checked_answer("student_pretrain", invoked(*words, "--json", "-q").stdout)
    assert (again["resumed_at"], again["steps"], again["curve"]) == (3, 3, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--words", "0", "--regions", "0"], "all objectives have weight 0"),
        (["--preset", "uniter_huge"], "--preset uniter_huge: unknown preset"),
        (["--preset", "uniter_base"], "no weights of 'uniter_base' come with the program"),
        (["--preset", "clip_vil_tiny"], "does not read region features alone"),
    ],
)
def test_a_mistake_is_told_in_one_line(words: list[str], told: str, tmp_path: Path) -> None:
    said = invoked("mini_smoke", "--task", "vcr", "-o", tmp_path / "s.safetensors", "-q", *words)
    assert said.exit_code == 2 and told in said.output
    assert "Traceback" not in said.output
