"""A distillation term: how far a student is from what the teacher says of each example."""

from typing import TYPE_CHECKING
from typing import Any

from ablative import Field
from ablative import Options
from ablative import Term

if TYPE_CHECKING:
    import torch


class StarterOptions(Options):
    """A study sets them as `distillation.starter.<name>`, and may search them."""

    sharpness: float = Field(2.0, ge=0.1, le=10, description="Exponent of the cosine distance.")


def loss(student: Any, teacher: Any, term: Any) -> "torch.Tensor":
    """Return (B,): the loss of each example.

    Torch is imported in here, so that `ablate check` need not wait for it.
    """
    from torch.nn.functional import cosine_similarity

    distance: torch.Tensor = 1 - cosine_similarity(term.module(student.cls), teacher.text)
    return distance**term.options.sharpness


def trains(sizes: Any, options: StarterOptions, generator: "torch.Generator") -> "torch.nn.Module":
    """Return what is trained with the student and dropped afterwards: a map to the teacher's width."""
    from ablative.trainables.distillation.projection import initial_projection

    return initial_projection(sizes.student_width, sizes.teacher_width, generator)


PARTS = [
    Term(
        name="starter",
        description="A power of the distance between the whole input and the sentence.",
        options=StarterOptions,
        reads=("student.cls", "teacher.text"),  # nothing else is there; `ablative.Term` lists what may be read
        loss=loss,
        trains=trains,
    )
]
