"""For any text, teacher and student mean the same word by the same index, however each cuts it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import example
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.config import TeacherConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.students.tokens import NO_WORD
from ablative.trainables.students.tokens import WORD
from ablative.trainables.students.tokens import encode
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.students.tokens import tokenizer
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.words import cleaned_text
from ablative.trainables.teachers.words import locate_words
from ablative.trainables.teachers.words import passage
from ablative.trainables.teachers.words import positions_of_words
from ablative.trainables.teachers.words import token_spans
from ablative.trainables.teachers.words import words_of

ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.text("aé ﬁİß'_-日𝔘\u0301\u200d🦊.,&;#", max_size=30)


@pytest.fixture(scope="module", params=["plain", "bert"])
def teacher(request: pytest.FixtureRequest, small_models: dict[str, str]) -> DualEncoder:
    return load_teacher(TeacherConfig(model=small_models[request.param], control="untrained"), Path("unused"))


def candidate(query: str, response: str | None) -> Candidate:
    return Candidate(query=Text(text=query), response=None if response is None else Text(text=response))


@settings(max_examples=60, deadline=None)
@given(query=ANY_TEXT, response=st.none() | ANY_TEXT)
@example(query="ﬁne &amp; İstanbul ß", response="re\u0301sume\u0301 🦊 snow_man")
def test_a_student_token_belongs_to_a_word_of_the_teacher_that_its_characters_overlap(query, response):
    whole = candidate(query, response)
    arrays = encode([whole], max_tokens=512)
    assert arrays.num_words[0] == len(words_of(teacher_text(whole)))
    parts = [(query, 0)] + ([] if response is None else [(response, len(query) + 1)])
    spans = [match.span() for match in WORD.finditer(teacher_text(whole))]
    offsets = [
        (start + shift, end + shift)
        for text, shift in parts
        for start, end in tokenizer().encode(text, add_special_tokens=False).offsets
    ]
    words = [word for word, id_ in zip(arrays.words[0], arrays.ids[0], strict=True) if id_ not in (101, 102)]
    assert len(words) == len(offsets)
    for word, (start, end) in zip(words, offsets, strict=True):
        overlapped = [i for i, (s, e) in enumerate(spans) if start < e and end > s]
        assert word == (overlapped[0] if overlapped else NO_WORD)


@settings(max_examples=60, deadline=None)
@given(query=ANY_TEXT, response=st.none() | ANY_TEXT)
@example(query="ﬁne &amp; İstanbul ß", response="re\u0301sume\u0301 🦊 snow_man")
@example(query="", response="")
def test_the_teacher_has_one_finite_unit_vector_for_every_word_of_any_text(teacher, query, response):
    whole = passage(candidate(query, response))
    features = teacher.read([whole])
    [rows] = features.words
    assert rows.shape == (len(words_of(whole.text)), 16)
    assert bool(torch.isfinite(rows).all()) and bool(torch.isfinite(features.sentences_BD).all())
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(len(rows)))


@settings(max_examples=60, deadline=None)
@given(text=ANY_TEXT)
@example(text="ﬁ fi a İ i\u0307 b")
def test_the_teachers_tokens_of_a_word_overlap_it_and_no_token_serves_two_distant_words(teacher, text):
    cleaned = cleaned_text(teacher.tokenizer, text)
    spans = locate_words(words_of(text), cleaned)
    assert len(spans) == len(words_of(text))
    known = [span for span in spans if span is not None]
    assert all(a[1] <= b[0] for a, b in pairwise(known))  # in order, apart from each other
    tokens = token_spans(teacher.tokenizer, cleaned)
    for span, positions in zip(spans, positions_of_words(spans, tokens, len(tokens)), strict=True):
        for position in positions:
            start, end = tokens[position]
            assert span is not None and start < span[1] and end > span[0]


@given(words=st.lists(st.text("abcé日", min_size=1, max_size=4), max_size=8))
def test_words_that_cleaning_leaves_alone_are_found_where_they_are(words):
    text = " ".join(words)
    assert [text[slice(*span)] for span in locate_words(words, text) if span] == words


def test_a_changed_word_keeps_its_place_between_unchanged_neighbours():
    assert locate_words(["a", "ﬁne", "day"], "a fine day") == [(0, 1), (2, 6), (7, 10)]
    assert locate_words(["a", "ﬁ", "cat"], "fi a cat") == [(3, 4), None, (5, 8)]
    assert locate_words(["x", "a", "cat"], "cat") == [None, None, (0, 3)]  # not the a inside it
