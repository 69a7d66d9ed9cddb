"""Student inputs of a split: encoded once, then cut into batches.

Dimensions: N examples, C candidates an example, B batch, L tokens, R regions, F region features, K classes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.examples import EMPTY
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.parts.task import RankedBy
from ablative.trainables.students.single_stream import BOX_WIDTH
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.stored_tokens import KEPT
from ablative.trainables.students.stored_tokens import open_tokens
from ablative.trainables.students.tokens import TokenArrays
from ablative.trainables.students.tokens import Tokens
from ablative.trainables.students.tokens import encode
from ablative.trainables.students.vocabulary import PAD
from ablative.trainables.training.order import Lengths
from ablative.trainables.training.order import batch_indices
from ablative.trainables.training.order import mean_batch
from ablative.trainables.training.order import token_batches
from ablative.trainables.vision.pixels import PICTURE_SIZE
from ablative.trainables.vision.pixels import PixelRows
from ablative.trainables.vision.pixels import open_pixels
from ablative.trainables.vision.regions import RegionFeatures
from ablative.trainables.vision.regions import open_regions


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The data that one step needs."""

    indices: np.ndarray
    """(B,) positions in the split."""
    inputs: StudentBatch
    """B * C sequences, the candidates of an example side by side."""
    words: torch.Tensor
    """(B * C, L) index of each token's word, or -1."""
    targets_BK: torch.Tensor
    """Soft targets over classes (or candidates)."""


class _Same:
    """A split as a key: the very object that `load_split` also gives to the next trial of this process."""

    def __init__(self, split: TaskSplit) -> None:
        self.split = split

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.split is self.split

    def __hash__(self) -> int:
        return id(self.split)


@functools.lru_cache(maxsize=24)
def _tokens(same: _Same, max_tokens: int, shown: str, vocabulary: str | None) -> TokenArrays:
    return _read(same.split, max_tokens, shown, vocabulary)


def _read(split: TaskSplit, max_tokens: int, shown: str, vocabulary: str | None) -> TokenArrays:
    candidates = [c for example in split.examples for c in example.candidates]
    return encode([EMPTY] * len(candidates) if shown == "image" else candidates, max_tokens, vocabulary)


