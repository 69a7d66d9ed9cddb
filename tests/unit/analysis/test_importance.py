"""Importance of searched parameters whose importance is known, and what is not said of too few settings."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
import pytest

from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.importance import LEAST
from ablative.analysis.views.importance import importance_view
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import record_table
from ablative.search_spaces.study import Search
from tests.helpers.results import as_failed
from tests.helpers.results import make_record

SEARCH = Search.model_validate(
    {
        "trials": 40,
        "space": {
            "optim.lr": {"loguniform": [1e-5, 1e-2]},
            "optim.weight_decay": {"uniform": [0.0, 0.1]},
            "distillation.selection.score": {"choice": ["all", "visual"]},
            "distillation.selection.ratio": {
                "uniform": [0.1, 0.9],
                "when": {"distillation.selection.score": "visual"},
            },
        },
    }
)
RATIO = "distillation.selection.ratio"


def setting(rng: np.random.Generator) -> dict[str, Any]:
    chosen = {
        "optim.lr": float(10 ** rng.uniform(-5, -2)),
        "optim.weight_decay": float(rng.uniform(0, 0.1)),
        "distillation.selection.score": ["all", "visual"][rng.integers(2)],
    }
    if chosen["distillation.selection.score"] == "visual":
        chosen[RATIO] = float(rng.uniform(0.1, 0.9))
    return chosen


def target(chosen: dict[str, Any]) -> float:
    """Only the learning rate matters, and a little the ratio where it is searched."""
    return 0.8 - 0.1 * abs(np.log10(chosen["optim.lr"]) + 3) + 0.02 * chosen.get(RATIO, 0.5)


def study(num: int, value: Callable[[dict[str, Any]], float] = target, seeds: tuple[int, ...] = (0,)) -> list[Record]:
    rng = np.random.default_rng(0)
    return [
        make_record(
            trial_id=f"{number:04d}-{seed}",
            phase="search",
            proposal=number,
            seed=seed,
            parameters={path: json.dumps(item) for path, item in chosen.items()},
            metrics={"val/accuracy": float(value(chosen)) + 0.1 * seed},
        )
        for number, chosen in enumerate(setting(rng) for _ in range(num))
        for seed in seeds
    ]


def plan_of(seeds: tuple[int, ...] = (0,), **changes: Any) -> StudyPlan:
    cell = {"name": "clip_td|", "cell_id": "cell", "arm": "clip_td", "is_reference": True}
    content = {
        "study": "lowshot",
        "target": {"metric": "val/accuracy"},
        "seeds": {"search": seeds, "confirm": [1]},
        "search": SEARCH.model_dump(mode="json"),
        "cells": [cell],
    }
    return read_plan({**content, **changes})


def rows_of(records: list[Record], plan: StudyPlan | None = None) -> dict[tuple[str, str], dict[str, Any]]:
    rows = importance_view(record_table(records), plan or plan_of()).to_pylist()
    return {(row["evaluator"], row["parameter"]): row for row in rows}


@pytest.fixture(scope="module")
def rows() -> dict[tuple[str, str], dict[str, Any]]:
    return rows_of(study(80))


@pytest.mark.parametrize("evaluator", ["fanova", "ped_anova"])
def test_the_parameter_that_matters_is_found(rows: dict[tuple[str, str], dict[str, Any]], evaluator: str) -> None:
    found = {path: row["importance"] for (name, path), row in rows.items() if name == evaluator}

    assert max(found, key=lambda path: found[path]) == "optim.lr"
    assert found["optim.lr"] > 0.5 > 3 * found["optim.weight_decay"]
    assert all(0 <= value <= 1 for value in found.values())


def test_fanova_of_parameters_that_all_settings_have_is_optunas(
    rows: dict[tuple[str, str], dict[str, Any]],
) -> None:
    study_of_optuna = optuna.create_study(direction="maximize")
    space = {
        "distillation.selection.score": optuna.distributions.CategoricalDistribution([0, 1]),
        "optim.lr": optuna.distributions.FloatDistribution(1e-5, 1e-2, log=True),
        "optim.weight_decay": optuna.distributions.FloatDistribution(0.0, 0.1),
    }
    for record in study(80):
        given = record.parameter_values()
        params = {**{path: given[path] for path in space}}
        params["distillation.selection.score"] = ["all", "visual"].index(given["distillation.selection.score"])
        study_of_optuna.add_trial(
            optuna.trial.create_trial(params=params, distributions=space, value=record.metrics["val/accuracy"])
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=20260)
    expected = evaluator.evaluate(study_of_optuna)

    assert {path: rows["fanova", path]["importance"] for path in expected} == pytest.approx(expected)


def test_a_conditional_parameter_rests_on_the_settings_that_have_it_and_says_so(
    rows: dict[tuple[str, str], dict[str, Any]],
) -> None:
    row = rows["fanova", RATIO]

    assert LEAST <= row["settings"] < 80
    assert row["note"] == f"conditional: {row['settings']} of 80 settings have it"
    assert 0 < row["importance"] < rows["fanova", "optim.lr"]["importance"]


def test_too_few_settings_are_said_and_not_guessed_from() -> None:
    for row in rows_of(study(LEAST - 1)).values():
        assert row["importance"] is None
        assert "too few" in row["note"]
    found = rows_of(study(30))  # enough for all but the conditional one
    assert found["fanova", "optim.lr"]["importance"] is not None
    assert found["fanova", RATIO]["importance"] is None and "too few" in found["fanova", RATIO]["note"]


def test_settings_that_all_gave_the_same_tell_nothing() -> None:
    row = rows_of(study(30, lambda chosen: 0.5))["fanova", "optim.lr"]

    assert row["importance"] is None and row["note"] == "all settings gave the same"


def test_stopped_failed_and_unfinished_settings_are_left_out_and_counted() -> None:
    records = study(30)
    records[0] = as_failed(records[0])
    records[1] = records[1].model_copy(update={"status": "stopped", "cause": "halving"})

    row = rows_of(records)["fanova", "optim.lr"]

    assert (row["settings"], row["stopped"], row["failed"], row["unfinished"]) == (28, 1, 1, 0)


def test_a_search_seed_is_no_setting_of_its_own() -> None:
    records = study(25, seeds=(0, 1))

    row = rows_of(records[:-1], plan_of((0, 1)))["fanova", "optim.lr"]

    assert (row["settings"], row["unfinished"]) == (24, 1)


def test_a_study_whose_domains_were_not_stored_says_what_to_do() -> None:
    row = rows_of(study(30), plan_of(search={}))["fanova", "optim.lr"]

    assert row["importance"] is None and "run the study again" in row["note"]
