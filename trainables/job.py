"""What goes into a trial and what comes out: the seam between the engine and the science. Imports no torch.

`trainables.trial.run_trial(job, report)` is the only entry point. Inside a Ray Train worker every rank calls it
with the same job (the process group tells it its rank); without one it runs alone. It never raises for what a
trial did: a failure is an outcome with a named cause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Literal

from trainables.config import TrialConfig

Status = Literal["completed", "failed"]
Cause = Literal[
    "none",
    "trainable_error",  # the trial raised
    "non_finite",  # loss or target became NaN or infinite: a result, not a crash
    "out_of_memory",  # device or host memory
    "worker_lost",  # process or node died
    "time_limit",
    "missing_data",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """One trial to run."""

    trial_id: str
    config: TrialConfig
    seed: int
    """Root of all randomness: low-shot subset, initial heads, order, dropout."""
    evaluate: tuple[str, ...]
    """Splits evaluated at the end with the kept weights, e.g. ("val", "test", "test_style")."""
    cache: str
    """Absolute path of the cache folder (benchmark, teacher features, region features)."""
    threads: int = 1
    """CPU threads of this worker; fixed by the study, because it changes float sums."""
    keep_predictions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One evaluation or loss during training."""

    step: int
    split: str
    """"train" or "val"."""
    metric: str
    value: float
    seconds: float
    """Since the trial's start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One example of one evaluated split."""

    split: str
    example_id: str
    prediction: str
    score: float
    """Metric of this example, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """What a trial left behind."""

    status: Status
    cause: Cause = "none"
    error: str = ""
    """Exception type, message and last lines of the traceback; empty if completed."""
    metrics: dict[str, float] = field(default_factory=dict)
    """`split/name` -> value, e.g. val/accuracy, test/accuracy, test/accuracy_heldout_known, train/examples."""
    curve: tuple[CurvePoint, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    seconds: float = 0.0
    device_seconds: float = 0.0
    """seconds x number of devices (GPUs, or CPU workers where there is none)."""
    teacher_passes: int = 0
    """Forward passes of the teacher inside the trial; 0 where features came from the cache."""
    device: str = "cpu"
    num_workers: int = 1


Report = Callable[[CurvePoint], None]
"""Called on rank 0 after each evaluation on val."""
