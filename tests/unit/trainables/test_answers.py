"""VQA's official spelling and accuracy, quirk by quirk."""

from __future__ import annotations

import pytest

from ablative.trainables.tasks.vqa_files.answers import accuracy_of_count
from ablative.trainables.tasks.vqa_files.answers import normalised
from ablative.trainables.tasks.vqa_files.answers import official_accuracy


@pytest.mark.parametrize(
    ("typed", "spelt"),
    [
        ("The Dog", "dog"),
        ("two dogs", "2 dogs"),
        ("none", "0"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("dont know", "don't know"),
        ("couldntve", "couldntve"),
        ("couldnt've", "couldn't've"),
        ("somebody'd", "somebodyd"),  # the official table's own slip
        ("Im", "im"),  # listed with a capital, so it never matches
        ("black/white", "black white"),  # a mark between letters becomes a space
        ("black, white", "black white"),  # a mark beside a space goes
        ("1,000", "1000"),  # a comma between digits removes every mark
        ("1,000 t-shirts", "1000 tshirts"),
        ("3.5", "3.5"),  # a full stop before a digit stays
        ("5.", "5"),  # the mistyped look-behind: after a digit it goes as well
        ("u.s.", "us"),
        (" yes\n", "yes"),
        ("what's up", "what's up"),
    ],
)
def test_official_spelling(typed: str, spelt: str) -> None:
    assert normalised(typed) == spelt


def test_only_the_first_32_full_stops_go_because_a_flag_stands_where_the_count_belongs() -> None:
    assert normalised("a" + "b." * 40) == "a" + "b" * 32 + "b." * 8


def test_accuracy_of_count_has_the_closed_form_of_the_leave_one_out_mean() -> None:
    for matches in range(11):
        answers = ["cat"] * matches + [f"other {i}" for i in range(10 - matches)]
        left_out = [min(1.0, (answers[:i] + answers[i + 1 :]).count("cat") / 3) for i in range(10)]
        assert accuracy_of_count(matches) == pytest.approx(sum(left_out) / 10)
    assert [accuracy_of_count(n) for n in range(6)] == pytest.approx([0, 0.3, 0.6, 0.9, 1, 1])


def test_unanimous_answers_are_compared_as_typed_and_others_as_spelt() -> None:
    assert official_accuracy("2", ["two"] * 10) == 0
    assert official_accuracy("two", ["two"] * 10) == 1
    assert official_accuracy("2", ["two"] * 9 + ["three"]) == 1
    assert official_accuracy("the dog", ["dog"] * 2 + ["cat"] * 8) == pytest.approx(0.6)
