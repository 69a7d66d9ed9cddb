"""The distillation part of a trial's configuration: terms, their options, selection, weighting. Imports no torch.

The options of one term stand in a group of the term's name and do not matter where its weight is 0.
"""

from __future__ import annotations

from typing import Any
from typing import Literal

from pydantic import Field

from ablative.trainables.frozen import Frozen
from ablative.trainables.frozen import Rate
from ablative.trainables.frozen import Temperature
from ablative.trainables.frozen import Weight


class TermWeights(Frozen):
    """Weight of each distillation term in the objective; 0 switches a term off."""

    image: Weight = Field(0.0, description="Image embedding of the teacher (naive distillation).")
    text: Weight = Field(0.0, description="Sentence embedding of the teacher (naive distillation).")
    tokens: Weight = Field(0.0, description="Per-word features of the teacher on selected tokens.")
    logits: Weight = Field(0.0, description="Softened class probabilities of the teacher (Hinton).")
    mixed_labels: Weight = Field(0.0, description="Labels mixed with the teacher's probabilities (KDAR).")
    hint: Weight = Field(0.0, description="Embeddings by regression, length included (FitNets).")
    clip_feature: Weight = Field(0.0, description="Unit embeddings by mean squared error (CLIP-KD FD).")
    attention: Weight = Field(0.0, description="Which words are looked at (attention transfer).")
    rkd_distance: Weight = Field(0.0, description="Distances between the examples of a batch (RKD).")
    rkd_angle: Weight = Field(0.0, description="Angles between the examples of a batch (RKD).")
    similarity: Weight = Field(0.0, description="Rows of similarities within a batch (similarity preserving).")
    crd: Weight = Field(0.0, description="Contrastive representation with a memory of all examples (CRD).")
    clip_relational: Weight = Field(0.0, description="In-batch image-text distributions (CLIP-KD CRD).")
    clip_interactive: Weight = Field(0.0, description="InfoNCE against the teacher's batch (CLIP-KD ICL).")
    affinity: Weight = Field(0.0, description="Affinities of the student's own two sides (TinyCLIP).")
    dime: Weight = Field(0.0, description="Image against the teacher's texts and images (DIME-FM).")


class SelectionConfig(Frozen):
    """Which tokens are distilled (paper.md 1.3(3))."""

    score: Literal["visual", "semantic", "visual_semantic", "leave_one_out", "keyword", "content", "random", "all"] = (
        Field("visual_semantic", description="Relevance by which tokens are selected.")
    )
    ratio: float = Field(0.3, ge=1e-3, le=1, description="Share of the words selected; at least one word.")
    count: int = Field(0, ge=0, le=1000, description="Words selected, whatever the ratio; 0 leaves it to the ratio.")
    visual_share: float = Field(0.5, ge=0, le=1, description="Weight a of visual relevance in `visual_semantic`.")
    temperature: Temperature = Field(1.0, description="Temperature tau of the prior's softmax.")
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
    uniform: bool = Field(False, description="Give every example its batch's mean weight (control).")
    temperature: Temperature = Field(0.1, description="tau of `sigmoid`.")
    max_weight: float = Field(5.0, ge=1e-3, le=1e6, description="w_max of `clipped_ratio`.")
    task: Literal["none", "kdar"] = Field(
        "none", description="Weight of an example's *task* loss: none, or KDAR's from both confidences."
    )


class AdaptationConfig(Frozen):
    """Adaptive fine-tuning on the matched pairs of the low-shot subset (paper.md 1.3(5))."""

    of: Literal["none", "teacher", "student"] = Field(
        "none",
        description="Who is adapted: the teacher's heads beforehand (AF-T), or the student in a first stage (AF-S).",
    )
    steps: int = Field(100, ge=1, le=1_000_000, description="Steps of the teacher's adaptation.")
    rate: Rate = Field(1e-3, description="Learning rate of the teacher's adaptation.")
    share: float = Field(
        0.2, ge=1e-3, lt=1, description="Share of the trial's steps, its first, in which the student adapts."
    )


class LogitsConfig(Frozen):
    """Options of `logits`."""

    temperature: Temperature = Field(4.0, description="T of both softmaxes in `logits`.")


class MixedLabelsConfig(Frozen):
    """Options of `mixed_labels`."""

    share: float = Field(0.5, ge=0, le=1, description="Share a of the teacher in the labels of `mixed_labels`.")


class CrdConfig(Frozen):
    """Options of `crd`."""

    negatives: int = Field(512, ge=1, le=1_000_000, description="Examples that each one is told from in `crd`.")
    temperature: Temperature = Field(0.07, description="Temperature of the scores in `crd`.")
    momentum: float = Field(0.5, ge=0, lt=1, description="Share of the old entry in the memory of `crd`.")
    width: int = Field(128, ge=1, le=16_384, description="Width of the space in which `crd` compares.")


class ClipRelationalConfig(Frozen):
    """Options of `clip_relational`."""

    temperature: Temperature = Field(1.0, description="T that divides the scaled cosines in `clip_relational`.")


class AffinityConfig(Frozen):
    """Options of `affinity`."""

    soft_share: float = Field(1.0, ge=0, le=1, description="alpha, share of the teacher's affinities in `affinity`.")


