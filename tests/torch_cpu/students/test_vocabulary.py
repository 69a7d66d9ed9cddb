"""Vocabulary files: read as BERT's, refused where they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.trainables.config import StudentConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Text
from ablative.trainables.data.tokens import lowered
from ablative.trainables.data.tokens import plain_text
from ablative.trainables.data.tokens import tagged_text
from ablative.trainables.students.student import empty_student
from ablative.trainables.students.tokens import encode
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.students.vocabulary import VocabularyError
from ablative.trainables.students.vocabulary import tokenizer
from ablative.trainables.students.vocabulary import vocabulary_size
from tests.torch_cpu.students.published_files import vocabulary_file


def pieces(text: str, vocabulary: str | None) -> list[str]:
    return list(tokenizer(vocabulary).encode(text, add_special_tokens=False).tokens)


def test_a_vocabulary_with_capitals_is_cased_and_keeps_accents(tmp_path: Path) -> None:
    cased = vocabulary_file(tmp_path / "cased.txt", ["cat", "Cat", "##s", "café"])
    uncased = vocabulary_file(tmp_path / "uncased.txt", ["cat", "##s", "cafe"])

    assert pieces("Cats café", cased) == ["Cat", "##s", "café"]
    assert pieces("Cats café", uncased) == ["cat", "##s", "cafe"]


def test_the_shipped_vocabulary_written_to_a_file_reads_like_itself(tmp_path: Path) -> None:
    words = tokenizer().get_vocab()
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(sorted(words, key=words.__getitem__)) + "\n", encoding="utf-8")
    text = "a naïve [unusual] t-shirt isn't tokenised; 50% of 12,345 — ok?"

    assert vocabulary_size(str(path)) == vocabulary_size() == 30522
    assert pieces(text, str(path)) == pieces(text, None)


def test_texts_are_encoded_by_the_vocabulary_that_is_named(tmp_path: Path) -> None:
    vocabulary = vocabulary_file(tmp_path / "vocab.txt", ["cat", "##s"])
    arrays = encode([Candidate(query=Text(text="cats dog"))], 16, vocabulary)

    assert arrays.ids.tolist() == [[101, 104, 105, 100, 102]]
    assert arrays.words.tolist() == [[-1, 0, 0, 1, -1]]


def test_capitals_reach_a_cased_vocabulary_and_neither_an_uncased_one_nor_the_teacher(tmp_path: Path) -> None:
    cased = vocabulary_file(tmp_path / "cased.txt", ["cat", "Cat", "##s", "Alex"])
    uncased = vocabulary_file(tmp_path / "uncased.txt", ["cat", "##s", "alex"])
    read = Candidate(query=Text(text=plain_text("Cats  CAT")), response=tagged_text(["Cats", [0]], ["person"]))

    assert encode([read], 16, cased).ids.tolist() == [[101, 105, 106, 100, 102, 105, 106, 107, 102]]
    assert encode([read], 16, uncased).ids.tolist() == [[101, 104, 105, 104, 102, 104, 105, 106, 102]]
    assert teacher_text(read) == "cats cat cats alex"


@pytest.mark.parametrize("text", ["a [MASK] cat", "İSTANBUL ﬁne ΣΑΣ"])
def test_what_a_text_says_of_itself_or_cannot_be_made_small_stays_as_it_was(text: str) -> None:
    plain = plain_text(text)
    assert lowered(plain) == text.lower()
    assert plain in (text.lower(), text.replace("[MASK]", "[mask]"))
    assert lowered(tagged_text(["Hidden", "[MASK]"], []).text) == "hidden [MASK]"


def test_a_file_without_berts_special_pieces_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("cat\ndog\n", encoding="utf-8")

    with pytest.raises(VocabularyError, match=r"words\.txt has not \[PAD\] in line 1.*vocab\.txt"):
        tokenizer(str(path))
    with pytest.raises(VocabularyError, match=r"no file at .*none\.txt"):
        tokenizer(str(tmp_path / "none.txt"))


def test_frozen_words_take_no_other_vocabulary(tmp_path: Path) -> None:
    config = StudentConfig(preset="uniter_tiny", vocabulary=vocabulary_file(tmp_path / "vocab.txt", ["cat"]))

    with pytest.raises(VocabularyError, match=r"uniter_tiny reads MiniLM's frozen words.*leave it out"):
        empty_student(config, head="independent", num_classes=3, region_width=1280)
