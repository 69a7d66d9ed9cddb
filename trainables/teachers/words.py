"""Words of a text, and the positions of a teacher's tokens in it.

Teacher and student cut texts differently. Character spans bring both to words (`trainables.students.tokens.WORD`). A
span is (start, end) in the text after the teacher's tokenizer has cleaned it.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.tokens import lowered
from ablative.trainables.students.tokens import WORD
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.errors import TeacherError

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A text for the teacher. If it is too long for the tower's context, the query loses its end, not the response."""

    query: str
    response: str = ""

    @property
    def text(self) -> str:
        """The whole text; features belong to its words."""
        return f"{self.query} {self.response}" if self.response else self.query


def passage(candidate: Candidate) -> Passage:
    """Return the teacher's input for a candidate; its `text` equals `teacher_text(candidate)`."""
    response = "" if candidate.response is None else lowered(candidate.response.text)
    result = Passage(query=lowered(candidate.query.text), response=response)
    assert not response or result.text == teacher_text(candidate)
    return result


def without_each_word(whole: Passage) -> list[Passage]:
    """Return one passage for each word of `whole`, in the order of `words_of`: the text without that word."""

    def shorter(text: str) -> list[str]:
        return [" ".join((text[: m.start()] + text[m.end() :]).split()) for m in WORD.finditer(text)]

    queries = [Passage(query=query, response=whole.response) for query in shorter(whole.query)]
    return queries + [Passage(query=whole.query, response=response) for response in shorter(whole.response)]


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, repeated words repeated."""
    return WORD.findall(text)


def locate_words(words: Sequence[str], cleaned: str) -> list[Span | None]:
    """Find each word in the cleaned text, in order and ignoring case.

    A word that cleaning changed is found if as many words as changed stand between the same neighbours. None if
    cleaning split, joined or removed words there.
    """
    matches = list(WORD.finditer(cleaned))
    ours, theirs = [word.lower() for word in words], [match.group().lower() for match in matches]
    if ours == theirs:
        return [match.span() for match in matches]
    spans: list[Span | None] = [None] * len(words)
    for _, i, i_end, j, j_end in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if i_end - i == j_end - j:
            spans[i:i_end] = [match.span() for match in matches[j:j_end]]
    return spans


def cleaned_text(tokenizer: Any, text: str) -> str:
    """Return the text after open_clip's tokenizer has cut it."""
    from open_clip import tokenizer as tokenizers

    if isinstance(tokenizer, tokenizers.SigLipTokenizer):
        return str(tokenizers.canonicalize_text(tokenizers.basic_clean(text)))
    return str(tokenizer.clean_fn(text))


def token_spans(tokenizer: Any, cleaned: str) -> list[Span | None]:
    """Return, for each position of the uncut row of ids, the characters of `cleaned` that it stands for.

    Special tokens stand for none. The teacher reads a beginning of this row (`tokenizer.context_length`), and a
    special token may take its last position.

    Raises:
        TeacherError: the tokenizer does not report the spans of its tokens.
    """
    from open_clip.tokenizer import SimpleTokenizer

    if isinstance(tokenizer, SimpleTokenizer):
        if tokenizer.reduction_fn is not None:
            raise TeacherError("teacher.model: its tokenizer drops words at random; use a model without text masking")
        return [None, *_byte_pair_spans(tokenizer, cleaned), None]
    inner = tokenizer.tokenizer
    if not getattr(inner, "is_fast", False):
        raise TeacherError(f"teacher.model: {type(inner).__name__} gives no character offsets; use a fast tokenizer")
    if getattr(tokenizer, "tokenizer_mode", "") == "clips":
        offsets = inner(cleaned, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        return [None, *map(_span, offsets), None]
    offsets = inner(cleaned, return_offsets_mapping=True)["offset_mapping"]
    return [_span(offset) for offset in offsets]


def _span(offset: Sequence[int]) -> Span | None:
    start, end = offset
    return (int(start), int(end)) if end > start else None


def _byte_pair_spans(tokenizer: Any, cleaned: str) -> Iterator[Span]:
    """Rebuild the spans of CLIP's byte pairs: its own pre-split, then bytes counted back to characters."""
    for match in tokenizer.pat.finditer(cleaned):
        piece = match.group()
        character_at = [i for i, character in enumerate(piece) for _ in character.encode()]
        symbols = "".join(tokenizer.byte_encoder[byte] for byte in piece.encode())
        first = 0
        for token in tokenizer.bpe(symbols).split(" "):
            last = first + len(token.removesuffix("</w>")) - 1
            yield match.start() + character_at[first], match.start() + character_at[last] + 1
            first = last + 1


def positions_of_words(words: Sequence[Span | None], tokens: Sequence[Span | None], room: int) -> list[list[int]]:
    """Return for each word the positions below `room` whose characters overlap it; empty for an unknown word."""
    return [
        [] if word is None else [i for i, token in enumerate(tokens[:room]) if token and _overlap(token, word)]
        for word in words
    ]


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and one[1] > other[0]


def shorten(tokenizer: Any, whole: Passage) -> tuple[str, int]:
    """Cut words off the end of the query until the text fits; return the text and the number of words kept.

    A response that is too long by itself stays, and the tokenizer cuts it.
    """
    spans = [match.span() for match in WORD.finditer(whole.query)]
    kept, text = len(spans), whole.text
    while kept and len(token_spans(tokenizer, cleaned_text(tokenizer, text))) > tokenizer.context_length:
        kept -= 1
        query = whole.query[: spans[kept - 1][1]] if kept else ""
        text = f"{query} {whole.response}".strip()
        if not whole.response and kept == 1:
            break
    return text, kept
