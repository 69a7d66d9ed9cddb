"""How informative each word of a text is, without a teacher: TF-IDF in a training subset, or being a content word."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ablative.trainables.students.tokens import WORD


def keyword_scores(texts: Sequence[str]) -> list[np.ndarray]:
    """Return for each text an array with the score of each of its words, in order; case does not matter.

    Score of word w in a text of n words: (times that w is in it / n) * (1 + log((1 + N) / (1 + texts that have w))), N
    the number of texts. The logarithm is smoothed as if one more text had every word, so no score is 0 or infinite.
    """
    words = [[word.lower() for word in WORD.findall(text)] for text in texts]
    texts_with = Counter(word for row in words for word in set(row))
    rarity = {word: 1 + math.log((1 + len(texts)) / (1 + count)) for word, count in texts_with.items()}
    return [_scores(row, rarity) for row in words]


_CLOSED_CLASSES = {
    "determiners": (
        "a an the this that these those each every either neither some any no both all half such what which whose"
    ),
    "pronouns": (
        "i me my mine myself you your yours yourself he him his himself she her hers herself it its itself we "
        "us our ours ourselves they them their theirs themselves who whom one someone anyone everyone nobody "
        "something anything everything nothing there"
    ),
    "prepositions": (
        "about above across after against along amid among around as at before behind below beneath beside "
        "besides between beyond by despite down during except for from in inside into like near of off on "
        "onto out outside over past per since than through throughout to toward towards under until up upon "
        "via with within without"
    ),
    "conjunctions": (
        "and or but nor so yet if because although though while whereas unless whether when where why how"
    ),
    "auxiliaries": (
        "am is are was were be been being do does did doing done have has had having can could may might must "
        "shall should will would ought"
    ),
    "what an apostrophe leaves of them": (
        "isn aren wasn weren don doesn didn haven hasn hadn couldn wouldn shouldn won s t d m ll re ve"
    ),
    "particles": ("not yes too also very just only even then here now ever never again still"),
}
FUNCTION_WORDS = frozenset(word for words in _CLOSED_CLASSES.values() for word in words.split())
"""Words of the closed classes of English; the others of a text are its content words."""


def content_scores(texts: Sequence[str]) -> list[np.ndarray]:
    """Return for each text an array with 1 for each content word and 0 for each function word; case does not matter.

    A rule by part of speech without a tagger: nouns, verbs, adjectives, adverbs and numbers are in no closed class.
    """
    return [
        np.array([word.lower() not in FUNCTION_WORDS for word in WORD.findall(text)], dtype=np.float32)
        for text in texts
    ]


def _scores(words: Sequence[str], rarity: dict[str, float]) -> np.ndarray:
    times = Counter(words)
    return np.array([times[word] / len(words) * rarity[word] for word in words], dtype=np.float32)
