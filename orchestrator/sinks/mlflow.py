"""MLflow: one experiment a study, one run a trial."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

from mlflow.entities import Metric
from mlflow.entities import Param
from mlflow.entities import Run
from mlflow.entities import RunTag
from mlflow.tracking import MlflowClient

from ablative.orchestrator.names import shortened
from ablative.orchestrator.sinks.shown import given
from ablative.orchestrator.sinks.shown import tags
from ablative.orchestrator.sinks.shown import title
from ablative.orchestrator.storing.records import Record
from ablative.trainables.job import CurvePoint

_STATUS = {"completed": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_METRICS, _PARAMS = 1000, 100
"""Most entries of one MLflow call."""
_KEY, _VALUE, _ERROR = 250, 500, 5000
"""Characters allowed by every version of MLflow."""
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "5", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
"""Its own timeout is minutes; the copier tries again later."""


class MlflowSink:
    """An experiment behind a tracking URI."""

    def __init__(self, place: str, study: str) -> None:
        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        self._client = MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name(study)
        self._experiment = found.experiment_id if found else self._client.create_experiment(study)

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> bool:
        """Log the trial with its own times; final metrics keep their names, curves are under `curve/...`."""
        if self._has_one(record):
            return False
        begun, ended = _ms(record.started_at), _ms(record.finished_at)
        made = self._client.create_run(
            self._experiment,
            start_time=begun,
            tags={name: shortened(value, _ERROR) for name, value in tags(record).items()},
            run_name=title(record),
        ).info.run_id
        points = [
            Metric(
                _key(f"curve/{point.split}/{point.metric}"),
                point.value,
                begun + round(1000 * point.seconds),
                point.step,
            )
            for point in curve
        ]
        points += [Metric(_key(name), value, ended, 0) for name, value in record.metrics.items()]
        params = [Param(_key(path), shortened(str(value), _VALUE)) for path, value in given(record).items()]
        error = [RunTag("error", record.error[-_ERROR:])] if record.error else []
        for start in range(0, len(params), _PARAMS):
            self._client.log_batch(made, params=params[start : start + _PARAMS], tags=error)
        for start in range(0, len(points), _METRICS):
            self._client.log_batch(made, metrics=points[start : start + _METRICS])
        self._client.set_terminated(made, status=_STATUS[record.status], end_time=ended)
        self._has_one(record)  # another driver may have copied the trial at the same time
        return True

    def _has_one(self, record: Record) -> bool:
        """Return whether a run shows this ending of the trial; all its other runs are deleted."""
        runs = self._client.search_runs([self._experiment], f"tags.trial_id = '{record.trial_id}'")
        whole = [run.info.run_id for run in runs if _is_whole(run, record)]
        kept = min(whole, default=None)
        for run in runs:
            if run.info.run_id != kept:  # half of a copy, a failure since run again, or the same once more
                self._client.delete_run(run.info.run_id)
        return kept is not None


def _is_whole(run: Run, record: Record) -> bool:
    return run.info.status in _STATUS.values() and run.info.end_time == _ms(record.finished_at)


def _key(name: str) -> str:
    return shortened(name, _KEY)


def _ms(time: datetime) -> int:
    return round(1000 * time.timestamp())
