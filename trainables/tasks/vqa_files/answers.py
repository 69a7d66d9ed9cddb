"""The official spelling of VQA answers and the official accuracy, quirks included.

The docs list facts about the official evaluation. Two of its oddities change numbers, so they are kept. The expression
for full stops has a mistyped look-behind. The flag re.UNICODE (32) lands in the place of `count`, so at most 32 full
stops are removed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from ablative.trainables.tasks.vqa_files.contractions import CONTRACTIONS

_PUNCTUATION = (*';/[]"{}()=+\\_-><@`,?!',)
_DIGITS_AROUND_COMMA = re.compile(r"(\d)(,)(\d)")
_FULL_STOP = re.compile(r"(?!<=\d)(\.)(?!\d)")
_MOST_FULL_STOPS = int(re.UNICODE)
_NUMBERS = {
    "none": "0",
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
}
_ARTICLES = frozenset({"a", "an", "the"})
NUM_ANNOTATORS = 10


@lru_cache(maxsize=1 << 18)
def normalised(answer: str) -> str:
    """Return `answer` in the official spelling."""
    words = _without_punctuation(_one_line(answer)).lower().split()
    spelt = [_NUMBERS.get(word, word) for word in words]
    return " ".join(CONTRACTIONS.get(word, word) for word in spelt if word not in _ARTICLES)


def _one_line(answer: str) -> str:
    return answer.replace("\n", " ").replace("\t", " ").strip()


def _without_punctuation(text: str) -> str:
    cleaned = text
    has_number_comma = _DIGITS_AROUND_COMMA.search(text) is not None
    for mark in _PUNCTUATION:
        beside_space = f"{mark} " in text or f" {mark}" in text
        cleaned = cleaned.replace(mark, "" if beside_space or has_number_comma else " ")
    return _FULL_STOP.sub("", cleaned, count=_MOST_FULL_STOPS)


def counted(answers: Sequence[str]) -> tuple[Counter[str], bool]:
    """Return how often each answer was given, and whether the answers were brought to the official spelling.

    Unanimous answers stay as typed: the official evaluation normalises only if annotators differ.
    """
    typed = [_one_line(answer) for answer in answers]
    differ = len(set(typed)) > 1
    return Counter(normalised(answer) if differ else answer for answer in typed), differ


def accuracy_of_count(matches: int, total: int = NUM_ANNOTATORS) -> float:
    """Return the official accuracy of an answer that `matches` of `total` annotators gave.

    The mean over leaving each annotator out of min(1, remaining matches / 3); for ten: 0, .3, .6, .9, 1, 1, ...
    """
    left_in, left_out = min(1.0, matches / 3), min(1.0, (matches - 1) / 3) if matches else 0.0
    return ((total - matches) * left_in + matches * left_out) / total


def official_accuracy(prediction: str, answers: Sequence[str]) -> float:
    """Return the official accuracy of `prediction` against the annotators' `answers`, in [0, 1]."""
    counts, differ = counted(answers)
    said = normalised(prediction) if differ else _one_line(prediction)
    return accuracy_of_count(counts[said], len(answers))
