"""The answer models of the commands about students."""

from __future__ import annotations

from typing import Literal

from ablative.frozen import Answer


class StudentCheckAnswer(Answer):
    """The answer of `ablate student check --json`."""

    student_check_version: Literal[1] = 1
    checkpoint: str
    preset: str
    fits: bool
    """Whether a trial would take the checkpoint."""
    report: tuple[str, ...]
    """How the checkpoint's tensors map to the student's parameters, line by line."""


class StudentExportAnswer(Answer):
    """The answer of `ablate student export --json`."""

    student_export_version: Literal[1] = 1
    trial_id: str
    arm: str
    cell: str
    seed: int
    folder: str
    files: tuple[str, ...]
    """Names of what was written there."""


class KeptStudent(Answer):
    """A student that is kept."""

    trial_id: str
    arm: str
    cell: str
    seed: int
    value: float | None
    """Value of the study's target; null if it is not finite."""
    bytes: int


class StudentListAnswer(Answer):
    """The answer of `ablate student list --json`."""

    student_list_version: Literal[1] = 1
    study: str
    metric: str
    """The target, `split/name`."""
    students: tuple[KeptStudent, ...]


class PretrainingPoint(Answer):
    """Losses along second-stage pretraining."""

    steps: int
    losses: dict[str, float]
    """Objective (`words`, `regions`, `matching`) -> mean loss since the point before."""


class StudentPretrainAnswer(Answer):
    """The answer of `ablate student pretrain --json`."""

    student_pretrain_version: Literal[1] = 1
    output: str
    """What `student.init` names."""
    task: str
    data: str
    examples: int
    """Matched pairs of picture and text in the train split; 0 in a dry run, which reads none."""
    steps: int
    resumed_at: int
    """Steps that an earlier run had done."""
    dry_run: bool
    curve: tuple[PretrainingPoint, ...]
    """Of this run."""


class StudentPredictAnswer(Answer):
    """The answer of `ablate student predict --json`."""

    student_predict_version: Literal[1] = 1
    trial_id: str
    """Of the trial that trained the student."""
    task: str
    data: str
    split: str
    examples: int
    labelled: bool
    """Whether the split has labels here."""
    metrics: dict[str, float | None]
    """Name -> value, as a trial would record it; null if it is not finite; empty without labels."""
    output: str
    """File of the predictions."""
    submission: str | None
    """File for the task's leaderboard, where it was asked for."""
