"""The trial configuration: everything that decides what one trial computes. Imports neither torch nor ray.

Dotted paths in a study file (``distillation.selection.ratio``) address the fields below. `canonical` removes
what has no effect, so that two spellings of the same computation are equal and share one identity.
"""

from __future__ import annotations

from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field

IDENTITY_VERSION = 3
"""Raised when code changes results; part of every trial's identity."""


class Frozen(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TaskConfig(Frozen):
    """What is learned, from how much data."""

    name: Literal["vcr", "snli_ve", "vqa"] = Field("snli_ve", description="The task.")
    data: str = Field("mini", description="Bundled benchmark (`mini`, `mini_smoke`) or the folder of a real data set.")
    data_fraction: float = Field(1.0, gt=0, le=1, description="Share of the train split used, in (0, 1].")
    inputs: Literal["both", "text", "image"] = Field(
        "both", description="What the student sees; `text` and `image` blank out the other modality (baselines)."
    )


class StudentConfig(Frozen):
    """The trained model: a single-stream cross-modal transformer."""

    preset: Literal["uniter_tiny", "uniter_small", "uniter_base"] = Field("uniter_tiny", description="Size.")
    init: str = Field(
        "pretrained", description="`pretrained` (shipped checkpoint, uniter_tiny), `scratch`, or a checkpoint's path."
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="Dropout rate in the transformer.")


class TeacherConfig(Frozen):
    """The frozen model whose features are distilled."""

    model: str = Field("mini_dual_encoder", description="`mini_dual_encoder` or any open_clip model name.")
    checkpoint: str | None = Field(None, description="Local checkpoint of an open_clip model.")
    control: Literal["none", "shuffled", "untrained", "blank_image"] = Field(
        "none",
        description="Control: targets permuted over examples, random weights, or every image blank.",
    )
    precision: Literal["float16", "float32"] = Field(
        "float16", description="Precision of its features in the teacher cache."
    )


class TermWeights(Frozen):
    """Weight of each distillation term in the objective; 0 switches a term off."""

    image: float = Field(0.0, ge=0, description="Image embedding of the teacher (naive distillation).")
    text: float = Field(0.0, ge=0, description="Sentence embedding of the teacher (naive distillation).")
    tokens: float = Field(0.0, ge=0, description="Per-word features of the teacher on selected tokens.")


class SelectionConfig(Frozen):
    """Which tokens are distilled (paper.md 1.3(3))."""

    score: Literal["visual", "semantic", "visual_semantic", "random", "all"] = Field(
        "visual_semantic", description="Relevance by which tokens are selected."
    )
    ratio: float = Field(0.3, gt=0, le=1, description="Share of the words selected; at least one word.")
    visual_share: float = Field(0.5, ge=0, le=1, description="Weight a of visual relevance in `visual_semantic`.")
    temperature: float = Field(1.0, gt=0, description="Temperature tau of the prior's softmax.")
    draw: Literal["top_k", "sampled"] = Field("top_k", description="Best k, or k drawn from the prior.")
    weights: Literal["prior", "uniform"] = Field("prior", description="Weights of the selected tokens.")
    features: Literal["isolated", "contextual"] = Field(
        "contextual", description="Target of a token: the word encoded alone, or its state in the sentence."
    )


class WeightingConfig(Frozen):
    """How strongly each example is distilled, and when (paper.md 1.3(4))."""

    confidence: Literal["none", "teacher", "ratio", "sigmoid", "exp_ce", "clipped_ratio", "correct"] = Field(
        "ratio", description="Weight of an example from teacher and student confidence: none or W1-W6."
    )
    schedule: Literal["constant", "linear", "cosine", "warmup"] = Field(
        "constant", description="Course of the distillation weight over training."
    )
    normalise: bool = Field(True, description="Scale the weights to mean 1 in each batch.")
    temperature: float = Field(0.1, gt=0, description="tau of `sigmoid`.")
    max_weight: float = Field(5.0, gt=0, description="w_max of `clipped_ratio`.")


class AdaptationConfig(Frozen):
    """Adaptive fine-tuning on the matched pairs of the low-shot subset (paper.md 1.3(5))."""

    of: Literal["none", "teacher", "student"] = Field(
        "none",
        description="Who is adapted: the teacher's heads beforehand (AF-T), or the student in a first stage (AF-S).",
    )
    steps: int = Field(100, ge=1, description="Steps of the teacher's adaptation.")
    rate: float = Field(1e-3, gt=0, description="Learning rate of the teacher's adaptation.")
    share: float = Field(
        0.2, gt=0, lt=1, description="Share of the trial's steps, its first, in which the student adapts."
    )


class DistillationConfig(Frozen):
    """The distillation part of the objective."""

    terms: TermWeights = TermWeights()
    distance: Literal["l1", "smooth_l1", "mse", "cosine"] = Field(
        "cosine", description="Distance between projected student features and teacher features, both unit length."
    )
    selection: SelectionConfig = SelectionConfig()
    weighting: WeightingConfig = WeightingConfig()
    adaptation: AdaptationConfig = AdaptationConfig()


class OptimConfig(Frozen):
    """AdamW with linear warm-up and linear decay."""

    lr: float = Field(5e-4, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled weight decay.")
    batch_size: int = Field(64, ge=1, description="Examples a step, over all workers.")
    epochs: int = Field(8, ge=1, description="Passes over the subset, within the two bounds below.")
    min_steps: int = Field(120, ge=1, description="Least number of steps (low-shot subsets are repeated).")
    max_steps: int = Field(1600, ge=1, description="Greatest number of steps.")
    steps_factor: float = Field(
        1.0, gt=0, description="Factor of the number of steps that epochs and bounds give (longer training)."
    )
    warmup_fraction: float = Field(0.1, ge=0, lt=1, description="Share of the steps spent warming up.")
    grad_clip: float = Field(2.0, gt=0, description="Greatest gradient norm.")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of each target that is spread evenly over the classes."
    )
    evaluations: int = Field(4, ge=1, description="Evaluations on val, evenly spread; the best is kept.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Autocast precision, in evaluation too.")


class TrialConfig(Frozen):
    """One complete trial, but for its seed."""

    task: TaskConfig = TaskConfig()
    student: StudentConfig = StudentConfig()
    teacher: TeacherConfig = TeacherConfig()
    distillation: DistillationConfig = DistillationConfig()
    optim: OptimConfig = OptimConfig()


_NO_TERMS: dict[str, Any] = {
    "distillation.terms.image": 0.0,
    "distillation.terms.text": 0.0,
    "distillation.terms.tokens": 0.0,
}
_NAIVE: dict[str, Any] = {
    "distillation.terms.image": 1.0,
    "distillation.terms.text": 1.0,
    "distillation.terms.tokens": 0.0,
    "distillation.weighting.confidence": "none",
    "distillation.weighting.schedule": "constant",
}

CONTROLS: dict[str, dict[str, Any]] = {
    "no_distillation": _NO_TERMS,
    "naive_distillation": _NAIVE,
    "random_tokens": {"distillation.selection.score": "random"},
    "all_tokens": {"distillation.selection.score": "all"},
    "shuffled_teacher": {"teacher.control": "shuffled"},
    "untrained_teacher": {"teacher.control": "untrained"},
    "blank_image": {"teacher.control": "blank_image"},
    "text_only": {"task.inputs": "text"},
    "adapted_teacher": {"distillation.adaptation.of": "teacher"},
    "adapted_student": {"distillation.adaptation.of": "student"},
    "label_smoothing": {**_NO_TERMS, "optim.label_smoothing": 0.1},
    "longer_training": {**_NO_TERMS, "optim.steps_factor": 1.5},
}
"""Named arms that a study may list: what each changes in the base configuration."""


def canonical(config: TrialConfig) -> TrialConfig:
    """Return `config` with every field that cannot affect the result set to its default.

    Distillation off: teacher, selection, weighting and distance do not matter. Tokens term off: selection does
    not matter. Score `all` or `random`: the fields that only shape the prior do not matter.
    """
    terms = config.distillation.terms
    if terms.image == terms.text == terms.tokens == 0:
        return config.model_copy(update=_WITHOUT_DISTILLATION)
    distillation = config.distillation.model_copy(
        update={
            "selection": _canonical_selection(config.distillation),
            "weighting": _canonical_weighting(config.distillation.weighting),
            "adaptation": _canonical_adaptation(config.distillation.adaptation),
        }
    )
    return config.model_copy(update={"distillation": distillation})


_WITHOUT_DISTILLATION = {"teacher": TeacherConfig(), "distillation": DistillationConfig()}


def _canonical_selection(distillation: DistillationConfig) -> SelectionConfig:
    selection, default = distillation.selection, SelectionConfig()
    if distillation.terms.tokens == 0:
        return default
    if selection.score == "all":  # every word is distilled: nothing is drawn
        selection = selection.model_copy(update={"ratio": default.ratio, "draw": default.draw})
    if selection.score in ("all", "random"):  # no relevance, so the prior is flat
        selection = selection.model_copy(
            update={"temperature": default.temperature, "draw": default.draw, "weights": default.weights}
        )
    if selection.score != "visual_semantic":
        selection = selection.model_copy(update={"visual_share": default.visual_share})
    if selection.draw == "top_k" and selection.weights == "uniform":  # ranks do not change with the temperature
        selection = selection.model_copy(update={"temperature": default.temperature})
    return selection


def _canonical_weighting(weighting: WeightingConfig) -> WeightingConfig:
    default = WeightingConfig()
    update: dict[str, Any] = {}
    if weighting.confidence == "none":
        update["normalise"] = default.normalise
    if weighting.confidence != "sigmoid":
        update["temperature"] = default.temperature
    if weighting.confidence != "clipped_ratio":
        update["max_weight"] = default.max_weight
    return weighting.model_copy(update=update)


def _canonical_adaptation(adaptation: AdaptationConfig) -> AdaptationConfig:
    default = AdaptationConfig()
    update: dict[str, Any] = {}
    if adaptation.of != "teacher":
        update |= {"steps": default.steps, "rate": default.rate}
    if adaptation.of != "student":
        update["share"] = default.share
    return adaptation.model_copy(update=update)
