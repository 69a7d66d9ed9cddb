"""VCR with its shortcuts removed: the rule-based edits of Ye and Kovashka (AAAI 2021), in our own words.

Annotators' right answers repeat the question's person tags; wrong answers, borrowed from other questions, rarely do.
Both rules reverse that: in edited items the right choice has a pronoun in place of the tag, and the wrong ones have
the question's tag. Labels and everything else stay. Pure functions of one row of a VCR file.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

Token = str | list[int]
Row = dict[str, Any]

_HE = frozenset({"he", "his", "him"})
_SHE = frozenset({"she", "her", "hers"})
_SUBJECTS = frozenset({"he", "she"})


def shortcuts_removed(row: Row, rule: str = "any") -> Row | None:
    """Return `row` edited by `rule`, or by the one that applies to its question; None if the rule does not apply."""
    if rule == "any":
        return singular(row) or plural(row)
    return singular(row) if rule == "singular" else plural(row)


def singular(row: Row) -> Row | None:
    """Return `row` edited by the rule for questions about one person; None unless the question names exactly one.

    A choice is edited only if its distinct person tags and its distinct pronouns among he and she make one.
    """
    named = _persons(row["question"], row["objects"])
    if len(named) != 1:
        return None
    tag = next(iter(named))

    def edited(choice: Sequence[Token], right: bool) -> list[Token]:
        tags = _persons(choice, row["objects"])
        pronouns = {word for word in _words(choice) if word in _SUBJECTS}
        if len(tags) + len(pronouns) != 1:
            return list(choice)
        if not right:
            return [[tag] if _is_tag(token, tags) or _is_subject(token) else token for token in choice]
        pronoun = _pronoun(choice, row["question"])
        return [_cased(pronoun, place) if token == [tag] else token for place, token in enumerate(choice)]

    return _with_choices(row, edited)


def plural(row: Row) -> Row | None:
    """Return `row` edited by the rule for questions about one group of two or more persons; None for others.

    A choice is edited only if it holds exactly one such group, or `they`.
    """
    groups = _groups(row["question"], row["objects"])
    tags = [token for token in row["question"] if isinstance(token, list)]
    if len(groups) != 1 or len(tags) != 1:
        return None
    group = groups[0]

    def edited(choice: Sequence[Token], right: bool) -> list[Token]:
        own = _groups(choice, row["objects"])
        if len(own) != 1 and not (not own and "they" in _words(choice)):
            return list(choice)
        if not right:
            return [list(group) if token in own or _is_they(token) else token for token in choice]
        return [_cased("they", place) if token in own else token for place, token in enumerate(choice)]

    return _with_choices(row, edited)


def _with_choices(row: Row, edited: Callable[[Sequence[Token], bool], list[Token]]) -> Row:
    changed = dict(row)
    for choices, label in (("answer_choices", "answer_label"), ("rationale_choices", "rationale_label")):
        changed[choices] = [edited(choice, place == row[label]) for place, choice in enumerate(row[choices])]
    return changed


def _persons(tokens: Sequence[Token], objects: Sequence[str]) -> set[int]:
    tags = {tag for token in tokens if isinstance(token, list) for tag in token}
    return {tag for tag in tags if 0 <= tag < len(objects) and objects[tag] == "person"}


def _groups(tokens: Sequence[Token], objects: Sequence[str]) -> list[list[int]]:
    return [
        token
        for token in tokens
        if isinstance(token, list) and len(set(token)) >= 2 and len(_persons([token], objects)) == len(set(token))
    ]


def _words(tokens: Sequence[Token]) -> list[str]:
    return [token.lower() for token in tokens if isinstance(token, str)]


def _is_tag(token: Token, tags: set[int]) -> bool:
    return isinstance(token, list) and len(token) == 1 and token[0] in tags


def _is_subject(token: Token) -> bool:
    return isinstance(token, str) and token.lower() in _SUBJECTS


def _is_they(token: Token) -> bool:
    return isinstance(token, str) and token.lower() == "they"


def _cased(word: str, place: int) -> str:
    return word.capitalize() if place == 0 else word


def _pronoun(choice: Sequence[Token], question: Sequence[Token]) -> str:
    """Return he or she by the majority of gendered words in the choice, then in the question, then `he`."""
    for tokens in (choice, question):
        words = _words(tokens)
        lean = sum(word in _HE for word in words) - sum(word in _SHE for word in words)
        if lean:
            return "he" if lean > 0 else "she"
    return "he"
