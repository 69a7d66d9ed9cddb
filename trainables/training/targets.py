"""Teacher targets of the training examples, gathered from the teacher cache once a trial.

Dimensions: N examples, W words, T teacher width.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from trainables.config import DistillationConfig
from trainables.data.examples import TaskSplit
from trainables.data.keywords import content_scores
from trainables.data.keywords import keyword_scores
from trainables.distillation.outputs import TeacherTargets
from trainables.students.tokens import teacher_text
from trainables.teachers.confidence import TeacherConfidence
from trainables.teachers.feature_cache import TeacherFeatures
from trainables.teachers.feature_cache import distilled_candidate
from trainables.teachers.words import words_of


class TargetTable:
    """Targets of every example of a split, indexed by position."""

    def __init__(
        self,
        split: TaskSplit,
        features: TeacherFeatures,
        confidence: TeacherConfidence,
        config: DistillationConfig,
        *,
        shuffle_seed: int | None,
    ) -> None:
        """`shuffle_seed`: with one, every example gets another example's targets (the shuffled-teacher control): its
        image, its sentence, and the features of its words, taken round and round until each word has one."""
        examples = split.examples
        texts = [teacher_text(distilled_candidate(example)) for example in examples]
        self.images_NT = features.image([example.image for example in examples])
        self.texts_NT = features.text(texts)
        self.needs_words = config.reads_words
        if self.needs_words:
            self.counts_N = np.array([len(words_of(text)) for text in texts])
            self.words = features.words(texts, config.selection.features)
            self.isolated = features.words(texts, "isolated")
        self.relevance = _known_relevance(texts, features, config)
        self.logit_scale = features.logit_scale
        self.probabilities_NK = confidence.probabilities if config.reads_probabilities else None
        self.probability_N = confidence.probability
        self.cross_entropy_N = confidence.cross_entropy
        self.correct_N = confidence.correct
        self.rows = np.arange(len(examples)) if shuffle_seed is None else _derangement(len(examples), shuffle_seed)

    def __call__(self, indices: np.ndarray) -> TeacherTargets:
        """Targets of the examples at `indices`."""
        rows = self.rows[indices]
        empty = torch.zeros(len(rows), 1, self.images_NT.shape[1])
        words, isolated, mask = empty, empty, torch.zeros(len(rows), 1, dtype=torch.bool)
        relevance = None
        if self.needs_words:
            wanted = self.counts_N[indices]
            mask = torch.from_numpy(np.arange(max(1, int(wanted.max()))) < wanted[:, None])
            words = _of_words(self.words, rows, wanted)
            isolated = _of_words(self.isolated, rows, wanted)
            relevance = None if self.relevance is None else _of_words(self.relevance, rows, wanted)
        return TeacherTargets(
            indices_B=torch.from_numpy(np.asarray(indices, dtype=np.int64)),
            image_BT=_tensor(self.images_NT[rows]),
            text_BT=_tensor(self.texts_NT[rows]),
            logit_scale=self.logit_scale,
            words_BNT=words,
            isolated_BNT=isolated,
            relevance_BN=torch.zeros(mask.shape) if relevance is None else relevance,
            word_mask_BN=mask,
            probabilities_BK=empty[:, 0, :0]
            if self.probabilities_NK is None
            else _tensor(self.probabilities_NK[rows]),
            confidence_B=_tensor(self.probability_N[rows]),
            cross_entropy_B=_tensor(self.cross_entropy_N[rows]),
            correct_B=torch.from_numpy(self.correct_N[rows]),
        )


def _known_relevance(
    texts: Sequence[str], features: TeacherFeatures, config: DistillationConfig
) -> list[np.ndarray] | None:
    """Return (W,) for each text the relevance of its words where training need not compute it, else None."""
    if config.reads_left_out:
        return features.changes_without(texts)
    if not config.reads_texts:
        return None
    return keyword_scores(texts) if config.selection.score == "keyword" else content_scores(texts)


def _of_words(features: Sequence[np.ndarray], rows: np.ndarray, wanted: np.ndarray) -> torch.Tensor:
    """(B, W, ...) features of the words of `rows`, round and round until there are as many as `wanted`, then zeros."""
    found = [features[row] for row in rows]
    result = np.zeros((len(rows), max(1, int(wanted.max())), *found[0].shape[1:]), dtype=np.float32)
    for place, (values, count) in enumerate(zip(found, wanted, strict=True)):
        if len(values):
            result[place, :count] = values if len(values) == count else values[np.arange(count) % len(values)]
    return torch.from_numpy(result)


def _derangement(count: int, seed: int) -> np.ndarray:
    """A permutation without a fixed point: one cycle through all in random order (itself, if there is but one)."""
    order = np.random.default_rng([seed, count]).permutation(count)
    result = np.empty(count, dtype=np.int64)
    result[order] = np.roll(order, 1)
    return result


def _tensor(values: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).float()
