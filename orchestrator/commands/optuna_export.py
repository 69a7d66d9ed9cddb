"""Exports the searches of a study as Optuna studies in a SQLite file."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from ablative.orchestrator.errors import OrchestratorError
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.records import records_of
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.proposals import distribution
from ablative.search_spaces.study import Study
from ablative.trainables.cache import written_whole
from ablative.trainables.strangers import parsing

if TYPE_CHECKING:
    import optuna


class ExportError(OrchestratorError):
    """Nothing to export, or no place for it."""


def export_searches(store: Store, study: str, target: Path) -> int:
    """Write every cell's search trials as the Optuna study `<study>/<cell>` into SQLite; return the number of cells.

    Each record becomes a trial: one setting under one search seed, with the target's curve as intermediate values.
    Stopped trials are PRUNED, failed ones FAIL. Raises `ExportError` if the file exists or nothing was searched.
    """
    import optuna

    if target.exists():
        raise ExportError(f"{target}: already exists; remove it, or give another file with --output")
    content = store.study(study)
    place = f"store {store.uri!r}: study.json of {study!r} is incomplete"
    with parsing(place, "`ablate run` writes it again", ExportError):
        design = Study.model_validate({name: content[name] for name in Study.model_fields if name in content})
    cells: dict[str, list[Record]] = {}
    for record in records_of(store.table(study)):
        if record.phase == "search":
            cells.setdefault(record.cell, []).append(record)
    if not cells:
        raise ExportError(f"study {study!r} in store {store.uri!r}: no search trial to export")
    curves = store.curve_values(study, design.target.metric)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    with written_whole(target) as scratch:
        storage = optuna.storages.RDBStorage(f"sqlite:///{scratch}")
        for cell, records in cells.items():
            made = optuna.create_study(
                storage=storage,
                study_name=f"{study}/{cell}",
                direction="maximize" if design.target.mode == "max" else "minimize",
            )
            made.set_metric_names([design.target.metric])
            made.add_trials([_trial(record, design, curves.get(record.trial_id, ())) for record in _in_order(records)])
        storage.remove_session()
    return len(cells)


def _in_order(records: Sequence[Record]) -> list[Record]:
    return sorted(records, key=lambda record: (record.proposal or 0, record.seed))


def _trial(record: Record, study: Study, curve: Sequence[float]) -> optuna.trial.FrozenTrial:
    from optuna.trial import TrialState
    from optuna.trial import create_trial

    states = {"completed": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}
    value = record.metrics.get(study.target.metric)
    measured = record.completed and value is not None  # an earlier version of the study may have had another target
    given = _searched(record.parameter_values(), study.search.space)
    return create_trial(
        state=TrialState.FAIL if record.completed and not measured else states[record.status],
        value=value if measured else None,
        params={path: value for path, (value, _) in given.items()},
        distributions={path: known for path, (_, known) in given.items()},
        intermediate_values=dict(enumerate(curve, start=1)),
        user_attrs={
            "trial_id": record.trial_id,
            "proposal": record.proposal,
            "seed": record.seed,
            "seconds": record.seconds,
            "cause": record.cause,
        },
    )


def _searched(
    parameters: Mapping[str, Any], space: Mapping[str, Domain]
) -> dict[str, tuple[Any, optuna.distributions.BaseDistribution]]:
    """Return path -> value and distribution, for parameters that the present study still searches."""
    return {path: _told(value, space[path]) for path, value in parameters.items() if path in space}


def _told(value: Any, domain: Domain) -> tuple[Any, optuna.distributions.BaseDistribution]:
    from optuna.distributions import CategoricalDistribution

    if isinstance(domain, Choice):
        return _category(value), CategoricalDistribution([_category(choice) for choice in domain.choice])
    return value, distribution(domain)


def _category(value: Any) -> Any:
    return value if value is None or isinstance(value, (bool, int, float, str)) else json.dumps(value)
