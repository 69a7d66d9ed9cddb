"""Shifted tests of the real data sets: read by rule, by list and by file, and made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ablative.progress import silent
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.shifts import make_shifts
from ablative.trainables.data.sources import is_carved
from ablative.trainables.data.splits import splits_of
from ablative.trainables.data.text_only import ChoiceScorer
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.tasks.vcr_files.masking import top_kept
from ablative.trainables.tasks.vcr_files.masking import top_masked
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import make_vqa_cp
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines


def load(task: str, folder: Path, split: str) -> TaskSplit:
    return load_split(TASKS[task], str(folder), split, folder / "cache")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_vcr_rule_sets_are_splits_of_their_own_without_any_file(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    write_lines(tmp_path / "val.jsonl", [vcr_row("one"), vcr_row("two", question=["Why", "do", [0, 2], "sit", "?"])])
    groups = {
        split: {example.group for example in load("vcr", tmp_path, split).examples}
        for split in ("test_rule_singular", "test_rule_plural", "test_shortcuts")
    }

    assert groups == {"test_rule_singular": {"one"}, "test_rule_plural": {"two"}, "test_shortcuts": {"one", "two"}}


def test_published_file_of_a_rule_set_is_read_where_it_is_there(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    write_lines(tmp_path / "val_rule_singular.jsonl", [vcr_row("published")])

    assert {e.group for e in load("vcr", tmp_path, "test_rule_singular").examples} == {"published"}


def test_hidden_tokens_reach_the_student_as_masks_and_name_no_box(tmp_path: Path) -> None:
    make_vcr(tmp_path)
    choices = [[[10000, 10002], "like", "[MASK]"], ["a"], ["b"], ["c"]]
    write_lines(tmp_path / "val_adv_rmtop1.jsonl", [vcr_row("x", answer_choices=choices)])
    response = load("vcr", tmp_path, "test_adv_top1").examples[0].candidates[0].response

    assert "test_adv_top1" in splits_of(TASKS["vcr"], str(tmp_path))
    assert response is not None and response.references == ()
    assert response.text == "[MASK] and [MASK] like [MASK]"


def test_masking_hides_the_most_decisive_token_or_all_but_the_first_k() -> None:
    row = vcr_row("x")
    scores = {
        "answer_losses": [[0.3, 0.9, 0.1], [0.5], [0.5], [0.5]],
        "rationale_losses": [[0.1], [0.1], [0.2, 0.2], [0.1]],
    }

    hidden = top_masked(row, scores)
    assert hidden["answer_choices"] == [[[0, 2], "[MASK]", "dogs"], ["[MASK]"], ["[MASK]"], ["[MASK]"]]
    assert hidden["rationale_choices"][2] == [[10002], "smiles"]  # of equal ones the earlier
    assert top_kept(row, scores, 1)["answer_choices"][0] == [[10000, 10002], "like", "[MASK]"]
    assert top_kept(row, scores, 2)["answer_choices"][0] == [[0, 2], "like", "[MASK]"]
    assert top_kept(row, scores, 5)["answer_choices"] == row["answer_choices"]
    with pytest.raises(ValueError, match="answer_losses of x has not one number for each token"):
        top_masked(row, scores | {"answer_losses": [[0.1], [0.5], [0.5], [0.5]]})


def test_own_scorer_finds_the_word_that_gives_the_right_answer_away() -> None:
    def rows() -> list[dict[str, Any]]:
        return [
            vcr_row(
                str(i),
                question=["where", "is", [0], "?"],
                answer_choices=[["he", "laughs", "indeed"], ["he", "runs"], ["she", "waits"], ["he", "waits"]],
                rationale_choices=[["a"], ["b"], ["c"], ["d"]],
            )
            for i in range(60)
        ]

    losses = ChoiceScorer(rows).scores(rows()[0])["answer_losses"]
    assert [len(values) for values in losses] == [3, 2, 2, 2]
    assert max(range(3), key=losses[0].__getitem__) in (1, 2)  # "laughs" and "indeed" occur in right answers only
    assert losses[0][0] < losses[0][1]


@pytest.fixture
def vcr(tmp_path: Path) -> Path:
    make_vcr(tmp_path, train=30)
    write_lines(tmp_path / "val.jsonl", [vcr_row("one"), vcr_row("two", question=["Why", "do", [0, 2], "sit", "?"])])
    return tmp_path


def test_vcr_sets_are_written_under_their_published_names_and_counted(vcr: Path) -> None:
    made = make_shifts(TASKS["vcr"], vcr, silent)

    assert {shift.file: shift.num_items for shift in made} == {
        "val_rule_singular.jsonl": 1,
        "val_rule_plural.jsonl": 1,
        "val_adv_rmtop1.jsonl": 2,
        "val_adv_keeptop1.jsonl": 2,
        "val_adv_keeptop3.jsonl": 2,
        "val_adv_keeptop5.jsonl": 2,
    }
    assert {"test_adv_top1", "test_keep_top1", "test_keep_top3", "test_keep_top5"} <= set(
        splits_of(TASKS["vcr"], str(vcr))
    )
    for split in ("test_adv_top1", "test_keep_top3"):
        assert len(load("vcr", vcr, split).examples) == 4
    kept = rows_of(vcr / "val_adv_keeptop1.jsonl")[0]["answer_choices"]
    assert [sum(token == "[MASK]" or token == [10000, 10002] for token in choice) for choice in kept] == [2, 0, 0, 0]


def test_losses_from_a_file_take_the_place_of_our_own(vcr: Path) -> None:
    scores = vcr / "given.jsonl"
    losses = {"answer_losses": [[0, 0, 1], [0], [0], [0]], "rationale_losses": [[0], [0], [0, 1], [0]]}
    write_lines(scores, [{"annot_id": name} | losses for name in ("one", "two")])
    make_shifts(TASKS["vcr"], vcr, silent, scores)

    assert rows_of(vcr / "val_adv_rmtop1.jsonl")[0]["answer_choices"][0] == [[0, 2], "like", "[MASK]"]
    assert not (vcr / "shortcut_scores.jsonl").exists()
    with pytest.raises(MissingData, match="no losses for two"):
        write_lines(scores, [{"annot_id": "one"} | losses])
        make_shifts(TASKS["vcr"], vcr, silent, scores)


@pytest.mark.parametrize(
    ("losses", "named"),
    [
        (
            {"answer_losses": [[0], [0], [0], [0]], "rationale_losses": [[0], [0], [0, 1], [0]]},
            "not one number for each",
        ),
        ({"answer_losses": [[0, 0, "x"], [0], [0], [0]], "rationale_losses": []}, "1 of 1 rows cannot be read"),
        ({"answer_losses": [[0, 0, float("nan")], [0], [0], [0]], "rationale_losses": []}, "expected numbers"),
    ],
)
def test_losses_that_do_not_fit_are_named(vcr: Path, losses: dict[str, Any], named: str) -> None:
    write_lines(vcr / "val.jsonl", [vcr_row("one")])
    write_lines(vcr / "given.jsonl", [{"annot_id": "one"} | losses])

    with pytest.raises(UnreadableData, match=rf"given\.jsonl(.|\n)*{named}"):
        make_shifts(TASKS["vcr"], vcr, silent, vcr / "given.jsonl")


def test_rows_that_cannot_be_edited_are_left_out_of_shifted_tests(vcr: Path) -> None:
    damaged = [vcr_row("a", question=["Who", "is", [7]]), vcr_row("b", objects="person"), vcr_row("c", answer_label=9)]
    rows = [vcr_row(str(i)) for i in range(400)]
    write_lines(vcr / "val.jsonl", [*rows, *damaged])

    assert make_shifts(TASKS["vcr"], vcr, silent)[0].of == 400


def test_texts_that_nothing_can_be_learnt_from_are_refused(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)  # one label only

    with pytest.raises(MissingData, match="train has 1 labels"):
        make_shifts(TASKS["snli_ve"], tmp_path, silent)


def test_a_damaged_list_of_what_was_made_names_the_remedy(vcr: Path) -> None:
    (vcr / "shifts.json").write_text("[]")

    with pytest.raises(UnreadableData, match=r"shifts\.json: .*remove this file"):
        make_shifts(TASKS["vcr"], vcr, silent)


def test_what_was_made_of_the_same_files_is_left_alone(vcr: Path) -> None:
    first = make_shifts(TASKS["vcr"], vcr, silent)
    before = (vcr / "val_adv_rmtop1.jsonl").stat().st_mtime_ns

    assert make_shifts(TASKS["vcr"], vcr, silent) == first
    assert (vcr / "val_adv_rmtop1.jsonl").stat().st_mtime_ns == before
    write_lines(vcr / "val.jsonl", [vcr_row("one")])
    assert make_shifts(TASKS["vcr"], vcr, silent)[0].of == 1


def test_snli_ve_keeps_the_pairs_that_the_hypothesis_alone_does_not_give_away(tmp_path: Path) -> None:
    make_snli_ve(tmp_path)
    told = [("entailment", "someone is outside"), ("contradiction", "nobody sleeps"), ("neutral", "they are sad")]
    train = [snli_ve_row(f"{i}", *told[i % 3][:1], sentence2=told[i % 3][1]) for i in range(90)]
    test = [snli_ve_row("easy", "contradiction", sentence2="nobody sleeps"), snli_ve_row("hard", "neutral")]
    test[1]["sentence2"] = "someone is outside"
    write_lines(tmp_path / "snli_ve_train.jsonl", train)
    write_lines(tmp_path / "snli_ve_test.jsonl", test)
    make_shifts(TASKS["snli_ve"], tmp_path, silent)

    assert "test_hypothesis_hard" in splits_of(TASKS["snli_ve"], str(tmp_path))
    assert [example.id for example in load("snli_ve", tmp_path, "test_hypothesis_hard").examples] == ["hard"]


def test_vqa_ce_is_a_list_of_questions_of_the_test(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    write_json(tmp_path / "counterexamples.json", [1003, 1004])
    write_json(tmp_path / "hard.json", [1004])

    assert splits_of(TASKS["vqa"], str(tmp_path))[3:] == ("test_counterexamples", "test_counterexamples_hard")
    assert [e.id for e in load("vqa", tmp_path, "test_counterexamples").examples] == ["1003", "1004"]
    assert [e.id for e in load("vqa", tmp_path, "test_counterexamples_hard").examples] == ["1004"]
    with pytest.raises(MissingData, match="VQA-CE"):
        make_shifts(TASKS["vqa"], tmp_path, silent)


def test_vqa_cp_carves_val_from_train_and_finds_its_pictures_in_both_halves(tmp_path: Path) -> None:
    make_vqa_cp(tmp_path)
    train, val, test = (load("vqa", tmp_path, split) for split in ("train", "val", "test"))

    assert splits_of(TASKS["vqa"], str(tmp_path)) == ("train", "val", "test")
    assert len(train.examples) + len(val.examples) == 60 and len(test.examples) == 4
    assert all(is_carved(example.image) for example in val.examples)
    assert [example.image for example in test.examples[:2]] == [
        "train2014/COCO_train2014_000000005000.jpg",
        "val2014/COCO_val2014_000000005001.jpg",
    ]
    assert train.classes == ("cat",)
