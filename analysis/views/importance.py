"""The view `importance`: which searched parameters mattered in a cell, by Optuna's evaluators."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import TypeAdapter

from ablative.analysis.plan import CellPlan
from ablative.analysis.plan import StudyPlan
from ablative.analysis.views.searched import Searched
from ablative.analysis.views.searched import count
from ablative.analysis.views.searched import searched
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.proposals import Setting
from ablative.search_spaces.proposals import told

if TYPE_CHECKING:
    import optuna

LEAST = 20
"""Least completed settings: PED-ANOVA then has five in its best quarter."""
TOP = 0.25
"""PED-ANOVA compares this best share of the settings with all settings."""
FANOVA, PED_ANOVA = EVALUATORS = "fanova", "ped_anova"
"""The first takes half a second per cell, the second a hundredth of that."""
_SEED = 20260

IMPORTANCE_SCHEMA = pa.schema(
    [
        pa.field("study", pa.string(), nullable=False),
        pa.field("cell", pa.string(), nullable=False),
        pa.field("arm", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("target", pa.string(), nullable=False),
        pa.field("parameter", pa.string(), nullable=False),
        pa.field("evaluator", pa.string(), nullable=False),
        pa.field("importance", pa.float64()),
        pa.field("settings", pa.int64(), nullable=False),
        pa.field("stopped", pa.int64(), nullable=False),
        pa.field("failed", pa.int64(), nullable=False),
        pa.field("unfinished", pa.int64(), nullable=False),
        pa.field("note", pa.string(), nullable=False),
    ]
)


def importance_view(records: pa.Table, plan: StudyPlan, evaluators: Sequence[str] = EVALUATORS) -> pa.Table:
    """Return the importance of each searched parameter in each cell of a study, from its records.

    Exploratory: it rests on search trials, on validation data. A setting counts once, with its mean over search seeds.
    """
    space: dict[str, Domain] = TypeAdapter(dict[str, Domain]).validate_python(plan.search.space)
    settings = searched(records, plan)
    rows = [row for cell in plan.cells for row in _cell_rows(cell, settings[cell.name], space, plan, evaluators)]
    return pa.Table.from_pylist(rows, schema=IMPORTANCE_SCHEMA)


def _cell_rows(
    cell: CellPlan,
    settings: Sequence[Searched],
    space: Mapping[str, Domain],
    plan: StudyPlan,
    evaluators: Sequence[str],
) -> list[dict[str, Any]]:
    completed = [setting for setting in settings if setting.state == "completed"]
    tried = {path for setting in settings for path in setting.parameters}
    paths = [path for path in space if path in tried] or sorted(tried)
    found = importances(completed, space, plan.target.mode, evaluators) if tried <= set(space) else {}
    place = {"study": plan.study, "cell": cell.name, "arm": cell.arm, "condition": cell.label}
    rows = []
    for evaluator in evaluators:
        for path in paths:
            having = [setting for setting in completed if path in setting.parameters]
            value = found.get(evaluator, {}).get(path)
            rows.append(
                {
                    **place,
                    "target": plan.target.metric,
                    "parameter": path,
                    "evaluator": evaluator,
                    "importance": value,
                    "settings": len(having),
                    **{state: count(settings, state) for state in ("stopped", "failed", "unfinished")},
                    "note": "; ".join(_notes(path, having, completed, space)),
                }
            )
    return rows


def importances(
    completed: Sequence[Searched], space: Mapping[str, Domain], mode: str, evaluators: Sequence[str] = EVALUATORS
) -> dict[str, dict[str, float]]:
    """Return evaluator -> parameter -> importance, without parameters about which too little is known.

    `fanova`: how much of the variance of the target over the search space a parameter explains alone, by a random
    forest (Hutter et al. 2014); for a conditional one, over the settings that have it. `ped_anova`: how much the
    settings in the best quarter differ from all in this parameter, as a share of all parameters (Watanabe et al.
    2023). For a conditional one, Optuna weighs the settings with and without it.
    """
    if len(completed) < LEAST or np.ptp([setting.value or 0.0 for setting in completed]) == 0:
        return {}
    import optuna
    from optuna.importance import FanovaImportanceEvaluator
    from optuna.importance import PedAnovaImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = _study(completed, space, mode)
    enough = [path for path in space if sum(path in setting.parameters for setting in completed) >= LEAST]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found: dict[str, dict[str, float]] = {}
        if FANOVA in evaluators:
            found[FANOVA] = _fanova(study, enough, completed, FanovaImportanceEvaluator(seed=_SEED))
        if PED_ANOVA in evaluators:
            by_density = PedAnovaImportanceEvaluator(target_quantile=TOP).evaluate(study)
            total = sum(by_density.values()) or 1.0
            found[PED_ANOVA] = {path: by_density.get(path, 0.0) / total for path in enough}
    return found


def _fanova(
    study: optuna.Study,
    paths: Sequence[str],
    completed: Sequence[Searched],
    evaluator: optuna.importance.BaseImportanceEvaluator,
) -> dict[str, float]:
    """Grow one forest for the parameters that all settings have, and one more for each conditional one."""
    common = set.intersection(*(set(setting.parameters) for setting in completed))
    found = evaluator.evaluate(study, params=sorted(common)) if common else {}
    for path in paths:
        if path not in common:
            having = [setting.value or 0.0 for setting in completed if path in setting.parameters]
            varied = np.ptp(having) > 0
            found[path] = evaluator.evaluate(study, params=sorted({*common, path}))[path] if varied else 0.0
    return {path: float(found[path]) for path in paths}


def _study(completed: Sequence[Searched], space: Mapping[str, Domain], mode: str) -> optuna.Study:
    import optuna

    study = optuna.create_study(direction="maximize" if mode == "max" else "minimize")
    for setting in completed:
        value = setting.value or 0.0
        asked = Setting(parameters=dict(setting.parameters), value=value)
        study.add_trial(told(asked, tuple(space.items()), [value]))
    return study


def _notes(
    path: str, having: Sequence[Searched], completed: Sequence[Searched], space: Mapping[str, Domain]
) -> list[str]:
    if path not in space:
        return ["its domain is not in study.json: run the study again to have it stored"]
    notes = []
    if len(having) < LEAST:
        notes.append(f"{len(having)} completed settings are too few, at least {LEAST} are needed")
    elif np.ptp([setting.value or 0.0 for setting in completed]) == 0:
        notes.append("all settings gave the same")
    if len(having) < len(completed):
        notes.append(f"conditional: {len(having)} of {len(completed)} settings have it")
    return notes
