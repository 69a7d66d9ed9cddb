"""Which splits a data set has."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.trainables.data.load import load_split
from ablative.trainables.data.splits import expand_shifted
from ablative.trainables.data.splits import splits_of
from ablative.trainables.errors import MissingData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import vqa_entry
from tests.unit.trainables.real_layouts import write_vqa


def test_absent_data_has_the_splits_of_its_distribution() -> None:
    assert splits_of(TASKS["snli_ve"], "no/such/folder") == ("train", "val", "test")
    assert splits_of(TASKS["vqa"], "no/such/folder") == ("train", "val", "test")
    assert splits_of(TASKS["vcr"], "no/such/folder") == (
        *("train", "val", "test", "test_shortcuts"),
        *("test_rule_plural", "test_rule_singular"),
    )


@pytest.mark.parametrize("preset", ["mini", "mini_smoke"])
def test_bundled_benchmark_has_its_shifted_tests(preset: str) -> None:
    assert splits_of(TASKS["snli_ve"], preset) == ("train", "val", "test", "test_style", "test_priors")
    assert splits_of(TASKS["vqa"], preset) == ("train", "val", "test", "test_style", "test_priors")
    assert splits_of(TASKS["vcr"], preset) == ("train", "val", "test", "test_style", "test_shortcuts")


def test_shifted_tests_of_a_folder_are_found_by_their_files(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    for name in ("test_other", "test_priors"):
        write_vqa(tmp_path, name, [vqa_entry(1, 1, ["cat"] * 10)])

    assert splits_of(TASKS["vqa"], str(tmp_path)) == ("train", "val", "test", "test_priors", "test_other")


def test_test_shifted_stands_for_all_shifted_tests_once() -> None:
    asked = ("val", "test_style", "test_shifted")

    assert expand_shifted(asked, TASKS["vcr"], "mini") == ("val", "test_style", "test_shortcuts")
    assert expand_shifted(("test_shifted",), TASKS["snli_ve"], "absent") == ()


def test_split_that_the_folder_lacks_is_named(tmp_path: Path) -> None:
    make_vqa(tmp_path)

    with pytest.raises(MissingData, match=r"test_style.*v2_OpenEnded_mscoco_test_style_questions\.json"):
        load_split(TASKS["vqa"], str(tmp_path), "test_style", tmp_path)
