"""Student tokens: words, references and cuts."""

from __future__ import annotations

import numpy as np

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.students.tokens import NO_REGION
from ablative.trainables.students.tokens import NO_WORD
from ablative.trainables.students.tokens import WORD
from ablative.trainables.students.tokens import encode
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.students.vocabulary import CLS
from ablative.trainables.students.vocabulary import SEP
from ablative.trainables.students.vocabulary import tokenizer

QUESTION = Text(text="why is casey smiling ?", references=((7, 12, 1),))
ANSWER = Text(text="casey has a xylophone .", references=((0, 5, 1),))


def words_of(row: np.ndarray, ids: np.ndarray) -> dict[int, str]:
    pieces: dict[int, str] = {}
    for word, token in zip(row, ids, strict=True):
        if word != NO_WORD:
            pieces[int(word)] = pieces.get(int(word), "") + tokenizer().id_to_token(int(token)).removeprefix("##")
    return pieces


def test_word_indices_spell_the_words_that_the_teacher_reads() -> None:
    candidate = Candidate(query=QUESTION, response=ANSWER)
    arrays = encode([candidate], 64)

    expected = dict(enumerate(WORD.findall(teacher_text(candidate))))
    assert words_of(arrays.words[0], arrays.ids[0]) == expected
    assert arrays.num_words[0] == len(expected)


def test_only_the_tokens_of_a_tag_name_its_box() -> None:
    arrays = encode([Candidate(query=QUESTION)], 64)

    named = [
        tokenizer().id_to_token(int(token))
        for token, box in zip(arrays.ids[0], arrays.references[0], strict=True)
        if box != NO_REGION
    ]
    assert "".join(piece.removeprefix("##") for piece in named) == "casey"
    assert set(arrays.references[0]) == {NO_REGION, 1}


def test_segments_tell_question_from_answer_and_rationale() -> None:
    arrays = encode([Candidate(query=QUESTION, response=ANSWER, response_segment=3)], 64)

    first_separator = int(np.argmax(arrays.ids[0] == SEP))
    assert arrays.ids[0][0] == CLS
    assert set(arrays.segments[0][: first_separator + 1]) == {0}
    assert set(arrays.segments[0][first_separator + 1 :]) == {3}


def test_a_question_too_long_is_cut_and_the_answer_kept() -> None:
    long_question = Text(text="why " * 200)
    arrays = encode([Candidate(query=long_question, response=ANSWER)], 32)

    assert arrays.ids.shape == (1, 32)
    whole = tokenizer().encode(ANSWER.text, add_special_tokens=False).ids
    assert list(arrays.ids[0][-len(whole) - 1 : -1]) == whole


def test_an_answer_longer_than_the_room_is_cut_too() -> None:
    arrays = encode([Candidate(query=QUESTION, response=Text(text="yes " * 100))], 16)

    assert arrays.ids.shape == (1, 16)
    assert arrays.ids[0][-1] == SEP
