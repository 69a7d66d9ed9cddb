"""The page on records lists exactly the columns and types of the views."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from ablative.analysis.views.asking import DERIVED
from ablative.analysis.views.budgets import BUDGET_SCHEMA
from ablative.analysis.views.cells import CELL_SCHEMA
from ablative.analysis.views.cells import STUDY_SCHEMA
from ablative.analysis.views.claims import CLAIM_SCHEMA
from ablative.analysis.views.contrasts import CONTRAST_SCHEMA
from ablative.analysis.views.disagreements import DISAGREEMENT_SCHEMA
from ablative.analysis.views.effects import EFFECT_SCHEMA
from ablative.analysis.views.heterogeneity import HETEROGENEITY_SCHEMA
from ablative.analysis.views.importance import IMPORTANCE_SCHEMA
from ablative.analysis.views.judged import PAIRS
from ablative.analysis.views.judged import PLACE
from ablative.analysis.views.judged import TRIALS
from ablative.analysis.views.judged import VERDICT
from ablative.analysis.views.profiles import PROFILE_SCHEMA
from ablative.analysis.views.results import Results
from ablative.analysis.views.robustness import ROBUSTNESS_SCHEMA
from ablative.analysis.views.searches import SEARCH_SCHEMA
from ablative.analysis.views.size_of_test import TEST_SIZE_SCHEMA
from ablative.orchestrator.storing.flat_trials import trials_view
from ablative.orchestrator.storing.records import CURVE_SCHEMA
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.spending import pairs_needed

DOCS = Path(__file__).resolve().parents[2] / "docs"
STUDY = pa.field("study", pa.string())
EMPTY = Results(Store.open("nowhere"), ())
VIEWS = {
    "studies": list(STUDY_SCHEMA),
    "cells": list(CELL_SCHEMA),
    **{view: list(EMPTY.answer(f"select * from {view}").schema) for view in DERIVED},
    "trials": list(trials_view(RECORD_SCHEMA.empty_table(), None).schema),
    "curves": [STUDY, *CURVE_SCHEMA],
    "predictions": [STUDY, *PREDICTION_SCHEMA],
    "effects": list(EFFECT_SCHEMA),
    "claims": list(CLAIM_SCHEMA),
    "contrasts": list(CONTRAST_SCHEMA),
    "robustness": list(ROBUSTNESS_SCHEMA),
    "heterogeneity": list(HETEROGENEITY_SCHEMA),
    "profiles": list(PROFILE_SCHEMA),
    "test_size": list(TEST_SIZE_SCHEMA),
    "disagreements": list(DISAGREEMENT_SCHEMA),
    "importance": list(IMPORTANCE_SCHEMA),
    "budgets": list(BUDGET_SCHEMA),
    "searches": list(SEARCH_SCHEMA),
}


JUDGED = {
    "effects": (PLACE, PAIRS, VERDICT, TRIALS),
    "claims": (PAIRS, VERDICT, TRIALS),
    "contrasts": (PLACE, PAIRS, VERDICT, TRIALS),
    "robustness": (PAIRS, VERDICT),
    "profiles": (TRIALS,),
}
"""View -> the groups of shared columns that it has."""


def documented(view: str) -> list[tuple[str, ...]]:
    section = re.split(r"^## ", (DOCS / "records.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(f"{view}\n")]
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [tuple(cell.strip() for cell in row) for row in rows[2:]]


@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_documented_column_by_column_in_its_order(view: str) -> None:
    expected = [(field.name, re.sub(r"<(item|element): ", "<", str(field.type))) for field in VIEWS[view]]

    assert [(name, type_name) for name, type_name, *_ in documented(view)] == expected


@pytest.mark.parametrize("view", JUDGED)
def test_a_column_that_views_share_is_described_in_each_as_it_is_declared(view: str) -> None:
    declared = [(item.name, item.unit, item.meaning) for group in JUDGED[view] for item in group.columns]
    shared = {name for name, *_ in declared}

    assert [(name, *said) for name, _, *said in documented(view) if name in shared] == declared


def test_the_statistics_page_gives_the_pairs_that_are_needed() -> None:
    lines = (DOCS / "statistics.md").read_text(encoding="utf-8").splitlines()
    comparisons = next(line for line in lines if line.startswith("| comparisons |"))
    needed = next(line for line in lines if line.startswith("| pairs needed"))

    numbers = zip(re.findall(r"\d+", comparisons), re.findall(r"\| (\d+)", needed), strict=True)
    assert [(int(m), int(n)) for m, n in numbers] == [(m, pairs_needed(m, 0.05)) for m in (1, 2, 3, 6, 12, 24)]
