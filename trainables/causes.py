"""Which named cause an exception of a trial stands for."""

from __future__ import annotations

import torch

from ablative.trainables.errors import ElsewhereError
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import NonFinite
from ablative.trainables.errors import TimeLimit
from ablative.trainables.job import Cause


def cause_of(raised: BaseException) -> Cause:
    """The named cause of an exception that a trial raised."""
    if isinstance(raised, ElsewhereError):
        return raised.cause
    if isinstance(raised, NonFinite):
        return "non_finite"
    if isinstance(raised, TimeLimit):
        return "time_limit"
    if isinstance(raised, MissingData):
        return "missing_data"
    if isinstance(raised, MemoryError | torch.cuda.OutOfMemoryError) or "can't allocate memory" in str(raised):
        return "out_of_memory"
    return "trainable_error"
