"""TensorBoard: one run a trial, <folder>/<study>/<arm>/<trial>, with its parameters as hyperparameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tensorboardX import SummaryWriter
from tensorboardX.summary import hparams

from orchestrator.records import Record
from orchestrator.sinks.sinks import given
from orchestrator.sinks.sinks import tags
from orchestrator.sinks.sinks import title
from trainables.job import CurvePoint


class TensorBoardSink:
    """Event files below a folder."""

    def __init__(self, place: str, study: str) -> None:
        self._folder = Path(place).expanduser() / study
        self._folder.mkdir(parents=True, exist_ok=True)

    def put(self, record: Record, curve: Sequence[CurvePoint]) -> None:
        """Write the trial's curves, final metrics (`final/...`), parameters and tags."""
        arm = re.sub(r"[^\w.=-]+", "_", record.arm)
        values = {
            path: value if isinstance(value, (bool, int, float)) else str(value)
            for path, value in given(record).items()
        }
        final = {f"final/{name}": value for name, value in record.metrics.items()}
        with SummaryWriter(str(self._folder / arm / title(record)), write_to_disk=True) as writer:
            for point in curve:
                writer.add_scalar(f"{point.split}/{point.metric}", point.value, point.step)
            for summary in hparams(values, final):
                writer.file_writer.add_summary(summary)
            for name, value in final.items():
                writer.add_scalar(name, value, 0)
            writer.add_text("tags", "\n".join(f"- {name}: {value}" for name, value in tags(record).items()))


def _hyperparameter(value: object) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float)) else str(value)
