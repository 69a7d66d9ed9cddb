"""MLflow: one experiment a study, one run a trial."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mlflow.entities import Metric
from mlflow.entities import Param
from mlflow.entities import RunTag
from mlflow.tracking import MlflowClient

from orchestrator.records import Record
from orchestrator.sinks.sinks import given
from orchestrator.sinks.sinks import tags
from orchestrator.sinks.sinks import title
from trainables.job import CurvePoint

_STATUS = {"completed": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_AT_ONCE = 1000
"""Metrics that MLflow takes in one call."""


class MlflowSink:
    """An experiment behind a tracking URI."""

    def __init__(self, place: str, study: str) -> None:
        self._client = MlflowClient(tracking_uri=place)
        found = self._client.get_experiment_by_name(study)
        self._experiment = found.experiment_id if found else self._client.create_experiment(study)

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> None:
        """Log the trial with its own times; final metrics stand under their own names, curves under `curve/...`."""
        begun, ended = _ms(record.started_at), _ms(record.finished_at)
        run = self._client.create_run(
            self._experiment, start_time=begun, tags=tags(record), run_name=title(record)
        ).info.run_id
        points = [
            Metric(f"curve/{point.split}/{point.metric}", point.value, begun + round(1000 * point.seconds), point.step)
            for point in curve
        ]
        points += [Metric(name, value, ended, 0) for name, value in record.metrics.items()]
        params = [Param(path, str(value)) for path, value in given(record).items()]
        self._client.log_batch(run, params=params, tags=[RunTag("error", record.error[:500])] if record.error else [])
        for start in range(0, len(points), _AT_ONCE):
            self._client.log_batch(run, metrics=points[start : start + _AT_ONCE])
        self._client.set_terminated(run, status=_STATUS[record.status], end_time=ended)


def _ms(time: datetime) -> int:
    return round(1000 * time.timestamp())
