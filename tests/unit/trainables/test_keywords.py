from __future__ import annotations

import math

import pytest

from ablative.trainables.data.keywords import content_scores
from ablative.trainables.data.keywords import keyword_scores
from ablative.trainables.students.tokens import WORD

TEXTS = ["A dog chases the dog.", "the cat", "...", "The CAT sleeps"]


def test_scores_equal_the_formula_counted_by_hand() -> None:
    found = keyword_scores(TEXTS)
    rarity = {"a": 1, "dog": 1, "chases": 1, "the": 3, "cat": 2, "sleeps": 1}
    expected = {word: 1 + math.log(5 / (1 + texts)) for word, texts in rarity.items()}
    assert found[0].tolist() == pytest.approx(
        [
            expected["a"] / 5,
            2 * expected["dog"] / 5,
            expected["chases"] / 5,
            expected["the"] / 5,
            2 * expected["dog"] / 5,
        ]
    )
    assert found[3].tolist() == pytest.approx([expected[word] / 3 for word in ("the", "cat", "sleeps")])


def test_every_word_has_a_score_above_zero_and_a_text_without_words_none() -> None:
    found = keyword_scores(TEXTS)
    assert [len(row) for row in found] == [len(WORD.findall(text)) for text in TEXTS] == [5, 2, 0, 3]
    assert all((row > 0).all() for row in found)
    assert keyword_scores([]) == []


def test_a_rare_word_outscores_a_common_one_and_a_repeated_word_a_single_one() -> None:
    first = keyword_scores(TEXTS)[0]
    assert first[1] > first[2] > first[3]


def test_content_words_are_what_no_closed_class_has() -> None:
    (found,) = content_scores(["The dog isn't under a small TABLE, and there are 2 of them."])
    words = WORD.findall("The dog isn't under a small TABLE, and there are 2 of them.")

    assert [word for word, score in zip(words, found, strict=True) if score] == ["dog", "small", "TABLE", "2"]
    assert content_scores([]) == []
    assert content_scores(["..."])[0].tolist() == []
