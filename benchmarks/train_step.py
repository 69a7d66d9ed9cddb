"""What distillation adds to a training step: the student alone, CLIP-TD with cached features, CLIP-TD with a teacher.

    python benchmarks/train_step.py              # uniter_tiny in two sizes of batch and uniter_base, some minutes
    python benchmarks/train_step.py --quick      # fewer steps, about a minute
    python benchmarks/train_step.py --clock cpu  # on a machine that others use too: this process's time alone

A step is all that the loop does for a batch: reading memory-mapped features, making the batch, gathering the
teacher's targets, forward, backward, update. The live teacher has the shape of open_clip's ViT-B/32 with random
weights; it reads the pictures of the batch, already decoded, and its texts with their words. The sides take turns at
each batch, so that they meet the same noise; figures are medians with quartiles. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import TeacherConfig
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.students.kinds.uniter import UNITER_PRESETS
from ablative.trainables.students.tokens import teacher_text
from ablative.trainables.teachers.confidence import TeacherConfidence
from ablative.trainables.teachers.feature_cache import TeacherFeatures
from ablative.trainables.teachers.feature_cache import distilled_candidate
from ablative.trainables.teachers.feature_table import FeatureTable
from ablative.trainables.teachers.words import words_of
from ablative.trainables.training.inputs import SplitInputs
from ablative.trainables.training.loop import OfTeacher
from ablative.trainables.training.loop import take_step
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.teacher_table import TeacherTable
from synthetic import BASE
from synthetic import CLIP_TD
from synthetic import PLAIN
from synthetic import TINY
from synthetic import Shape
from synthetic import made_regions
from synthetic import made_split
from synthetic import made_step

BOUND = 1.05
EXAMPLES = 512
OPTIM = OptimConfig()
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Step = Callable[[np.ndarray], Any]


def made_table(shape: Shape, split: TaskSplit, folder: Path, rng: np.random.Generator) -> TeacherTable:
    """Random teacher features of the split, written to a cache and opened as a trial does."""
    texts = list(dict.fromkeys(teacher_text(distilled_candidate(example)) for example in split.examples))
    vocabulary = sorted({word for text in texts for word in words_of(text)})
    images = list(dict.fromkeys(example.image for example in split.examples))
    sizes = {"images": dict.fromkeys(images, 1), "texts": dict.fromkeys(texts, 1)}
    sizes |= {"words": dict.fromkeys(vocabulary, 1), "states": {text: len(words_of(text)) for text in texts}}
    for name, rows in sizes.items():
        FeatureTable(folder / name).add(list(rows), [rng.normal(size=(n, shape.teacher_width)) for n in rows.values()])
    features = TeacherFeatures(
        images=FeatureTable(folder / "images"),
        texts=FeatureTable(folder / "texts"),
        isolated=FeatureTable(folder / "words"),
        states=FeatureTable(folder / "states"),
        left_out=FeatureTable(folder / "left_out"),
        patch_table=FeatureTable(folder / "patches"),
        region_table=FeatureTable(folder / "regions"),
        picture_keys={image: image for image in images},
        blank=False,
        width=shape.teacher_width,
        logit_scale=10.0,
    )
    sure = rng.random(len(split.examples), np.float32)
    confidence = TeacherConfidence(
        probability=sure, cross_entropy=-np.log(sure), correct=sure > 0.5, probabilities=np.zeros((len(sure), 0), "f4")
    )
    return TeacherTable(split, features, confidence, CLIP_TD, shuffle_seed=None)


def live(inputs: SplitInputs, table: TeacherTable, folder: Path) -> OfTeacher:
    """A teacher that is run at each step; its confidence alone is not computed."""
    from PIL import Image

    from ablative.trainables.teachers.loading import load_teacher

    teacher = load_teacher(TeacherConfig(model="ViT-B-32", control="untrained"), folder)
    picture = Image.new("RGB", (224, 224), (90, 120, 150))

    def said(indices: np.ndarray) -> Any:
        texts = [teacher_text(distilled_candidate(inputs.split.examples[i])) for i in indices]
        cached = table(indices)
        words = torch.nn.utils.rnn.pad_sequence(teacher.word_features(texts), batch_first=True)
        return replace(
            cached,
            image=teacher.encode_images([picture] * len(indices)),
            text=teacher.encode_texts(texts),
            words=words,
        )

    return said


def stepping(shape: Shape, inputs: SplitInputs, distillation: DistillationConfig, *teachers: OfTeacher) -> Step:
    """One side: a student of its own, updated by the batch of each call."""
    module = made_step(shape, distillation).train()
    optimizer = optimizer_of(module, OPTIM)

    def step(indices: np.ndarray) -> Any:
        said = tuple(teacher(indices) for teacher in teachers)
        return take_step(module, optimizer, [(inputs.batch(indices), said)], progress=0.5, optim=OPTIM)

    return step


def measured(shape: Shape, repeats: int, clock: Callable[[], float], with_live: bool) -> dict[str, Any]:
    """Milliseconds of a step of each side (quartiles), and the ratios of medians to the student alone."""
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        split = made_split(shape, EXAMPLES, rng)
        regions = made_regions(shape, split, folder, rng)
        inputs = SplitInputs(split, regions, max_tokens=UNITER_PRESETS[shape.preset].longest_text, shown="both")
        table = made_table(shape, split, folder, rng)
        sides = {"student": stepping(shape, inputs, PLAIN), "cached": stepping(shape, inputs, CLIP_TD, table)}
        if with_live:
            sides["live"] = stepping(shape, inputs, CLIP_TD, live(inputs, table, folder))
        spent: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(repeats + 2):
            indices = rng.permutation(EXAMPLES)[: shape.batch]
            for side in list(sides)[:: 1 if number % 2 else -1]:
                if side == "live" and number > max(4, repeats // 10):
                    continue  # many times a step: a few tell
                started = clock()
                sides[side](indices)
                spent[side].append(1e3 * (clock() - started))
    quartiles = {side: np.percentile(times[2:], [25, 50, 75]).round(2).tolist() for side, times in spent.items()}
    base = quartiles["student"][1]
    return {"ms": quartiles, "ratio": {side: round(row[1] / base, 3) for side, row in quartiles.items()}}


def main() -> None:
    """Measure the tiny student in batches of 16 and of the default, and the paper's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few steps a side")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--no-live", action="store_true", help="leave the live teacher out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = {}
    for shape, repeats in ((TINY, 600), (replace(TINY, batch=OPTIM.batch_size), 200), (BASE, 40)):
        name = f"{shape.preset}, batch {shape.batch}"
        with_live = shape.batch < OPTIM.batch_size and not options.no_live
        rows[name] = measured(shape, repeats // 6 if options.quick else repeats, CLOCKS[options.clock], with_live)
        ratio = rows[name]["ratio"]["cached"]
        verdict = "within" if ratio <= BOUND else "ABOVE"
        print(f"{name}: {json.dumps(rows[name])}; cached {verdict} {BOUND}", flush=True)
    print(json.dumps({"benchmark": "train_step", "clock": options.clock, "bound": BOUND, "shapes": rows}))


if __name__ == "__main__":
    main()
