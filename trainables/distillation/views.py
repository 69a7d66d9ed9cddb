"""A term's view of student and teacher: only the tensors that it declares in `reads`."""

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
    """One side of a batch as one term sees it. Teacher tensors carry no gradient."""

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
    """Return the error for a term that reads an undeclared or unknown tensor."""
    if read in READS:
        return PartError(
            f"{term.defined_at}: term {term.name} reads {read}, which it does not declare; add {read!r} to its reads"
        )
    side = read.partition(".")[0]
    there = ", ".join(name for name in READS if name.startswith(f"{side}."))
    return PartError(f"{term.defined_at}: term {term.name} reads {read}, which does not exist; use one of {there}")