class SplitInputs:
    """The encoded texts of a split, with access to its images."""

    def __init__(
        self,
        split: TaskSplit,
        regions: RegionFeatures,
        *,
        max_tokens: int,
        shown: str,
        vocabulary: str | None = None,
        pixels: PixelRows | None = None,
        ranked_by: RankedBy = "match_odds",
        cache: Path | None = None,
    ) -> None:
        """`shown`: "both", or the only modality that the student may see ("text" or "image").

        `vocabulary`: path, see `StudentConfig`. `pixels`: for a student that reads pictures itself. `ranked_by`: how
        the student's outputs rank candidates. `cache`: where the tokens of a split of more than `KEPT` examples lie,
        if stored.
        """
        self.split = split
        self.regions = regions
        self.pixels = pixels
        self.shown = shown
        self.ranked_by = ranked_by
        self.num_candidates = len(split.examples[0].candidates)
        self.tokens = self._tokens(max_tokens, vocabulary, cache)

    def _tokens(self, max_tokens: int, vocabulary: str | None, cache: Path | None) -> Tokens:
        if len(self) <= KEPT:
            return _tokens(_Same(self.split), max_tokens, self.shown, vocabulary)
        stored = open_tokens(self.split, max_tokens, vocabulary, cache) if cache and self.shown != "image" else None
        return stored or _read(self.split, max_tokens, self.shown, vocabulary)

    def __len__(self) -> int:
        return len(self.split.examples)

    @property
    def num_targets(self) -> int:
        """K: classes, or candidates where an example has several."""
        return len(self.split.classes) or self.num_candidates

    def batch(self, indices: np.ndarray) -> Batch:
        """The examples at `indices`, on the CPU."""
        rows = (indices[:, None] * self.num_candidates + np.arange(self.num_candidates)).reshape(-1)
        tokens = self.tokens.rows(rows)
        return Batch(
            indices=indices,
            inputs=self._student_batch(indices, tokens),
            words=torch.from_numpy(tokens.words).long(),
            targets_BK=self._targets(indices),
        )

    @property
    def lengths(self) -> np.ndarray:
        """(N,) tokens of each example's longest candidate."""
        lengths: np.ndarray = self.tokens.lengths.reshape(len(self), -1).max(axis=1)
        return lengths

    @functools.cached_property
    def all_lengths(self) -> Lengths:
        """Lengths of texts and of the rows seen of pictures."""
        return Lengths(texts=self.lengths, seen=self._num_seen(), each=self.num_candidates)

    def _num_seen(self) -> np.ndarray:
        if self.shown == "text":
            return np.ones(len(self), dtype=np.int64)
        return np.array([self.regions.num_regions(example.image) for example in self.split.examples])

    def mean_batch(self, optim: OptimConfig) -> float:
        """Return the number of examples in a step; the average if batches are cut by tokens."""
        return optim.batch_size if optim.batch_tokens is None else mean_batch(self.all_lengths, optim.batch_tokens)

    def order(self, optim: OptimConfig, steps: int, seed: int) -> Iterator[np.ndarray]:
        """Yield the indices of each step's batch."""
        if optim.batch_tokens is not None:
            yield from itertools.islice(token_batches(self.all_lengths, optim.batch_tokens, seed), steps)
            return
        lengths = self.lengths if optim.bucketing > 1 else None
        yield from batch_indices(len(self), optim.batch_size, steps, seed, bucketing=optim.bucketing, lengths=lengths)

    def in_order_of_length(self, size: int) -> Iterator[np.ndarray]:
        """Every example's position once, `size` at a time; texts of similar length share a batch, to save padding."""
        order = np.argsort(self.lengths, kind="stable")
        for start in range(0, len(self), size):
            yield order[start : start + size]

    def _student_batch(self, indices: np.ndarray, tokens: TokenArrays) -> StudentBatch:
        features, boxes, mask = self._regions(indices)
        references = np.where(tokens.references >= 0, tokens.references + 1, -1)  # row 0 is the whole image
        references = np.where(references < features.shape[1], references, -1)
        if self.shown == "text":
            references = np.full_like(references, -1)
        return StudentBatch(
            ids_BL=torch.from_numpy(tokens.ids).long(),
            segments_BL=torch.from_numpy(tokens.segments).long(),
            references_BL=torch.from_numpy(references).long(),
            text_mask_BL=torch.from_numpy(tokens.ids != PAD),
            regions_BRF=self._repeat(features),
            boxes_BR7=self._repeat(boxes),
            region_mask_BR=self._repeat(mask),
            pixels_I3HW=self._pixels(indices),
        )

    def _pixels(self, indices: np.ndarray) -> torch.Tensor | None:
        if self.pixels is None:
            return None
        if self.shown == "text":  # a black picture, so that the graph stays the same
            return torch.zeros(len(indices), 3, PICTURE_SIZE, PICTURE_SIZE, dtype=torch.uint8)
        return torch.from_numpy(self.pixels.read([self.split.examples[i].image for i in indices]))

    def _regions(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if self.shown == "text":  # one empty region, so that the graph stays the same
            count = len(indices)
            features = np.zeros((count, 1, self.regions.width), dtype=np.float16)
            return features, np.zeros((count, 1, BOX_WIDTH), dtype=np.float32), np.ones((count, 1), dtype=bool)
        return self.regions.read([self.split.examples[i].image for i in indices])

    def _repeat(self, values: np.ndarray) -> torch.Tensor:
        tensor = torch.from_numpy(values)
        return tensor if self.num_candidates == 1 else tensor.repeat_interleave(self.num_candidates, dim=0)

    def _targets(self, indices: np.ndarray) -> torch.Tensor:
        targets_BK = np.zeros((len(indices), self.num_targets), dtype=np.float32)
        for row, index in enumerate(indices):
            for target, score in self.split.examples[index].targets:
                targets_BK[row, target] = score
        return torch.from_numpy(targets_BK)


def inputs_of(config: TrialConfig, split: TaskSplit, cache: Path) -> SplitInputs:
    """A trial's student inputs from a split that is prepared."""
    student = config.student
    return SplitInputs(
        split,
        open_regions(cache, split.image_folder),
        max_tokens=student.part.presets[student.preset].longest_text,
        shown=config.task.inputs,
        vocabulary=student.vocabulary,
        pixels=open_pixels(cache, split.image_folder) if student.part.reads_pixels(student) else None,
        ranked_by=config.task.ranked_by,
        cache=cache,
    )
