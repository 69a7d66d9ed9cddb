"""The same trials in other stores: MLflow's and Optuna's databases in SQLite.

One trial is written through the library; the others are copies of its rows under other ids, which takes seconds
instead of an hour and leaves the same tables.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from large_store import ARMS
from large_store import PARAMETER_NAMES

VALUE = 0.123456789012345


def mlflow_runs(path: Path, num_trials: int, metrics: Sequence[str]) -> str:
    """Write so many finished runs into the experiment `study`; return the tracking URI."""
    from mlflow.entities import Metric
    from mlflow.entities import Param
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{path}"
    client = MlflowClient(tracking_uri=uri)
    run = client.create_run(client.create_experiment("study"), tags={"arm": "arm0"}).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(name, VALUE, 0, 0) for name in metrics],
        params=[Param(name, str(VALUE)) for name in PARAMETER_NAMES],
    )
    client.set_terminated(run)
    ids = [uuid.uuid4().hex for _ in range(num_trials - 1)]
    with closing(sqlite3.connect(path)) as database, database:
        for table in ("runs", "params", "latest_metrics", "metrics", "tags"):
            _copy(database, table, {"run_uuid": lambda number: ids[number]}, ids)
        _give_arms(database, "update tags set value = ? where key = 'arm' and run_uuid = ?", ids)
    return uri


def optuna_trials(path: Path, num_trials: int, metrics: Sequence[str]) -> str:
    """Write so many complete trials into the study `study`; return the storage URL."""
    import optuna

    uri = f"sqlite:///{path}"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(storage=uri, study_name="study", direction="maximize")
    study.add_trial(
        optuna.create_trial(
            value=VALUE,
            params=dict.fromkeys(PARAMETER_NAMES, VALUE),
            distributions=dict.fromkeys(PARAMETER_NAMES, optuna.distributions.FloatDistribution(0, 1)),
            user_attrs={"arm": "arm0", **dict.fromkeys(metrics, VALUE)},
        )
    )
    ids = list(range(2, num_trials + 1))
    with closing(sqlite3.connect(path)) as database, database:
        _copy(database, "trials", {"trial_id": lambda number: ids[number], "number": lambda number: number + 1}, ids)
        keys = {
            "trial_params": "param_id",
            "trial_values": "trial_value_id",
            "trial_user_attributes": "trial_user_attribute_id",
        }
        for table, key in keys.items():
            _copy(database, table, {"trial_id": lambda number: ids[number], key: lambda number: None}, ids)
        _give_arms(
            database,
            "update trial_user_attributes set value_json = '\"' || ? || '\"' where key = 'arm' and trial_id = ?",
            ids,
        )
    return uri


def _copy(
    database: sqlite3.Connection, table: str, changed: dict[str, Callable[[int], Any]], ids: Sequence[Any]
) -> None:
    """Copy every row of `table` once for each id, with the `changed` columns as functions of the id's position."""
    cursor = database.execute(f"select * from {table}")
    names = [column[0] for column in cursor.description]
    rows = cursor.fetchall()
    marks = ", ".join("?" * len(names))
    database.executemany(
        f"insert into {table} values ({marks})",
        (
            [changed[name](number) if name in changed else value for name, value in zip(names, row, strict=True)]
            for number in range(len(ids))
            for row in rows
        ),
    )


def _give_arms(database: sqlite3.Connection, statement: str, ids: Sequence[Any]) -> None:
    database.executemany(statement, ((f"arm{number % ARMS}", trial) for number, trial in enumerate(ids)))
