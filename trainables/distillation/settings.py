"""Settings of distillation above single terms: selection, weighting, adaptation. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablative.trainables.distillation.schedules import ScheduleName
from ablative.trainables.distillation.scores import ScoreName
from ablative.trainables.distillation.weightings import TASK_WEIGHTINGS
from ablative.trainables.distillation.weightings import TaskWeightingName
from ablative.trainables.distillation.weightings import WeightingName
from ablative.trainables.settings import Rate
from ablative.trainables.settings import Settings
from ablative.trainables.settings import Temperature


class SelectionConfig(Settings):
    """Which tokens are distilled (docs/method.md, "Tokens")."""

    score: ScoreName = Field("visual_semantic", description="Relevance by which tokens are selected.")
    ratio: float = Field(0.3, ge=1e-3, le=1, description="Share of the words selected; at least one word.")
    count: int = Field(0, ge=0, le=1000, description="Words selected, whatever the ratio; 0 leaves it to the ratio.")
    visual_share: float = Field(0.5, ge=0, le=1, description="Weight a of visual relevance in `visual_semantic`.")
    temperature: Temperature = Field(1.0, description="Temperature tau of the prior's softmax.")
    draw: Literal["top_k", "sampled"] = Field("top_k", description="Best k, or k drawn from the prior.")
    weights: Literal["prior", "uniform"] = Field("prior", description="Weights of the selected tokens.")
    features: Literal["isolated", "contextual"] = Field(
        "contextual", description="Target of a token: the word encoded alone, or its state in the sentence."
    )


class WeightingConfig(Settings):
    """How strongly each example is distilled, and when (docs/method.md, "Confidence" and "Schedule")."""

    confidence: WeightingName = Field(
        "ratio", description="Weight of an example from teacher and student confidence: none or W1-W6."
    )
    schedule: ScheduleName = Field("constant", description="How the distillation weight changes over training.")
    unit: Literal["loss", "gradient"] = Field(
        "loss",
        description="What weight 1 of a term means: the term as it is, or a gradient in the encoder as long as the "
        "task's, measured a few times a trial.",
    )
    factor: float = Field(
        1.0,
        ge=1e-6,
        le=1e6,
        description="Factor of every term's weight: search this one number instead of one per term.",
    )
    normalise: bool = Field(True, description="Scale the weights to mean 1 in each batch.")
    uniform: bool = Field(False, description="Give every example its batch's mean weight (control).")
    temperature: Temperature = Field(0.1, description="tau of `sigmoid`.")
    max_weight: float = Field(5.0, ge=1e-3, le=1e6, description="w_max of `clipped_ratio`.")
    task: TaskWeightingName = Field(
        "none", description="Weight of an example's *task* loss: none, or KDAR's from both confidences."
    )

    @property
    def weighs_task(self) -> bool:
        """Whether the task loss is weighed example by example."""
        return TASK_WEIGHTINGS[self.task].weight is not None


class AdaptationConfig(Settings):
    """Adaptive fine-tuning on the matched pairs of the low-shot subset (docs/method.md, "Adaptation")."""

    of: Literal["none", "teacher", "student"] = Field(
        "none",
        description="What is adapted: the teacher's heads beforehand (AF-T), or the student in a first stage (AF-S).",
    )
    steps: int = Field(100, ge=1, le=1_000_000, description="Steps of the teacher's adaptation.")
    rate: Rate = Field(1e-3, description="Learning rate of the teacher's adaptation.")
    share: float = Field(
        0.2, ge=1e-3, lt=1, description="Share of the trial's steps, at its start, in which the student adapts."
    )
