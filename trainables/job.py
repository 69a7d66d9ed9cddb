"""A trial's inputs and outcome: the seam between the engine and the science. Imports no torch.

`trainables.trial.run_trial(job, link)` is the only entry point. Inside a Ray Train worker every rank calls it with the
same job (the process group tells it its rank); without one it runs alone. A trial's failure is never raised: it is an
outcome with a named cause. Only `Hindered` is raised, for errors that would fail every trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from typing import Any
from typing import Literal
from typing import Protocol

Status = Literal["completed", "failed", "stopped", "paused"]
"""`stopped`: by a rule of the search, with the curve so far. `paused`: at a rung, to continue from its checkpoint."""
Cause = Literal[
    "none",
    "trainable_error",  # the trial raised
    "non_finite",  # loss or target became NaN or infinite: a result, not a crash
    "out_of_memory",  # device or host memory
    "worker_lost",  # process died
    "preempted",  # node was lost or taken away
    "time_limit",
    "missing_data",
    # the reasons of a stopped trial
    "fell_behind",  # it was below a floor of its job
    "cancelled",
]
"""Causes given by trainables and the engine; a trial stopped by a rule of the search has the rule's name."""


MAJORITY = "majority_"
"""Prefix of a metric's name (`test/majority_accuracy`): the value of always predicting train's most frequent class."""
MOST_SAID = "most_said"
"""Metric: share of the most frequent prediction on a split; 1 if all examples get the same class."""


UNCLUSTERED = "-"
"""Cluster of an example that was drawn by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJob:
    """One trial to run."""

    trial_id: str
    config: Any
    """Resolved and canonical, of the trainable's own type."""
    seed: int
    """Root of all randomness: low-shot subset, initial heads, order, dropout."""
    evaluate: tuple[str, ...]
    """Splits evaluated at the end with the kept weights, e.g. ("val", "test", "test_style")."""
    cache: str
    """Absolute path of the cache folder (benchmark, teacher features, region features)."""
    data_digest: str = ""
    """Digest of the data at planning time, so that a worker can check that it is the same; empty: any data."""
    elastic: bool = False
    """Whether it may go on from a checkpoint that another number of workers saved."""
    threads: int = 1
    """CPU threads of this worker; fixed by the study, because it changes float sums."""
    keep_predictions: bool = False
    keep_student: bool = False
    """Whether the link gets the trained student, to keep it."""
    checkpoints: str = ""
    """Folder or URI of the study's checkpoints; empty if none are kept."""
    pause_after: int | None = None
    """Evaluation on val, counted from 1, after which the trial pauses; None runs to the end."""
    floors: tuple[tuple[int, float], ...] = ()
    """(evaluation, value): the trial stops (`fell_behind`) if its best target so far is worse than the value."""
    target: tuple[str, Literal["max", "min"]] = ("accuracy", "max")
    """Metric on val for `floors`, and whether more is better."""
    time_limit_s: float | None = None
    """Seconds of training, earlier attempts included, after which the trial fails with `time_limit`."""
    title: str = ""
    """Arm, condition, phase and seed, for displays."""


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
    row_id: str = ""
    """Row of the data set from which it is made, if other examples share the row (VCR: one annotation, two questions);
    else empty."""
    cluster: str = UNCLUSTERED
    """What the example was drawn with, such as its picture: outcomes within a cluster are not independent evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """The outcome of a trial."""

    status: Status
    cause: str = "none"
    """A `Cause`; or the name of the rule of the search that stopped the trial, in its record."""
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
    samples_seen: int = 0
    """Training examples that passed through the student, over all workers, including repeats."""
    peak_memory_mb: float = 0.0
    """Peak memory of rank 0: of its GPU if it has one, else resident memory of its process."""
    device: str = "cpu"
    num_workers: int = 1


class Link(Protocol):
    """A running trial's view of the engine: a place for its curve, whether to stop, and its checkpoint.

    `report`, `reached`, `stop_requested`, `leaving`, `save` and `keep` are called on rank 0 only, `load` on every
    rank.
    """

    def report(self, point: CurvePoint) -> None:
        """Hand in a point of the curve on val as soon as it is known."""
        ...

    def reached(self, share: float) -> None:
        """Take the progress of training, from 0 to 1, for displays. Nothing waits for it."""
        ...

    def stop_requested(self) -> bool:
        """Return whether the trial is to end as `stopped` (`cancelled`); asked after each evaluation."""
        ...

    def leaving(self) -> bool:
        """Return whether the trial's machine is being drained: then it must save at once and raise Preempted."""
        ...

    def load(self) -> bytes | None:
        """Return the checkpoint of an earlier attempt; None if there is none."""
        ...

    def save(self, content: bytes) -> None:
        """Keep `content` as the checkpoint, in place of an earlier one, whole or not at all."""
        ...

    def keep(self, student: bytes) -> None:
        """Keep a completed trial's student, as one file, if its job asks for it."""
        ...


@dataclass(slots=True)
class Alone:
    """A link without an engine; it keeps the checkpoint in memory."""

    points: list[CurvePoint] = field(default_factory=list)
    checkpoint: bytes | None = None
    student: bytes | None = None

    def report(self, point: CurvePoint) -> None:
        """Keep the point in `points`."""
        self.points.append(point)

    def reached(self, share: float) -> None:
        """Nobody waits."""

    def stop_requested(self) -> bool:
        """Never."""
        return False

    def leaving(self) -> bool:
        """Never."""
        return False

    def load(self) -> bytes | None:
        """Return what was saved last."""
        return self.checkpoint

    def save(self, content: bytes) -> None:
        """Keep `content`."""
        self.checkpoint = content

    def keep(self, student: bytes) -> None:
        """Keep `student`."""
        self.student = student


RunTrial = Callable[[TrialJob, Link], TrialOutcome]
"""The type of `trainables.trial.run_trial` and its substitutes."""
