"""Made-up data for the training benchmarks: examples, region features and teacher features, in the product's formats.

Everything is memory-mapped from files below a folder, as in a trial; the numbers in it are random.
Dimensions: B batch, C candidates, L tokens, R regions, F region features, N words, T teacher width, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.examples import Text
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.task import Task
from ablative.trainables.students.heads import ClassifierHead
from ablative.trainables.students.heads import num_outputs
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.single_stream import SingleStream
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.step import TrainingStep
from ablative.trainables.vision.regions import RegionFeatures

WORDS = "a man woman dog child red blue small old ball car street table holds sees near behind two people park".split()
CLIP_TD = DistillationConfig.model_validate({"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}})
PLAIN = DistillationConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How large a step is."""

    preset: str
    batch: int
    words: tuple[int, int]
    """Fewest and most words of a text; about as many tokens."""
    regions: tuple[int, int]
    """Fewest and most regions of a picture, the whole picture included."""
    region_width: int
    teacher_width: int
    task: str = "snli_ve"
    num_classes: int = 3


TINY = Shape(preset="uniter_tiny", batch=16, words=(4, 12), regions=(4, 7), region_width=1280, teacher_width=512)
BASE = Shape(preset="uniter_base", batch=8, words=(8, 24), regions=(11, 37), region_width=2048, teacher_width=512)
"""UNITER's own: 2,048-d region features, 10 to 100 of them a picture (most pictures have about 36)."""


def _task(shape: Shape) -> Task:
    return bundled().of(Task)[shape.task]


def made_step(shape: Shape, distillation: DistillationConfig, *, dropout: float = 0.0, seed: int = 0) -> TrainingStep:
    """A student from scratch with its objective; the terms of `distillation` keep nothing of single examples."""
    torch.manual_seed(seed)
    encoder = SingleStream(UNITER_PRESETS[shape.preset], shape.region_width, dropout)
    student = StudentModule(
        encoder, ClassifierHead(encoder.width, num_outputs(_task(shape).head, shape.num_classes), 0.0)
    )
    objective = Objective(
        distillation, encoder.width, [(shape.teacher_width, 1.0)], num_examples=shape.batch, seed=seed
    )
    return TrainingStep(_task(shape), student, objective)


def made_split(shape: Shape, count: int, rng: np.random.Generator) -> TaskSplit:
    """`count` examples of one text each; two examples share a picture."""

    def example(number: int) -> Example:
        text = " ".join(rng.choice(WORDS, size=rng.integers(shape.words[0], shape.words[1] + 1)))
        return Example(
            id=str(number),
            image=f"{number // 2}.png",
            candidates=(Candidate(query=Text(text=text)),),
            targets=((int(rng.integers(shape.num_classes)), 1.0),),
            stratum="",
            group=str(number),
        )

    return TaskSplit(
        task=_task(shape),
        split="train",
        examples=tuple(example(number) for number in range(count)),
        image_folder="",
        boxes={},
        classes=tuple(map(str, range(shape.num_classes))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shard:
    features: np.ndarray
    boxes: np.ndarray
    starts: np.ndarray


def made_regions(shape: Shape, split: TaskSplit, folder: Path, rng: np.random.Generator) -> RegionFeatures:
    """Write random region features of the split's pictures below `folder` and open them memory-mapped."""
    images = list(dict.fromkeys(example.image for example in split.examples))
    counts = rng.integers(shape.regions[0], shape.regions[1] + 1, size=len(images))
    starts = np.cumsum([0, *counts]).astype(np.int64)
    np.save(folder / "features.npy", rng.standard_normal((starts[-1], shape.region_width), np.float32).astype("f2"))
    np.save(folder / "boxes.npy", rng.random((starts[-1], 7), np.float32))
    features, boxes = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in ("features", "boxes"))
    return RegionFeatures(
        shards=(_Shard(features=features, boxes=boxes, starts=starts),),
        places={image: ((0, place),) for place, image in enumerate(images)},
        keys={image: image for image in images},
        width=shape.region_width,
    )


def made_batch(shape: Shape, rng: np.random.Generator, *, tokens: int, regions: int) -> Batch:
    """A batch of full length, without files and without the tokenizer, which a GPU machine may lack."""
    B, generator = shape.batch, torch.Generator().manual_seed(int(rng.integers(2**31)))
    words = torch.arange(tokens).clamp(1, tokens - 2).sub(1).repeat(B, 1)
    words[:, [0, -1]] = -1
    classes = torch.from_numpy(rng.integers(shape.num_classes, size=B))
    return Batch(
        indices=np.arange(B),
        inputs=StudentBatch(
            ids_BL=torch.randint(1000, 20_000, (B, tokens), generator=generator),
            segments_BL=torch.zeros(B, tokens, dtype=torch.long),
            references_BL=torch.full((B, tokens), -1),
            text_mask_BL=torch.ones(B, tokens, dtype=torch.bool),
            regions_BRF=torch.randn(B, regions, shape.region_width, generator=generator),
            boxes_BR7=torch.rand(B, regions, 7, generator=generator),
            region_mask_BR=torch.ones(B, regions, dtype=torch.bool),
        ),
        words=words,
        targets_BK=torch.nn.functional.one_hot(classes, shape.num_classes).float(),
    )


def made_outputs(shape: Shape, rng: np.random.Generator, *, num_words: int) -> TeacherOutputs:
    """Random unit features of a whole batch."""
    B, T, generator = shape.batch, shape.teacher_width, torch.Generator().manual_seed(int(rng.integers(2**31)))

    def unit(*size: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(*size, T, generator=generator), dim=-1)

    return TeacherOutputs(
        index=torch.arange(B),
        scale=10.0,
        image=unit(B),
        text=unit(B),
        words=unit(B, num_words).half(),
        prior=torch.randn(B, num_words, generator=generator),
        visual=torch.zeros(B, num_words),
        probabilities=torch.zeros(B, 0),
        word_mask=torch.ones(B, num_words, dtype=torch.bool),
        confidence=torch.rand(B, generator=generator),
        cross_entropy=torch.rand(B, generator=generator),
        correct=torch.ones(B, dtype=torch.bool),
    )
