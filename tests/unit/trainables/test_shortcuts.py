"""The rules that take VCR's shortcuts away, on items written by hand."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from ablative.trainables.tasks.vcr_files.shortcuts import plural
from ablative.trainables.tasks.vcr_files.shortcuts import shortcuts_removed
from ablative.trainables.tasks.vcr_files.shortcuts import singular

WORDS = ["she", "runs", "."]


def row(**changes: Any) -> dict[str, Any]:
    content = {
        "objects": ["person", "person", "dog"],
        "question": ["why", "is", [0], "running", "?"],
        "answer_choices": [
            [[0], "is", "late", "."],
            [[1], "is", "late", "."],
            ["She", "is", "late", "."],
            [[0], "and", "she", "are", "late", "."],
        ],
        "answer_label": 0,
        "rationale_choices": [["because", "he", "is", "late"], ["it", "rains"], [[2], "barks"], [[0], "ran"]],
        "rationale_label": 3,
    }
    return content | changes


def test_right_choice_loses_the_tag_and_wrong_choices_gain_it() -> None:
    edited = singular(row())

    assert edited is not None
    assert edited["answer_choices"] == [
        ["He", "is", "late", "."],  # capital at the start, he where nothing tells the gender
        [[0], "is", "late", "."],
        [[0], "is", "late", "."],
        [[0], "and", "she", "are", "late", "."],  # one tag and one pronoun: left alone
    ]
    assert edited["rationale_choices"] == [
        ["because", [0], "is", "late"],
        ["it", "rains"],
        [[2], "barks"],
        ["He", "ran"],
    ]


def test_gender_comes_from_the_choice_then_from_the_question() -> None:
    by_choice = singular(row(answer_choices=[["see", [0], "wave", "her", "hand"], *[WORDS] * 3]))
    by_question = singular(row(question=["why", "does", [0], "hold", "her", "bag"]))

    assert by_choice is not None and by_choice["answer_choices"][0] == ["see", "she", "wave", "her", "hand"]
    assert by_question is not None and by_question["answer_choices"][0][0] == "She"


def test_labels_and_question_stay_and_the_row_itself_is_not_touched() -> None:
    original = row()
    before = deepcopy(original)
    edited = singular(original)

    assert original == before
    assert edited is not None
    assert {key: edited[key] for key in edited if "choices" not in key} == {
        key: before[key] for key in before if "choices" not in key
    }


def test_singular_needs_exactly_one_person_in_the_question() -> None:
    assert singular(row(question=["what", "is", "this", "?"])) is None
    assert singular(row(question=["why", "do", [0, 1], "run", "?"])) is None
    assert singular(row(question=["why", "is", [2], "barking", "?"])) is None
    assert singular(row(question=["why", "is", [0], "with", [2], "?"])) is not None
    assert singular(row(question=["is", [0], "where", [0], "was", "?"])) is not None


def test_plural_swaps_the_group_and_they() -> None:
    edited = plural(
        row(
            question=["why", "do", [0, 1], "run", "?"],
            answer_choices=[[[0, 1], "are", "late"], ["They", "are", "late"], [[1, 0], "wait"], [[0], "waits"]],
            rationale_choices=[["they", "ran"], [[0, 1], "ran"], ["it", "rains"], [[0, 2], "ran"]],
            rationale_label=1,
        )
    )

    assert edited is not None
    assert edited["answer_choices"] == [
        ["They", "are", "late"],
        [[0, 1], "are", "late"],
        [[0, 1], "wait"],
        [[0], "waits"],
    ]
    assert edited["rationale_choices"] == [[[0, 1], "ran"], ["They", "ran"], ["it", "rains"], [[0, 2], "ran"]]


def test_plural_needs_one_group_of_persons_and_no_other_tag() -> None:
    assert plural(row(question=["why", "do", [0, 1], "chase", [2], "?"])) is None
    assert plural(row(question=["why", "do", [0, 2], "run", "?"])) is None
    assert plural(row()) is None


def test_rows_to_which_no_rule_applies_are_left_out() -> None:
    assert shortcuts_removed(row(question=["what", "is", "this", "?"])) is None
    assert shortcuts_removed(row()) == singular(row())
