"""The concepts of the benchmark's world, their art, and who may learn them when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

Gender = Literal["he", "she"]

PACKAGE = "package"
"""Scenes show a closed package, which is never a concept: something unseen might be in it."""
PACKAGE_CODE = "1F4E6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concept:
    """One kind of thing that a scene may show."""

    name: str
    """Full name, e.g. `cat` or `red heart`; unique."""
    noun: str
    """Name without the colour, e.g. `heart`."""
    code: str
    """Code points of its emoji, hyphenated: the stem of the SVG's file name."""
    category: str
    """`animal`, `food`, `thing`, `vehicle`, `shape` or `person`."""
    colour: str | None = None
    """Set only for members of a colour family."""
    synonyms: tuple[str, ...] = ()
    """Other names annotators may give."""
    held_out: bool = False
    """Held out of train, val and pretraining scenes and texts altogether."""
    teacher_sees: bool = True
    """False: the teacher is never aligned on its picture or its name."""
    pretrain: bool = False
    """May appear in the student's pretraining scenes: about half of the concepts that are not held out."""
    gender: Gender | None = None
    """Pronoun of a person."""

    @property
    def plural(self) -> str:
        """The full name in the plural."""
        return plural_of(self.name)


_ANIMALS = (
    ("cat", "1F408", "kitten"),
    ("dog", "1F415", "puppy"),
    ("horse", "1F40E", "pony"),
    ("pig", "1F416", "hog"),
    ("cow", "1F404", "bull"),
    ("elephant", "1F418", ""),
    ("snake", "1F40D", "serpent"),
    ("rabbit", "1F407", "bunny"),
    ("penguin", "1F427", "bird"),
    ("turtle", "1F422", "tortoise"),
    ("fish", "1F41F", ""),
    ("butterfly", "1F98B", "moth"),
    ("octopus", "1F419", "squid"),
    ("owl", "1F989", "bird"),
    ("giraffe", "1F992", ""),
)
_FOODS = (
    ("banana", "1F34C", "fruit"),
    ("apple", "1F34E", "fruit"),
    ("pizza", "1F355", "slice"),
    ("carrot", "1F955", "vegetable"),
    ("lemon", "1F34B", "citrus"),
    ("doughnut", "1F369", "donut"),
    ("hamburger", "1F354", "burger"),
    ("strawberry", "1F353", "berry"),
    ("pineapple", "1F34D", "fruit"),
    ("pretzel", "1F968", "bread"),
)
_THINGS = (
    ("guitar", "1F3B8", "electric guitar"),
    ("drum", "1F941", "snare"),
    ("umbrella", "2602", "parasol"),
    ("key", "1F511", ""),
    ("chair", "1FA91", "seat"),
    ("hammer", "1F528", "tool"),
    ("camera", "1F4F7", ""),
    ("bell", "1F514", ""),
    ("crown", "1F451", "tiara"),
)
_VEHICLES = (
    ("car", "1F697", "automobile"),
    ("bus", "1F68C", "coach"),
    ("bicycle", "1F6B2", "bike"),
    ("rocket", "1F680", "spaceship"),
    ("boat", "26F5", "ship"),
    ("tractor", "1F69C", ""),
    ("helicopter", "1F681", "chopper"),
)
_COLOUR_FAMILIES = {
    "heart": {"red": "2764", "yellow": "1F49B", "green": "1F49A", "blue": "1F499", "purple": "1F49C"},
    "circle": {"red": "1F534", "yellow": "1F7E1", "green": "1F7E2", "blue": "1F535", "purple": "1F7E3"},
    "book": {"red": "1F4D5", "green": "1F4D7", "blue": "1F4D8", "orange": "1F4D9"},
}
_PERSONS: tuple[tuple[str, str, Gender], ...] = (
    ("man", "1F468", "he"),
    ("woman", "1F469", "she"),
    ("boy", "1F466", "he"),
    ("girl", "1F467", "she"),
    ("grandfather", "1F474", "he"),
    ("grandmother", "1F475", "she"),
    ("cook", "1F468-200D-1F373", "he"),
    ("policeman", "1F46E", "he"),
    ("princess", "1F478", "she"),
    ("astronaut", "1F469-200D-1F680", "she"),
    ("firefighter", "1F468-200D-1F692", "he"),
)
HELD_OUT_KNOWN = ("giraffe", "pretzel", "helicopter")
HELD_OUT_UNKNOWN = ("owl", "pineapple", "tractor")
PRETRAINED = frozenset(
    "cat dog horse pig elephant snake fish banana apple pizza carrot guitar drum key chair car bus bicycle".split()
    + [f"{colour} {noun}" for noun in ("heart", "circle") for colour in ("red", "yellow", "blue")]
    + "man woman boy girl".split()
)
_PLURALS = {"fish": "fish", "octopus": "octopuses", "butterfly": "butterflies", "strawberry": "strawberries"}


def plural_of(noun: str) -> str:
    """Return the plural of one of the world's nouns, with or without a colour before it."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun in ("man", "woman", "policeman"):
        return noun[:-2] + "en"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def with_article(name: str) -> str:
    """Return `name` behind its indefinite article."""
    return f"{'an' if name[0] in 'aeio' or name.startswith('umb') else 'a'} {name}"


def _concept(name: str, code: str, category: str, synonym: str = "", gender: Gender | None = None) -> Concept:
    return Concept(
        name=name,
        noun=name,
        code=code,
        category=category,
        synonyms=(synonym,) if synonym else (),
        held_out=name in HELD_OUT_KNOWN + HELD_OUT_UNKNOWN,
        teacher_sees=name not in HELD_OUT_UNKNOWN,
        pretrain=name in PRETRAINED,
        gender=gender,
    )


def _family(noun: str, codes: dict[str, str]) -> list[Concept]:
    return [
        Concept(
            name=f"{colour} {noun}",
            noun=noun,
            code=code,
            category="shape" if noun != "book" else "thing",
            colour=colour,
            pretrain=f"{colour} {noun}" in PRETRAINED,
        )
        for colour, code in codes.items()
    ]


@cache
def concepts() -> tuple[Concept, ...]:
    """Return every concept but persons, in a fixed order."""
    plain = {"animal": _ANIMALS, "food": _FOODS, "thing": _THINGS, "vehicle": _VEHICLES}
    made = [
        _concept(name, code, category, synonym) for category, rows in plain.items() for name, code, synonym in rows
    ]
    return tuple(made + [concept for noun, codes in _COLOUR_FAMILIES.items() for concept in _family(noun, codes)])


@cache
def persons() -> tuple[Concept, ...]:
    """Return the person concepts; VCR calls each of them `person`."""
    return tuple(_concept(name, code, "person", gender=gender) for name, code, gender in _PERSONS)


@cache
def by_name() -> dict[str, Concept]:
    """Return every concept, persons and the package included, by name."""
    package = Concept(name=PACKAGE, noun=PACKAGE, code=PACKAGE_CODE, category="package")
    return {concept.name: concept for concept in (*concepts(), *persons(), package)}


def slice_of(names: tuple[str, ...]) -> str:
    """Return `heldout_unknown`, `heldout_known` or `seen` for a text that mentions `names`."""
    if any(name in HELD_OUT_UNKNOWN for name in names):
        return "heldout_unknown"
    return "heldout_known" if any(name in HELD_OUT_KNOWN for name in names) else "seen"
