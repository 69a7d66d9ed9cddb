"""The name that the author of a misspelt one meant."""

from __future__ import annotations

from collections.abc import Iterable

MEANT = {
    "adam": "adamw",
    "bayes": "tpe",
    "bayesian": "tpe",
    "bh": "benjamini_hochberg",
    "bonferroni": "holm",
    "categorical": "choice",
    "cma": "cmaes",
    "description": "question",
    "fdr": "benjamini_hochberg",
    "float": "uniform",
    "grid_search": "choice",
    "int": "randint",
    "log_float": "loguniform",
    "loo": "leave_one_out",
    "name": "study",
    "optuna": "tpe",
    "title": "question",
}
"""Word of the field, or of another tool -> what it is called here."""
_SHORTEST_PART = 3
"""Fewest letters of a name that a part of it may identify."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name closest to `name` by edit distance; None if none is close.

    Dotted paths are compared step by step: a shared beginning does not make them more alike.
    """
    names, lower = list(names), name.lower()
    if endings := [path for path in names if path.endswith(f".{name}")]:
        return endings[0]
    if MEANT.get(lower) in names:
        return MEANT[lower]
    costs = ((_cost(lower, other.lower()), other) for other in names)
    near = [(cost, other) for cost, other in costs if cost is not None]
    if near:
        return min(near, key=lambda pair: pair[0])[1]
    if "." in name:  # a wrong group with a right field
        return next((path for path in names if path.lower().rpartition(".")[2] == lower.rpartition(".")[2]), None)
    parts = [other for other in names if len(name) >= _SHORTEST_PART and other.lower().startswith(lower)]
    return min(parts, key=len, default=None)


def _cost(name: str, other: str) -> int | None:
    """Edits between two names; None where some step of theirs is another word."""
    steps, others = name.split("."), other.split(".")
    if len(steps) == 1:
        others = others[-1:]
    if len(steps) != len(others):
        return None
    total = 0
    for step, meant in zip(steps, others, strict=True):
        cost = distance(step, meant)
        if cost > max(1, max(len(step), len(meant)) // 3):
            return None
        total += cost
    return total


def distance(one: str, other: str) -> int:
    """Fewest letters to insert, delete, replace or swap with a neighbour (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        earlier, before, row = before, row, [i]
        for j, meant in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != meant))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == meant:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
    return row[-1]
