"""A student at inference, trained with and without distillation: parameters, graph and time must be the same.

    python benchmarks/inference.py                        # uniter_small, 200 pairs of passes, two minutes on one core
    python benchmarks/inference.py --quick                # uniter_tiny, 40 pairs, some seconds
    python benchmarks/inference.py --preset uniter_base --visual-input patches

Both students start from the same seed and take three steps of training, one by the task alone, one by the whole of
CLIP-TD from random features. Their passes over one batch alternate, and who is first alternates too, so that a busy
machine slows both alike. It counts processor time on one thread. The ratio is the median over pairs. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import numpy as np
import torch
from torch import nn

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OptimConfig
from ablative.trainables.config import StudentConfig
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.task import Task
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student
from ablative.trainables.training.inputs import Batch
from ablative.trainables.training.optimizer import optimizer_of
from ablative.trainables.training.step import TrainingStep
from ablative.trainables.vision.pixels import PICTURE_SIZE

TEACHER_WIDTH, REGION_WIDTH, NUM_CLASSES = 512, 1280, 3
LENGTH, NUM_REGIONS, NUM_WORDS = 24, 17, 12
WITHOUT = DistillationConfig()
CLIP_TD = DistillationConfig.model_validate({"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}})


def random_batch(size: int) -> Batch:
    """A batch of one text for each picture, always the same one."""
    draw = torch.Generator().manual_seed(0)
    words = (torch.arange(LENGTH) // 2).clamp_max(NUM_WORDS - 1).repeat(size, 1)
    return Batch(
        indices=np.arange(size),
        inputs=StudentBatch(
            ids_BL=torch.randint(1000, 20_000, (size, LENGTH), generator=draw),
            segments_BL=torch.zeros(size, LENGTH, dtype=torch.long),
            references_BL=torch.full((size, LENGTH), -1),
            text_mask_BL=torch.ones(size, LENGTH, dtype=torch.bool),
            regions_BRF=torch.randn(size, NUM_REGIONS, REGION_WIDTH, generator=draw),
            boxes_BR7=torch.rand(size, NUM_REGIONS, 7, generator=draw),
            region_mask_BR=torch.ones(size, NUM_REGIONS, dtype=torch.bool),
            pixels_I3HW=torch.randint(
                0, 256, (size, 3, PICTURE_SIZE, PICTURE_SIZE), generator=draw, dtype=torch.uint8
            ),
        ),
        words=words,
        targets_BK=torch.eye(NUM_CLASSES)[torch.arange(size) % NUM_CLASSES],
    )


def random_outputs(size: int) -> TeacherOutputs:
    """Possible outputs of a teacher for the batch."""
    draw = torch.Generator().manual_seed(1)
    return TeacherOutputs(
        index=torch.arange(size),
        image=torch.randn(size, TEACHER_WIDTH, generator=draw),
        text=torch.randn(size, TEACHER_WIDTH, generator=draw),
        scale=100.0,
        words=torch.randn(size, NUM_WORDS, TEACHER_WIDTH, generator=draw),
        prior=torch.randn(size, NUM_WORDS, generator=draw),
        visual=torch.rand(size, NUM_WORDS, generator=draw),
        word_mask=torch.ones(size, NUM_WORDS, dtype=torch.bool),
        probabilities=torch.zeros(size, 0),
        confidence=torch.full((size,), 0.5),
        cross_entropy=torch.full((size,), 0.7),
        correct=torch.ones(size, dtype=torch.bool),
    )


def fresh_step(config: StudentConfig, distillation: DistillationConfig, size: int) -> TrainingStep:
    """Student and objective from one seed, whatever is distilled."""
    torch.manual_seed(0)
    student = build_student(config, head="exclusive", num_classes=NUM_CLASSES, region_width=REGION_WIDTH)
    objective = Objective(distillation, student.width, [(TEACHER_WIDTH, 1.0)], num_examples=size, seed=0)
    return TrainingStep(bundled().of(Task)["snli_ve"], student, objective)


def trained(step: TrainingStep, size: int, num_steps: int = 3) -> StudentModule:
    """The student after `num_steps`, as it is used afterwards."""
    optimizer = optimizer_of(step, OptimConfig())
    step.train()
    for number in range(num_steps):
        loss, _ = step(random_batch(size), [random_outputs(size)], number / num_steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return step.student.eval()


class Logits(nn.Module):
    """A student over plain tensors, as an exporter wants it."""

    def __init__(self, student: StudentModule) -> None:
        super().__init__()
        self.student = student

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        """(B, K) logits of the fields of a `StudentBatch`, in order."""
        logits: torch.Tensor = self.student(StudentBatch(**dict(zip(_FIELDS, tensors, strict=True)))).logits
        return logits


_FIELDS = tuple(StudentBatch.__dataclass_fields__)


def fields(inputs: StudentBatch) -> tuple[torch.Tensor, ...]:
    """The tensors of a batch."""
    return tuple(getattr(inputs, name) for name in _FIELDS)


def graph(student: StudentModule, size: int) -> str:
    """The text of the student's exported graph."""
    return str(torch.export.export(Logits(student), fields(random_batch(size).inputs)).graph)


@torch.inference_mode()
def pass_s(student: StudentModule, inputs: StudentBatch) -> float:
    """Processor seconds of one forward pass."""
    started = time.process_time()
    student(inputs)
    return time.process_time() - started


def main() -> None:
    """Train both, compare, and time them side by side."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="uniter_tiny, 40 pairs")
    parser.add_argument("--preset", help="student [uniter_small, or uniter_tiny with --quick]")
    parser.add_argument("--visual-input", default="regions", help="regions, patches or both")
    parser.add_argument("--batch", type=int, default=16)
    options = parser.parse_args()
    torch.set_num_threads(1)
    preset = options.preset or ("uniter_tiny" if options.quick else "uniter_small")
    config = StudentConfig.model_validate({"preset": preset, "init": "scratch", "visual_input": options.visual_input})
    plain, distilled = (
        trained(fresh_step(config, distillation, options.batch), options.batch) for distillation in (WITHOUT, CLIP_TD)
    )
    shapes = [{name: value.shape for name, value in one.state_dict().items()} for one in (plain, distilled)]
    inputs = random_batch(options.batch).inputs
    pairs = []
    for number in range(5 + (40 if options.quick else 200)):
        order = (plain, distilled) if number % 2 else (distilled, plain)
        seconds = {id(student): pass_s(student, inputs) for student in order}
        pairs.append((seconds[id(plain)], seconds[id(distilled)]))
    pairs = pairs[5:]  # the first passes warm up
    figures = {
        "benchmark": "inference",
        "preset": preset,
        "visual_input": options.visual_input,
        "parameters": sum(value.numel() for value in plain.parameters()),
        "same_parameters": shapes[0] == shapes[1],
        "same_graph": graph(plain, options.batch) == graph(distilled, options.batch),
        "plain_ms": round(1e3 * statistics.median(a for a, _ in pairs), 3),
        "distilled_ms": round(1e3 * statistics.median(b for _, b in pairs), 3),
        "ratio": round(statistics.median(b / a for a, b in pairs), 4),
    }
    print(f"distilled to plain: {figures['ratio']} (median of {len(pairs)} pairs)")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