class DimeConfig(Frozen):
    """Options of `dime`."""

    text_share: float = Field(0.7, ge=0, le=1, description="Share of the teacher's texts, against its images.")
    text_temperature: Temperature = Field(1.0, description="T of the image-text distributions in `dime`.")
    image_temperature: Temperature = Field(3.0, description="T of the image-image distributions in `dime`.")


class DistillationConfig(Frozen):
    """The distillation part of the objective."""

    terms: TermWeights = TermWeights()
    distance: Literal["l1", "smooth_l1", "mse", "cosine"] = Field(
        "cosine", description="Distance between projected student features and teacher features, both unit length."
    )
    selection: SelectionConfig = SelectionConfig()
    weighting: WeightingConfig = WeightingConfig()
    adaptation: AdaptationConfig = AdaptationConfig()
    logits: LogitsConfig = LogitsConfig()
    mixed_labels: MixedLabelsConfig = MixedLabelsConfig()
    crd: CrdConfig = CrdConfig()
    clip_relational: ClipRelationalConfig = ClipRelationalConfig()
    affinity: AffinityConfig = AffinityConfig()
    dime: DimeConfig = DimeConfig()

    @property
    def has_terms(self) -> bool:
        """Whether any term is on."""
        return any(vars(self.terms).values())

    @property
    def distils(self) -> bool:
        """Whether any part of the objective needs a teacher."""
        return self.has_terms or self.weighting.task != "none"

    @property
    def reads_words(self) -> bool:
        """Whether any part of the objective needs per-word features of the teacher."""
        return self.terms.tokens > 0 or self.terms.attention > 0

    @property
    def reads_cosines(self) -> bool:
        """Whether any part of the objective needs the cosines of words encoded alone with image or sentence."""
        selects = self.selection.score in ("visual", "semantic", "visual_semantic")
        return self.terms.attention > 0 or (self.terms.tokens > 0 and selects)

    @property
    def reads_left_out(self) -> bool:
        """Whether any part of the objective needs the teacher's embeddings of texts without one of their words."""
        return self.terms.tokens > 0 and self.selection.score == "leave_one_out"

    @property
    def reads_texts(self) -> bool:
        """Whether any part of the objective needs scores of the training texts that no teacher gives."""
        return self.terms.tokens > 0 and self.selection.score in ("keyword", "content")

    @property
    def reads_probabilities(self) -> bool:
        """Whether any part of the objective needs the teacher's class probabilities."""
        return self.terms.logits > 0 or self.terms.mixed_labels > 0


def canonical_distillation(config: DistillationConfig) -> DistillationConfig:
    """Return `config` with every field that cannot affect the result set to its default.

    Nothing on: nothing matters. Tokens term off: selection does not matter; nor do the options of any other term that
    is off. Score `all` or `random`: the fields that only shape the prior do not matter.
    """
    default = _DEFAULT
    if not config.distils:
        return default
    off = [name for name, weight in vars(config.terms).items() if weight == 0 and name in _WITH_OPTIONS]
    update: dict[str, Any] = {name: getattr(default, name) for name in off}
    terms = config.terms
    if terms.image == terms.text == terms.tokens == 0:
        update["distance"] = default.distance
    update["selection"] = _canonical_selection(config)
    update["weighting"] = _canonical_weighting(config)
    update["adaptation"] = _canonical_adaptation(config.adaptation)
    return config.changed(**update)


_DEFAULT = DistillationConfig()
_WITH_OPTIONS = DistillationConfig.model_fields.keys() & TermWeights.model_fields.keys()


def _canonical_selection(distillation: DistillationConfig) -> SelectionConfig:
    selection, default = distillation.selection, _DEFAULT.selection
    if distillation.terms.tokens == 0:
        return default
    if selection.score == "all":  # every word is distilled: nothing is drawn
        selection = selection.changed(ratio=default.ratio, count=default.count, draw=default.draw)
    if selection.count > 0:
        selection = selection.changed(ratio=default.ratio)
    if selection.score in ("all", "random"):  # no relevance, so the prior is flat
        selection = selection.changed(temperature=default.temperature, draw=default.draw, weights=default.weights)
    if selection.score != "visual_semantic":
        selection = selection.changed(visual_share=default.visual_share)
    if selection.count == 1:  # the share of a single word is 1
        selection = selection.changed(weights=default.weights)
    flat = selection.weights == "uniform" or selection.count == 1
    if selection.draw == "top_k" and flat:  # ranks do not change with the temperature
        selection = selection.changed(temperature=default.temperature)
    return selection


def _canonical_weighting(config: DistillationConfig) -> WeightingConfig:
    weighting, default = config.weighting, _DEFAULT.weighting
    if not config.has_terms:  # there is nothing to weigh but the task loss
        return default.changed(task=weighting.task)
    update: dict[str, Any] = {}
    if weighting.confidence == "none":
        update |= {"normalise": default.normalise, "uniform": default.uniform}
    if weighting.confidence != "sigmoid":
        update["temperature"] = default.temperature
    if weighting.confidence != "clipped_ratio":
        update["max_weight"] = default.max_weight
    return weighting.changed(**update)


def _canonical_adaptation(adaptation: AdaptationConfig) -> AdaptationConfig:
    default = _DEFAULT.adaptation
    update: dict[str, Any] = {}
    if adaptation.of != "teacher":
        update |= {"steps": default.steps, "rate": default.rate}
    if adaptation.of != "student":
        update["share"] = default.share
    return adaptation.changed(**update)
