"""VCR with decisive tokens hidden (Ye and Kovashka, AAAI 2021): AdvTop-1 and KeepTop-k. Pure functions of one row.

A token is decisive for a choice if a trained model's loss rises without it. The losses come from the authors' file or
from our own scorer (`trainables.data.text_only`), in the same form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import listed
from ablative.trainables.data.tokens import MASK
from ablative.trainables.data.tokens import MASKED_TAGS

Row = dict[str, Any]
PARTS = (("answer_choices", "answer_losses"), ("rationale_choices", "rationale_losses"))
"""Choices of a row, and the field of a score row with a loss for each of their tokens."""


def checked_losses(scores: Row) -> Row:
    """Return a score row if it has an id, and lists of finite numbers. Raises ValueError."""
    identifier(scores["annot_id"], "annot_id")
    for _, field in PARTS:
        for losses in listed(scores[field], field):
            if not np.isfinite(np.asarray(listed(losses, field), dtype=float)).all():
                raise ValueError(f"{field}: expected numbers")
    return scores


def top_masked(row: Row, scores: Row) -> Row:
    """AdvTop-1: return `row` with the most decisive token of every choice hidden. Raises ValueError as `_edited`."""
    return _edited(row, scores, lambda losses: {_ranked(losses)[0]} if losses else set())


def top_kept(row: Row, scores: Row, k: int) -> Row:
    """KeepTop-k: return `row` with all but the `k` most decisive tokens of every choice hidden."""
    return _edited(row, scores, lambda losses: set(_ranked(losses)[k:]))


def _edited(row: Row, scores: Row, hidden: Any) -> Row:
    """Return `row` with the tokens at the places `hidden(losses)` of each choice masked.

    Raises ValueError if a choice does not have one loss per token.
    """
    changed = dict(row)
    for choices, losses in PARTS:
        if [len(choice) for choice in row[choices]] != [len(values) for values in scores[losses]]:
            raise ValueError(f"{losses} of {row['annot_id']} has not one number for each token of {choices}")
        changed[choices] = [
            _masked(choice, hidden(values)) for choice, values in zip(row[choices], scores[losses], strict=True)
        ]
    return changed


def _ranked(losses: Sequence[float]) -> list[int]:
    """Return the places of the tokens, the most decisive first; the earlier of equal ones first."""
    return [int(place) for place in np.argsort(-np.asarray(losses, dtype=float), kind="stable")]


def _masked(choice: Sequence[Any], places: set[int]) -> list[Any]:
    return [_hidden(token) if place in places else token for place, token in enumerate(choice)]


def _hidden(token: Any) -> Any:
    return [MASKED_TAGS + tag for tag in token] if isinstance(token, list) else MASK
