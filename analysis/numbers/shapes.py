"""Samples of one shape, computed together: a call for many takes hardly longer than a call for one."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence

import numpy as np

Strata = Sequence[np.ndarray]
"""One array of values per task, or per task and side, each of shape (seeds,)."""


def of_one_shape(samples: Sequence[Strata]) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Group samples whose strata have the same sizes: their indices, and each stratum of shape (samples, seeds).

    A sample without strata, or with an empty stratum, is in no group.
    """
    alike: dict[tuple[int, ...], list[int]] = {}
    for position, strata in enumerate(samples):
        sizes = tuple(len(values) for values in strata)
        if sizes and all(sizes):
            alike.setdefault(sizes, []).append(position)
    for sizes, positions in alike.items():
        yield positions, [np.array([samples[position][at] for position in positions]) for at in range(len(sizes))]
