"""What a term sees of student and teacher: what it declares that it reads, and nothing else."""

from __future__ import annotations

from typing import Any
from typing import Literal

from torch import Tensor

from ablative.trainables.distillation.outputs import StudentOutputs
from ablative.trainables.distillation.outputs import TeacherOutputs
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.term import READS
from ablative.trainables.parts.term import Term


class View:
    """One side of a batch in the eyes of one term; what the teacher gives carries no gradient."""

    __slots__ = ("_side", "_term", "_values")

    def __init__(
        self, values: StudentOutputs | TeacherOutputs, side: Literal["student", "teacher"], term: Term
    ) -> None:
        self._values = values
        self._side = side
        self._term = term

    def __getattr__(self, name: str) -> Any:
        """Return a tensor of the batch. Raises PartError for one that the term does not declare."""
        read = f"{self._side}.{name}"
        if read not in self._term.reads:
            raise undeclared(self._term, read) if not name.startswith("__") else AttributeError(name)
        value = getattr(self._values, name)
        return value.detach() if self._side == "teacher" and isinstance(value, Tensor) else value


def undeclared(term: Term, read: str) -> PartError:
    """Return the error of a term that reads what it does not declare, or what is not there."""
    if read in READS:
        return PartError(
            f"{term.defined_at}: term {term.name} reads {read}, which it does not declare; add {read!r} to its reads"
        )
    side = read.partition(".")[0]
    there = ", ".join(name for name in READS if name.startswith(f"{side}."))
    return PartError(f"{term.defined_at}: term {term.name} reads {read}, which is not there; there are {there}")
