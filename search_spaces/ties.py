"""Decides which computed numbers are equal: values that differ only in their last bits were equal before rounding."""

from __future__ import annotations

import numpy as np

RELATIVE_TIE = 1e-9
"""Numbers this close, relative to the greatest magnitude among them, count as equal."""


def levelled(values: np.ndarray) -> np.ndarray:
    """Return `values` in which those that count as equal are equal, along the last axis: the least of them is kept."""
    values = np.asarray(values, dtype=np.float64)
    if values.size == 0:
        return values
    order = np.argsort(values, axis=-1, kind="stable")
    rising = np.take_along_axis(values, order, axis=-1)
    near = RELATIVE_TIE * np.abs(rising[..., [0, -1]]).max(axis=-1, keepdims=True)
    begins = np.ones(values.shape, dtype=bool)
    begins[..., 1:] = np.diff(rising, axis=-1) > near
    first = np.maximum.accumulate(np.where(begins, np.arange(values.shape[-1]), 0), axis=-1)
    found = np.empty_like(values)
    np.put_along_axis(found, order, np.take_along_axis(rising, first, axis=-1), axis=-1)
    return found
