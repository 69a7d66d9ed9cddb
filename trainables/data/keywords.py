"""How telling each word of a text is among the texts of a training subset: TF-IDF, without a teacher."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from trainables.students.tokens import WORD


def keyword_scores(texts: Sequence[str]) -> list[np.ndarray]:
    """Return for each text an array with the score of each of its words, in order; case does not matter.

    Score of word w in a text of n words: (times that w is in it / n) * (1 + log((1 + N) / (1 + texts that have w))), N
    the number of texts. The logarithm is smoothed as if one more text had every word, so no score is 0 or infinite.
    """
    words = [[word.lower() for word in WORD.findall(text)] for text in texts]
    texts_with = Counter(word for row in words for word in set(row))
    rarity = {word: 1 + math.log((1 + len(texts)) / (1 + count)) for word, count in texts_with.items()}
    return [_scores(row, rarity) for row in words]


def _scores(words: Sequence[str], rarity: dict[str, float]) -> np.ndarray:
    times = Counter(words)
    return np.array([times[word] / len(words) * rarity[word] for word in words], dtype=np.float32)
