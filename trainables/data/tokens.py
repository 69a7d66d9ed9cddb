"""Text of a row as the student and the teacher read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ablative.trainables.data.examples import Text

PERSON = "person"
MASK = "[MASK]"
"""A token that a shifted test hides, in VCR's files and for a BERT tokenizer alike."""
MASKED_TAGS = 10_000
"""A hidden tag is written as this number plus the tag."""
NEUTRAL_NAMES = (
    "Alex",
    "Sam",
    "Robin",
    "Lee",
    "Kim",
    "Max",
    "Jordan",
    "Taylor",
    "Morgan",
    "Charlie",
    "Chris",
    "Terry",
    "Drew",
    "Dana",
    "Ellis",
)
"""What persons are called instead of their tags: tag modulo 15, so that a text model sees words."""


def plain_text(text: str) -> str:
    """Return `text` as written, with single spaces."""
    return _written(" ".join(text.split()))


def lowered(text: str) -> str:
    """Return `text` in lower case, except hidden words, at the same length: for teachers and uncased students."""
    return MASK.join(_lower(part) for part in text.split(MASK))


def _lower(text: str) -> str:
    lower = text.lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _written(text: str) -> str:
    """Return a text whose lower case has the same length, with no hidden words but its own."""
    shown, lower = text.replace(MASK, MASK.lower()), text.lower()
    return shown if len(lower) == len(shown) else lower


def checked_tokens(tokens: Sequence[Any], objects: Sequence[str]) -> None:
    """Raise ValueError for a tag outside `objects` and for a token that does not have VCR's form."""
    for token in tokens:
        if isinstance(token, str):
            continue
        if not isinstance(token, list):
            raise ValueError(f"token {token!r} is neither a word nor a list of tags")
        for tag in token:
            if type(tag) is not int or not (0 <= tag < len(objects) or 0 <= tag - MASKED_TAGS < len(objects)):
                raise ValueError(f"tag {tag!r} is not one of the {len(objects)} objects")


def tagged_text(tokens: Sequence[Any], objects: Sequence[str]) -> Text:
    """Return VCR tokens as one text: words, and lists of 0-based tags into `objects`.

    A person's tag becomes a neutral name, another tag its class name; each keeps a reference to its box. A hidden word
    or tag stays `[MASK]`. The tokens have passed `checked_tokens`.
    """
    text = ""
    references: list[tuple[int, int, int]] = []
    for token in tokens:
        for piece, tag in _pieces(token, objects):
            start = len(text) + bool(text)
            text = f"{text} {piece}" if text else piece
            if tag is not None:
                references.append((start, start + len(piece), tag))
    return Text(text=text, references=tuple(references))


def _pieces(token: Any, objects: Sequence[str]) -> list[tuple[str, int | None]]:
    if token == MASK:
        return [(MASK, None)]
    if isinstance(token, str):
        return [(_written(word), None) for word in token.split()]
    pieces: list[tuple[str, int | None]] = []
    for tag in token:
        pieces += [("and", None)] if pieces else []
        if tag >= len(objects):
            pieces.append((MASK, None))
            continue
        pieces.append((NEUTRAL_NAMES[tag % len(NEUTRAL_NAMES)] if objects[tag] == PERSON else objects[tag], tag))
    return pieces


def joined(first: Text, second: Text) -> Text:
    """Return two texts as one."""
    shift = len(first.text) + 1
    moved = tuple((start + shift, end + shift, box) for start, end, box in second.references)
    return Text(text=f"{first.text} {second.text}", references=first.references + moved)
