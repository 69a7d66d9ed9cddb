"""Weights & Biases: one run a trial, written offline; `wandb sync` sends them, WANDB_MODE=online does at once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import wandb

from ablative.orchestrator.names import shortened
from ablative.orchestrator.sinks.copied import Copied
from ablative.orchestrator.sinks.shown import given
from ablative.orchestrator.sinks.shown import tags
from ablative.orchestrator.sinks.shown import title
from ablative.orchestrator.storing.records import Record
from ablative.trainables.job import CurvePoint

_EXIT = {"completed": 0, "stopped": 0, "failed": 1}
_GROUP = 128
_PATIENCE_S = 10.0


class WandbSink:
    """Runs below a folder, in the project that has the study's name."""

    def __init__(self, place: str, study: str) -> None:
        self._folder = Path(place).expanduser()
        self._project = study
        self._copied = Copied(self._folder / "wandb" / study)

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> bool:
        """Write the trial's parameters, tags, curves by step, and final metrics as its summary."""
        if self._copied.has(record):
            return False
        again = f"-{record.finished_at:%Y%m%d%H%M%S}" if self._copied.ending(record) else ""
        run = wandb.init(
            project=self._project,
            dir=str(self._folder),
            mode="online" if os.environ.get("WANDB_MODE") == "online" else "offline",
            id=f"{record.trial_id}{again}",
            name=title(record),
            group=shortened(record.cell, _GROUP),
            job_type=record.phase,
            config={**given(record), "tags": tags(record)},
            reinit="create_new",
            settings=wandb.Settings(
                silent=True, console="off", x_disable_meta=True, x_disable_stats=True, init_timeout=_PATIENCE_S
            ),
        )
        ordered = sorted(curve, key=lambda point: point.step)
        for step, points in groupby(ordered, key=lambda point: point.step):
            run.log({f"curve/{point.split}/{point.metric}": point.value for point in points}, step=step)
        run.summary.update(record.metrics)
        run.finish(exit_code=_EXIT[record.status])
        self._copied.add(record)
        return True
