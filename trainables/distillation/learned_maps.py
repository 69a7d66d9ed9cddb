"""The modules of most terms: a linear map from student width to teacher width, or one for each side. No torch.

If the study says so, all terms that declare `shares=("projection",)` get the same map.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any

from ablative.trainables.parts.term import TermSizes

if TYPE_CHECKING:
    import torch
    from torch import nn


def projection(sizes: TermSizes, options: Any, generator: torch.Generator) -> nn.Module:
    """Return a linear map S -> T."""
    from ablative.trainables.distillation.projection import initial_projection

    if sizes.shared is not None:
        return sizes.shared
    return initial_projection(sizes.student_width, sizes.teacher_width, generator)


def sides(sizes: TermSizes, options: Any, generator: torch.Generator) -> nn.Module:
    """Return P_v and P_t, which map the student's two sides to the teacher's space."""
    from ablative.trainables.distillation.projection import Sides

    return Sides(*(projection(sizes, options, generator) for _ in ("image", "text")))
