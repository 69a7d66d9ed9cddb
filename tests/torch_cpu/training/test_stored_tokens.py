"""Tokens of a large split are made once: what a trial reads is what encoding gives, whatever becomes of the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ablative.progress import silent
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.subsets import subset
from ablative.trainables.prepare import prepare
from ablative.trainables.students import stored_tokens
from ablative.trainables.students.stored_tokens import build_tokens
from ablative.trainables.students.stored_tokens import open_tokens
from ablative.trainables.students.tokens import Tokens
from ablative.trainables.students.tokens import encode
from ablative.trainables.training import inputs as training_inputs
from ablative.trainables.training.inputs import inputs_of
from tests.helpers.tasks import TASKS

LONGEST = 24  # some texts are cut
TEN = 10


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_tokens, "PER_FILE", TEN)


def _split(cache: Path, task: str = "vcr") -> TaskSplit:
    return load_split(TASKS[task], "mini_smoke", "train", cache)


def _encoded(split: TaskSplit) -> Tokens:
    return encode([c for example in split.examples for c in example.candidates], LONGEST)


def _assert_same(found: Tokens | None, split: TaskSplit) -> None:
    wanted = _encoded(split)
    assert found is not None
    assert np.array_equal(found.lengths, wanted.lengths)
    rng = np.random.default_rng(0)
    for size in (1, 7, len(wanted.lengths)):
        rows = rng.permutation(len(wanted.lengths))[:size]
        one, other = found.rows(rows), wanted.rows(rows)
        for name in ("ids", "segments", "references", "words", "num_words"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
            assert getattr(one, name).dtype == np.int32


def _files(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.glob("tokens/*/*"))}


@pytest.mark.parametrize("task", ["vcr", "snli_ve", "vqa"])
def test_stored_tokens_are_those_that_encoding_gives_for_a_split_and_for_its_subsets(
    task: str, cache: Path, tmp_path: Path
) -> None:
    split = _split(cache, task)
    build_tokens(split, LONGEST, None, tmp_path, silent)
    for part in (split, subset(split, 0.3, 5)):
        _assert_same(open_tokens(part, LONGEST, None, tmp_path), part)


def test_a_trial_of_prepared_data_encodes_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stored_tokens, training_inputs):
        monkeypatch.setattr(module, "KEPT", 30)
    config = TrialConfig.model_validate({"task": {"name": "vcr", "data": "mini_smoke"}})
    prepare([config], cache, silent)

    def refuse(*_: object) -> None:
        raise AssertionError("tokens were made again")

    monkeypatch.setattr(training_inputs, "encode", refuse)
    inputs = inputs_of(config, _split(cache), cache)
    assert inputs.batch(np.arange(4)).inputs.ids_BL.shape[0] == 16


def test_without_stored_tokens_a_trial_makes_them(cache: Path, tmp_path: Path) -> None:
    assert open_tokens(_split(cache), LONGEST, None, tmp_path) is None


def test_what_is_whole_is_kept_and_what_is_missing_damaged_or_left_by_a_kill_is_made(
    cache: Path, tmp_path: Path
) -> None:
    split = _split(cache)
    build_tokens(split, LONGEST, None, tmp_path, silent)
    before = _files(tmp_path)
    (folder,) = tmp_path.glob("tokens/*")
    (folder / "tokens-0001.arrow").unlink()
    cut = folder / "tokens-0002.arrow"
    cut.write_bytes(cut.read_bytes()[:-100])
    flipped = folder / "tokens-0003.arrow"
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(content)
    (folder / ".tokens-0004.arrow.abcd").write_bytes(b"half")
    assert open_tokens(split, LONGEST, None, tmp_path) is None

    build_tokens(split, LONGEST, None, tmp_path, silent)
    after = _files(tmp_path)
    made = {f"tokens-000{number}.arrow" for number in (1, 2, 3)}
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == made
    _assert_same(open_tokens(split, LONGEST, None, tmp_path), split)


def test_tokens_of_other_texts_are_never_read_and_those_of_a_longer_split_are_removed(
    cache: Path, tmp_path: Path
) -> None:
    split = _split(cache)
    build_tokens(split, LONGEST, None, tmp_path, silent)
    first = split.examples[0]
    other = replace(first.candidates[0], query=replace(first.candidates[0].query, text="something else"))
    edited = replace(first, candidates=(other, *first.candidates[1:]))
    changed = replace(split, examples=(edited, *split.examples[1:25]))
    assert open_tokens(changed, LONGEST, None, tmp_path) is None

    build_tokens(changed, LONGEST, None, tmp_path, silent)
    _assert_same(open_tokens(changed, LONGEST, None, tmp_path), changed)
    assert len(_files(tmp_path)) == 3


def test_another_length_or_vocabulary_has_tokens_of_its_own(cache: Path, tmp_path: Path) -> None:
    split = _split(cache)
    build_tokens(split, LONGEST, None, tmp_path, silent)
    assert open_tokens(split, LONGEST + 1, None, tmp_path) is None
