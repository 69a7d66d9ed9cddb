"""SNLI-VE's corrected dev and test are splits of their own, in both published forms, and no shifted tests."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.inputs import evaluated
from ablative.splits import is_shifted
from ablative.trainables.data.load import load_split
from ablative.trainables.data.sources import data_files
from ablative.trainables.data.splits import expand_shifted
from ablative.trainables.data.splits import splits_of
from ablative.trainables.errors import UnreadableData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve

CSV = ["", "pairID", "Flickr30kID", "hypothesis", "gold_label", "explanation"]
TSV = ["gold_label", "s1_toks", "s2_toks", "Flickr30K_ID", "sentence1", "sentence2", "pairID", "Explanation_1"]


def write(path: Path, *rows: list[object], mark: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=mark).writerows(rows)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_snli_ve(tmp_path / "ve")


def seen(folder: Path, split: str) -> list[tuple[str, str, str, str]]:
    found = load_split(TASKS["snli_ve"], str(folder), split, folder / "cache")
    return [(e.id, e.image, e.candidates[0].query.text, e.stratum) for e in found.examples]


def test_the_table_of_e_vil_is_read_by_its_columns(folder: Path) -> None:
    pair = "4465359505.jpg#2r1n"
    write(
        folder / "esnlive_dev.csv", CSV, [0, pair, "4465359505.jpg", "A man, old, chops.", "entailment", "It is so."]
    )

    assert splits_of(TASKS["snli_ve"], str(folder)) == ("train", "val", "test", "val_corrected")
    assert seen(folder, "val_corrected") == [(pair, "4465359505.jpg", "A man, old, chops.", "entailment")]
    assert folder / "esnlive_dev.csv" in data_files(TASKS["snli_ve"], folder)


def test_the_table_of_e_snli_ve_is_read_by_its_places(folder: Path) -> None:
    pair, texts = "123.jpg#0r1n", ["a man", "he sits"]
    write(
        folder / "esnli_ve_test.tsv", TSV, ["neutral", *texts, "123.jpg#0", "A man", "He sits", pair, "?"], mark="\t"
    )

    assert seen(folder, "test_corrected") == [(pair, "123.jpg", "He sits", "neutral")]


def test_of_both_forms_the_later_one_is_read(folder: Path) -> None:
    write(folder / "esnlive_test.csv", CSV, [0, "1.jpg#0r1n", "1.jpg", "He sits", "entailment", ""])
    write(
        folder / "esnli_ve_test.tsv", TSV, ["neutral", "", "", "1.jpg#0", "", "He sits", "1.jpg#0r1n", ""], mark="\t"
    )

    assert [row[-1] for row in seen(folder, "test_corrected")] == ["entailment"]


def test_corrected_labels_are_no_shift(folder: Path) -> None:
    write(folder / "esnlive_test.csv", CSV, [0, "1.jpg#0r1n", "1.jpg", "He sits", "entailment", ""])
    splits = splits_of(TASKS["snli_ve"], str(folder))

    assert "test_corrected" in splits and not is_shifted("test_corrected") and is_shifted("test_style")
    assert expand_shifted(("test", "test_shifted"), TASKS["snli_ve"], str(folder)) == ("test",)
    assert evaluated(("test", "test_shifted"), splits) == ("test",)
    assert evaluated(("test", "test_corrected"), splits) == ("test", "test_corrected")


def test_check_takes_the_repeated_rows_of_a_corrected_split_for_granted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABLATE_CACHE", str(folder / "cache"))
    for number in ("120", "121", "122"):
        Image.new("RGB", (9, 9)).save(folder / "flickr30k_images" / f"{number}.jpg")
    for name, image in (("dev", "121.jpg"), ("test", "122.jpg")):
        rows = [[i, f"{name}-{i}", image, "A  man\tSits.", "entailment", ""] for i in range(3)]
        write(folder / f"esnlive_{name}.csv", CSV, *rows)
    ran = CliRunner().invoke(ablate, ["data", "check", str(folder), "--task", "snli_ve"], catch_exceptions=False)

    assert "val_corrected: 3 examples" in ran.output and "test_corrected: 3 examples" in ran.output
    assert "in val too" not in ran.output


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["pairID", "hypothesis"], ["1", "He sits"]], "'Flickr30kID' is not in list"),
        ([CSV, [0, "1.jpg#0r1n", "1.jpg"]], "3 fields, expected 5 or more"),
        ([CSV, [0, "1.jpg#0r1n", "1.jpg", "He sits", "maybe", ""]], "gold_label is 'maybe', expected one of"),
        ([CSV, [0, "1.jpg#0r1n", "../1.jpg", "He sits", "neutral", ""]], "lies outside the image folder"),
    ],
)
def test_damaged_tables_are_named(folder: Path, rows: list[list[object]], said: str) -> None:
    write(folder / "esnlive_test.csv", *rows)

    with pytest.raises(UnreadableData, match=said):
        seen(folder, "test_corrected")
