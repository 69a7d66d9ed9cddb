"""Learned maps from student width to teacher width, in training only, and the random streams they start from."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor
from torch import nn

from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.outputs import StudentOutputs


def stream(seed: int, name: str, teacher: int = 0) -> torch.Generator:
    """Return a CPU generator for `name` that is independent of the streams of other names, seeds and teachers."""
    further = f"/teacher {teacher}" if teacher else ""
    digest = hashlib.sha256(f"distillation/{name}/{seed}{further}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def initial_projection(student_width: int, teacher_width: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear map S -> T on the CPU with Xavier-uniform weights from `generator` and bias 0.

    It leaves the global random state alone: with and without a term, the rest of the trial draws the same numbers.
    """
    with torch.device("meta"):  # nn.Linear's own initial values would come from the global random state
        projection = nn.Linear(student_width, teacher_width)
    projection = projection.to_empty(device="cpu")
    nn.init.xavier_uniform_(projection.weight, generator=generator)
    nn.init.zeros_(projection.bias)
    return projection


def shared_projection(
    config: Distillation, student_width: int, teacher_width: int, seed: int, teacher: int = 0
) -> nn.Linear | None:
    """Return the map S -> T that all terms share; None if each has its own, or none needs one.

    A single map keeps the joint space: neighbours for the image are neighbours for sentence and words too.
    """
    used = config.adaptation.of == "student" or any("projection" in part.shares for part in config.terms_on())
    if config.projection == "separate" or not used:
        return None
    return initial_projection(student_width, teacher_width, stream(seed, "shared projection", teacher))


class Sides(nn.Module):
    """P_v and P_t: the two sides of a fused student in the teacher's space.

    A dual encoder embeds the image alone and the text alone. A fused student has neither embedding. The state of the
    whole-image region stands for its image side, and the state of the first text position for its text side. Each has
    seen the other modality.
    """

    def __init__(self, image: nn.Module, text: nn.Module) -> None:
        """P_v and P_t; may be the same map."""
        super().__init__()
        self.image = image
        self.text = text

    def forward(self, student: StudentOutputs) -> tuple[Tensor, Tensor]:
        """Return (B, T) image sides and (B, T) text sides, of any length."""
        return self.image(student.image), self.text(student.cls)
