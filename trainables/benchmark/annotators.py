"""Ten annotators for each question: most agree; a few give a synonym, a neighbour, one too many, or no answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ablative.trainables.benchmark.concepts import Concept
from ablative.trainables.benchmark.concepts import concepts

Confidence = Literal["yes", "maybe", "no"]

NUM_ANNOTATORS = 10
_DISSENT_RATE = 0.04
_MOST_DISSENTERS = 4
_UNKNOWN_RATE = 0.2
"""Share of the dissenters who answer `unknown`."""
_SYNONYM_RATE = 0.5
"""Share of the other dissenters on an open question who mean the right thing."""
_COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One annotator's answer."""

    text: str
    confidence: Confidence


def ten_answers(truth: str, answer_type: str, rng: np.random.Generator) -> list[Answer]:
    """Return ten answers, at least six of them `truth`, in random order."""
    dissenters = min(int(rng.binomial(NUM_ANNOTATORS, _DISSENT_RATE)), _MOST_DISSENTERS)
    said = [Answer(text=truth, confidence=_sure(rng, 0.85)) for _ in range(NUM_ANNOTATORS - dissenters)]
    said += [Answer(text=_other(truth, answer_type, rng), confidence=_sure(rng, 0.3)) for _ in range(dissenters)]
    return [said[int(place)] for place in rng.permutation(NUM_ANNOTATORS)]


def _sure(rng: np.random.Generator, yes: float) -> Confidence:
    point = rng.random()
    if point < yes:
        return "yes"
    return "maybe" if point < yes + (1 - yes) * 0.8 else "no"


def _other(truth: str, answer_type: str, rng: np.random.Generator) -> str:
    if rng.random() < _UNKNOWN_RATE:
        return "unknown"
    if answer_type == "yes/no":
        return "no" if truth == "yes" else "yes"
    if answer_type == "number":
        return str(abs(int(truth) + (1 if rng.random() < 0.5 else -1)))
    if truth in _COLOURS:
        return _pick([colour for colour in _COLOURS if colour != truth], rng)
    return _like(truth, rng)


def _like(noun: str, rng: np.random.Generator) -> str:
    """Return a synonym of `noun` if there is one, or something of the same category that training may show."""
    meant = [concept for concept in concepts() if concept.noun == noun]
    synonyms = [synonym for concept in meant for synonym in concept.synonyms]
    if synonyms and rng.random() < _SYNONYM_RATE:
        return _pick(synonyms, rng)
    return _pick(_neighbours(noun, meant), rng)


def _neighbours(noun: str, meant: list[Concept]) -> list[str]:
    category = meant[0].category if meant else "thing"
    near = {c.noun for c in concepts() if c.category == category and c.noun != noun and not c.held_out}
    return sorted(near)


def _pick(choices: list[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
