"""Low-shot subsets: nested, stratified, seeded, and the same for every arm."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace

from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.stored import StoredExamples


def subset(split: TaskSplit, fraction: float, seed: int) -> TaskSplit:
    """Return about `fraction` of the examples of `split`, in their old order.

    Depends only on the split, the fraction and the seed. For one seed, a smaller fraction's subset lies in a larger
    one's. Each stratum gives its share of groups, rounded, at least one; groups stay whole.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"data_fraction is {fraction}, expected a number in (0, 1]")
    if fraction == 1:
        return split
    examples = split.examples
    pairs = _pairs(examples)
    kept: set[str] = set()
    for groups in _strata(pairs).values():
        ranked = sorted(groups, key=lambda group: _rank(seed, group))
        kept.update(ranked[: max(1, round(fraction * len(ranked)))])
    places = [place for place, (group, _) in enumerate(pairs) if group in kept]
    taken = examples.taken(places) if isinstance(examples, StoredExamples) else tuple(examples[i] for i in places)
    return replace(split, examples=taken)


CHOOSING_SEED = 0
"""Seed for the examples of val that choose the best step: the same in every trial, whatever its seed."""


def choosing(val: TaskSplit, most: int | None) -> TaskSplit:
    """Return about `most` of the examples of val, by hash; all if it is None or val has no more."""
    if most is None or most >= len(val.examples):
        return val
    return subset(val, most / len(val.examples), CHOOSING_SEED)


def subset_ids(split: TaskSplit, fraction: float, seed: int) -> list[str]:
    """Return the row ids (annot_id, pairID, question_id) of the subset that `subset` gives, in the files' order."""
    return list(dict.fromkeys(example.group for example in subset(split, fraction, seed).examples))


def _pairs(examples: Sequence[Example]) -> list[tuple[str, str]]:
    if isinstance(examples, StoredExamples):
        return examples.strata()
    return [(example.group, example.stratum) for example in examples]


def _strata(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, ...], list[str]]:
    """Return the groups of each stratum; a group with several strata belongs to their combination."""
    strata_of: dict[str, set[str]] = defaultdict(set)
    for name, stratum in pairs:
        strata_of[name].add(stratum)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for group, strata in strata_of.items():
        groups[tuple(sorted(strata))].append(group)
    return groups


def _rank(seed: int, group: str) -> bytes:
    return hashlib.blake2b(f"{seed}|{group}".encode(), digest_size=16).digest()
