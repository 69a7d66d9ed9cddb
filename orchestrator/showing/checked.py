"""What `ablate check --json` and `ablate plan --json` say of a study, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.families import Family
from ablative.search_spaces.load import LoadedStudy


def checked_values(source: str, checked: LoadedStudy, absent: Sequence[str]) -> dict[str, Any]:
    """Return a sound study's name, size, families and warnings; `absent`: lines on what is not on this machine."""
    return {
        "source": source,
        "study": checked.study.study,
        "mistakes": [],
        "warnings": [asdict(warning) for warning in checked.warnings],
        "cells": len(checked.cells),
        "families": [_family(family) for family in checked.families],
        "absent": list(absent),
    }


def refused_values(source: str, mistakes: Sequence[Mistake]) -> dict[str, Any]:
    """Return the mistakes of a study that cannot be used; warnings are mistakes where it is strict."""
    return {"source": source, "mistakes": [asdict(mistake) for mistake in mistakes]}


def _family(family: Family) -> dict[str, Any]:
    return {
        "family": family.name,
        "what": family.what,
        "comparisons": len(family.pairs),
        "pairs": [min(family.pairs), max(family.pairs)],
        "pairs_needed": family.needed,
        "too_few": len(family.short),
    }
