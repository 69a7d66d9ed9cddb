"""The inputs of a plan: the trainable, the known parts, and the digests of what its trials read."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ablative.search_spaces.study import Study
from ablative.splits import SHIFTED
from ablative.splits import is_shifted
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.trainable import Digests
from ablative.trainables.parts.trainable import Trainable

UNKNOWN = "unknown"
"""Digest of a missing data set: its trials can be counted, but have no identity yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Given from outside, so that planning imports no data code."""

    trainable: Trainable
    catalogue: Catalogue
    """All parts there are."""
    digests: Callable[[Any], Digests]
    """Configuration -> digests of what its trials read; raises MissingData if something is missing."""

    def base(self, study: Study) -> Any:
        """Return the configuration of a study's base."""
        return self.trainable.config_type(self.catalogue).model_validate(study.base)


def evaluated(evaluate: Sequence[str], splits: Sequence[str]) -> tuple[str, ...]:
    """Return the splits of a study's `evaluate` that a task has, in the task's order."""
    shifted = {split for split in splits if is_shifted(split)} if SHIFTED in evaluate else set()
    return tuple(split for split in splits if split in shifted or split in evaluate)
