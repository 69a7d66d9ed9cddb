"""TensorBoard: one run a trial, <folder>/<study>/<arm>/<trial>, with its parameters as hyperparameters."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from ablative.orchestrator.names import file_name
from ablative.orchestrator.sinks.copied import Copied
from ablative.orchestrator.sinks.shown import given
from ablative.orchestrator.sinks.shown import tags
from ablative.orchestrator.sinks.shown import title
from ablative.orchestrator.storing.records import Record
from ablative.trainables.job import CurvePoint


class TensorBoardSink:
    """Event files below a folder."""

    def __init__(self, place: str, study: str) -> None:
        self._folder = Path(place).expanduser() / study
        self._copied = Copied(self._folder)

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> bool:
        """Write the trial's curves, final metrics (`final/...`), parameters and tags."""
        if self._copied.has(record):
            return False
        folder = self._folder / file_name(record.arm) / title(record)
        shutil.rmtree(folder, ignore_errors=True)  # half of a copy, or a failure since run again
        values = {
            path: value if isinstance(value, (bool, int, float)) else str(value)
            for path, value in given(record).items()
        }
        final = {f"final/{name}": value for name, value in record.metrics.items()}
        with SummaryWriter(str(folder), write_to_disk=True) as writer:
            for point in curve:
                writer.add_scalar(f"{point.split}/{point.metric}", point.value, point.step)
            for summary in hparams(values, final):
                writer.file_writer.add_summary(summary)
            for name, value in final.items():
                writer.add_scalar(name, value, 0)
            writer.add_text("tags", "\n".join(f"- {name}: {value}" for name, value in tags(record).items()))
        self._copied.add(record)
        return True
