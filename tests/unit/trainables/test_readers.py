"""The readers, on small data sets in the real layouts."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.sources import is_carved
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import vqa_entry
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines
from tests.unit.trainables.real_layouts import write_vqa


def load(task: str, folder: Path, split: str) -> TaskSplit:
    return load_split(TASKS[task], str(folder), split, folder / "cache")


def test_vcr_tags_become_names_and_keep_their_boxes(tmp_path: Path) -> None:
    split = load("vcr", make_vcr(tmp_path), "test")
    answer, rationale = split.examples[:2]
    first = answer.candidates[0]

    assert first.query.text == "Why is Alex near dog ?"
    assert first.query.references == ((7, 11, 0), (17, 20, 1))
    assert first.response is not None and first.response.text == "Alex and Robin like dogs"
    assert [first.response.text[a:b] for a, b, _ in first.response.references] == ["Alex", "Robin"]
    assert [box for _, _, box in first.response.references] == [0, 2]
    assert split.boxes["film/a@0.jpg"][0] == (1.0, 2.0, 30.0, 40.0)
    assert (answer.id, rationale.id) == ("val-0/qa", "val-0/qar")


def test_vcr_rationale_is_asked_behind_the_right_answer(tmp_path: Path) -> None:
    rationale = load("vcr", make_vcr(tmp_path), "test").examples[1]
    query = rationale.candidates[0].query

    assert query.text == "Why is Alex near dog ? Alex and Robin like dogs"
    assert [query.text[a:b] for a, b, _ in query.references] == ["Alex", "dog", "Alex", "Robin"]
    assert rationale.targets == ((2, 1.0),)
    assert {candidate.response_segment for candidate in rationale.candidates} == {3}
    assert rationale.group == "val-0" and rationale.stratum == "qar"


def test_vcr_references_to_boxes_that_the_image_lacks_are_dropped(tmp_path: Path) -> None:
    example = load("vcr", make_vcr(tmp_path), "train").examples[0]

    assert example.candidates[0].query.text == "Why is Alex near dog ?"
    assert example.candidates[0].query.references == ()


def test_vcr_shortcuts_of_a_real_folder_are_removed_while_reading(tmp_path: Path) -> None:
    split = load("vcr", make_vcr(tmp_path), "test_shortcuts")

    assert {example.group for example in split.examples} == {"val-0"}  # val-1 names nobody


def test_unlabelled_test_file_makes_val_the_test_and_carves_val_from_train_by_image(tmp_path: Path) -> None:
    make_vcr(tmp_path, train=200)
    train, val, test = (load("vcr", tmp_path, split) for split in ("train", "val", "test"))
    images = {example.image for example in train.examples}, {example.image for example in val.examples}

    assert {example.group for example in test.examples} == {"val-0", "val-1"}
    assert len(train.examples) + len(val.examples) == 400
    assert 0 < len(val.examples) < 60
    assert not images[0] & images[1]
    assert all(is_carved(image) for image in images[1])


def test_snli_ve_reads_labels_by_name_and_both_spellings_of_the_image(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    rows = [
        snli_ve_row("a", "contradiction"),
        snli_ve_row("b", "entailment") | {"Flickr30K_ID": "77.jpg"},
        {"Flikr30kID": "88.jpg", "gold_label": "neutral", "pairID": "c", "sentence2": "x"},
        snli_ve_row("d", "-"),
    ]
    write_lines(tmp_path / "snli_ve_test.jsonl", rows)
    split = load("snli_ve", tmp_path, "test")

    assert split.classes == ("contradiction", "neutral", "entailment")
    assert [example.targets for example in split.examples] == [((0, 1.0),), ((2, 1.0),), ((1, 1.0),)]
    assert [example.image for example in split.examples] == ["123.jpg", "77.jpg", "88.jpg"]
    assert split.examples[0].candidates[0].query.text == "A man Sits."


def test_vqa_vocabulary_needs_nine_questions_of_train_and_val(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    write_vqa(tmp_path, "val2014", [vqa_entry(1000 + i, 900 + i, ["dog"] * 10) for i in range(8)])
    assert load("vqa", tmp_path, "train").classes == ("cat",)

    write_vqa(tmp_path, "val2014", [vqa_entry(1000 + i, 900 + i, ["Dog"] * 10) for i in range(9)])
    assert load("vqa", tmp_path, "train").classes == ("cat", "dog")


def test_vqa_targets_are_the_official_accuracies_of_the_classes(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    split = load("vqa", tmp_path, "train")

    assert split.classes == ("cat", "dog")
    assert dict(split.examples[0].targets) == pytest.approx({0: 1.0, 1: 0.6})  # "dog" and "The Dog" agree
    assert split.examples[0].image.startswith("train2014/COCO_train2014_0000000000")
    assert len(load("vqa", tmp_path, "test").examples) == 9
    assert len(split.examples) + len(load("vqa", tmp_path, "val").examples) == 100


def test_vqa_files_may_be_bare_lists_as_in_vqa_cp(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    write_vqa(tmp_path, "test_cp", [vqa_entry(5, 5, ["cat"] * 10)], bare=True)

    assert [example.id for example in load("vqa", tmp_path, "test_cp").examples] == ["5"]


def test_slices_come_from_a_file_of_ids(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    write_json(tmp_path / "slices/test.json", {"hard": ["test-1"], "odd": ["test-1", "test-2"]})

    assert [e.slices for e in load("snli_ve", tmp_path, "test").examples] == [(), ("hard", "odd"), ("odd",)]


def test_unreadable_rows_are_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    make_vcr(tmp_path)
    rows: list[object] = [vcr_row(f"val-{i}") for i in range(300)]
    rows[4] = '{"half'
    rows[9] = vcr_row("val-9", question=["Who", "is", [7], "?"])
    write_lines(tmp_path / "val.jsonl", rows)
    with caplog.at_level(logging.WARNING):
        split = load("vcr", tmp_path, "test")

    assert len(split.examples) == 2 * 298
    assert "val.jsonl, line 5: JSONDecodeError" in caplog.text
    assert "line 10: ValueError: tag 7 is not one of the 3 objects" in caplog.text


def test_more_than_one_percent_of_unreadable_rows_is_refused(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    write_lines(tmp_path / "snli_ve_test.jsonl", [snli_ve_row("a"), {"pairID": "b"}, snli_ve_row("c", "perhaps")])

    with pytest.raises(UnreadableData, match=r"2 of 3 rows(.|\n)*line 2: field 'gold_label' is missing(.|\n)*perhaps"):
        load("snli_ve", tmp_path, "test")


def test_damaged_metadata_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    write_json(tmp_path / "vcr1images/film/a@0.json", {"boxes": [[1, 2]]})

    with pytest.raises(UnreadableData, match=r"a@0\.json: boxes: .*expected"):
        load("vcr", tmp_path, "test")


@pytest.mark.parametrize(
    ("task", "named"),
    [
        ("vcr", ["train.jsonl", "val.jsonl", "vcr1images", "visualcommonsense.com"]),
        ("snli_ve", ["snli_ve_dev.jsonl", "flickr30k_images", "SNLI-VE"]),
        (
            "vqa",
            ["v2_mscoco_train2014_annotations.json", "v2_OpenEnded_mscoco_val2014_questions.json", "visualqa.org"],
        ),
    ],
)
def test_missing_data_says_which_files_are_expected_and_how_to_get_them(
    tmp_path: Path, task: str, named: list[str]
) -> None:
    with pytest.raises(MissingData) as caught:
        load(task, tmp_path / "nowhere", "train")

    assert all(name in str(caught.value) for name in [*named, str(tmp_path / "nowhere")])


def test_changed_files_are_read_again_and_unchanged_ones_are_not(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    first = load("snli_ve", tmp_path, "test")
    assert load("snli_ve", tmp_path, "test") is first

    write_lines(tmp_path / "snli_ve_test.jsonl", [snli_ve_row("new")])
    assert [example.id for example in load("snli_ve", tmp_path, "test").examples] == ["new"]


def test_a_student_of_other_data_reads_the_labels_as_its_own_classes(tmp_path: Path) -> None:
    folder = make_vqa(tmp_path)
    own = load("vqa", folder, "test")
    read = load_split(TASKS["vqa"], str(folder), "test", tmp_path / "cache", classes=("bird", "dog", "cat"))

    assert own.classes == ("cat", "dog")
    assert read.classes == ("bird", "dog", "cat")
    assert [example.targets for example in read.examples] == [((1, 1.0),)] * 9
    assert load("vqa", folder, "test") is own


def test_the_three_published_sets_may_be_linked_into_one_folder(tmp_path: Path) -> None:
    made = {"vcr": make_vcr, "snli_ve": make_snli_ve, "vqa": make_vqa}
    together = tmp_path / "low_shot"
    together.mkdir()
    for name, make in made.items():
        for path in make(tmp_path / name).iterdir():
            (together / path.name).symlink_to(path, target_is_directory=path.is_dir())
    for name in made:
        alone, linked = (
            [list(load(name, folder, split).examples) for split in ("train", "val", "test")]
            for folder in (tmp_path / name, together)
        )
        assert linked == alone
        assert any(alone)
