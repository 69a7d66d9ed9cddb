"""The teacher's outputs for the training examples, gathered from its cache.

Outputs that depend on the teacher and the example alone are computed once per trial: relevance, and the prior of the
selection. Features of words are large, so a batch reads them on demand.

Dimensions: N examples, B a batch of them, W words or regions (padded), V words of all examples, T teacher width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.data.each_candidate import each_candidate
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.distillation.relevance import Relevance
from ablative.trainables.distillation.relevance import cosine_relevance
from ablative.trainables.distillation.selection import prior_logits
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.confidence import TeacherConfidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import distilled_candidate
from ablative.trainables.teachers.needs import tables_read
from ablative.trainables.teachers.words import words_of

if TYPE_CHECKING:
    from ablative.trainables.vision.regions import RegionFeatures

BLOCK = 512
"""Examples whose relevance is computed together."""


class TeacherTable:
    """The teacher's outputs for every example of a split, indexed by position."""

    def __init__(
        self,
        split: TaskSplit,
        features: TeacherFeatures,
        confidence: TeacherConfidence | None,
        config: DistillationConfig,
        *,
        shuffle_seed: int | None,
        seen: RegionFeatures | None = None,
    ) -> None:
        """`confidence`: of the examples; None if nothing reads it.

        `shuffle_seed`: with one, every row gets the outputs for another row (the shuffled-teacher control): its image,
        its sentence, and the features of its words, repeated until each word has one; its regions likewise. `seen`:
        the student's regions, if a term reads their features.
        """
        self.each = len(split.examples[0].candidates) if config.candidates == "all" else 1
        if self.each > 1:
            split = each_candidate(split)
            confidence = confidence and _repeated(confidence, self.each)
        examples = split.examples
        texts = [teacher_text(distilled_candidate(example)) for example in examples]
        read, nothing_NT = tables_read(config), np.broadcast_to(np.float16(0), (len(examples), features.width))
        self.images_NT = features.image([e.image for e in examples]) if "images" in read else nothing_NT
        self.texts_NT = features.text(texts) if "texts" in read else nothing_NT
        self.width, self.logit_scale = features.width, features.logit_scale
        nothing_N = np.zeros(len(examples), dtype=np.float32)
        self.probabilities_NK = confidence.probabilities if confidence and config.reads_probabilities else None
        self.probability_N = confidence.probability if confidence else nothing_N
        self.cross_entropy_N = confidence.cross_entropy if confidence else nothing_N
        self.correct_N = confidence.correct if confidence else nothing_N.astype(bool)
        self.rows = np.arange(len(examples)) if shuffle_seed is None else _derangement(len(examples), shuffle_seed)
        self.regions: Sequence[np.ndarray] | None = None
        if "regions" in read:
            assert seen is not None, "a term reads regions, and the student's were not given"
            self.regions = features.regions([e.image for e in examples], seen)
            self.num_regions_N = np.array([len(seen.boxes(e.image)) for e in examples])
        self.needs_words = config.reads_words
        if self.needs_words:
            self.counts_N = np.array([len(words_of(text)) for text in texts])
            self.words = features.words(texts, config.selection.features) if "teacher.words" in config.reads else None
            self.prior_V, self.visual_V = self._relevance(texts, features, config)
            self.starts_N = np.cumsum(self.counts_N) - self.counts_N

    def __call__(self, indices: np.ndarray) -> TeacherOutputs:
        """Return the outputs for the examples at `indices`, or for all their candidates, side by side."""
        indices = (indices[:, None] * self.each + np.arange(self.each)).reshape(-1)
        rows = self.rows[indices]
        words, mask = torch.zeros(len(rows), 1, 0), torch.zeros(len(rows), 1, dtype=torch.bool)
        prior = visual = torch.zeros(mask.shape)
        if self.needs_words:
            wanted = self.counts_N[indices]
            mask = _mask(wanted)
            places = torch.from_numpy(self.starts_N[indices][:, None]) + torch.arange(mask.shape[1])
            prior, visual = (
                torch.where(mask, of_V[places.clamp_max(len(of_V) - 1)], 0.0) for of_V in (self.prior_V, self.visual_V)
            )
            words = words if self.words is None else _of_words(self.words, rows, wanted)
        regions = torch.zeros(len(rows), 0, self.width)
        if self.regions is not None:
            regions = _of_words(self.regions, rows, self.num_regions_N[indices])
        return TeacherOutputs(
            index=torch.from_numpy(np.asarray(indices, dtype=np.int64)),
            image=_tensor(self.images_NT[rows]),
            text=_tensor(self.texts_NT[rows]),
            scale=self.logit_scale,
            words=words,
            prior=prior,
            visual=visual,
            word_mask=mask,
            probabilities=torch.zeros(len(rows), 0)
            if self.probabilities_NK is None
            else _tensor(self.probabilities_NK[rows]),
            confidence=_tensor(self.probability_N[rows]),
            cross_entropy=_tensor(self.cross_entropy_N[rows]),
            correct=torch.from_numpy(self.correct_N[rows]),
            regions=regions,
            region_mask=regions.any(dim=-1),
        )

    def _relevance(
        self, texts: Sequence[str], features: TeacherFeatures, config: DistillationConfig
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """(V + 1,) prior logits and cosines with the image, of the words of all examples one after the other."""
        isolated = features.words(texts, "isolated") if config.reads_cosines else None
        score = config.score
        known = score.of_texts(texts, features) if score is not None and score.of_texts is not None else None
        priors, visuals = [], []
        for start in range(0, len(texts), BLOCK):
            rows, wanted = self.rows[start : start + BLOCK], self.counts_N[start : start + BLOCK]
            mask_BW = _mask(wanted)
            visual_BW = semantic_BW = known_BW = torch.zeros(mask_BW.shape)
            if isolated is not None:
                alone_BWT = _of_words(isolated, rows, wanted).float()
                wholes = (_tensor(of_NT[rows]) for of_NT in (self.images_NT, self.texts_NT))
                visual_BW, semantic_BW = cosine_relevance(alone_BWT, *wholes)
            if known is not None:
                known_BW = _of_words(known, rows, wanted).float()
            relevance = Relevance(visual_BN=visual_BW, semantic_BN=semantic_BW, known_BN=known_BW, mask_BN=mask_BW)
            priors.append(prior_logits(config.selection, relevance)[mask_BW])
            visuals.append(visual_BW[mask_BW])
        nothing = torch.zeros(1)  # padding points here
        return torch.cat([*priors, nothing]), torch.cat([*visuals, nothing])


def _repeated(confidence: TeacherConfidence, each: int) -> TeacherConfidence:
    return TeacherConfidence(
        **{field.name: np.repeat(getattr(confidence, field.name), each, axis=0) for field in fields(confidence)}
    )


def _of_words(features: Sequence[np.ndarray], rows: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
    """(B, W, ...) features of words or regions of `rows`, repeated until there are `wanted`, then zeros."""
    found = [features[row] for row in rows]
    result = np.zeros((len(rows), max(1, int(wanted.max())), *found[0].shape[1:]), dtype=found[0].dtype)
    for place, (values, count) in enumerate(zip(found, wanted, strict=True)):
        if len(values):
            result[place, :count] = values if len(values) == count else values[np.arange(count) % len(values)]
    return torch.from_numpy(result)


def _mask(wanted: np.ndarray) -> torch.Tensor:
    """(B, W) bool, true at the first `wanted` words; W is at least 1."""
    return torch.from_numpy(np.arange(max(1, int(wanted.max()))) < wanted[:, None])


def _derangement(count: int, seed: int) -> np.ndarray:
    """A permutation without a fixed point: one cycle through all in random order (the identity for a single one)."""
    order = np.random.default_rng([seed, count]).permutation(count)
    result = np.empty(count, dtype=np.int64)
    result[order] = np.roll(order, 1)
    return result


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
