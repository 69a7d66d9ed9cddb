"""Are a few of the paired differences far from all others?"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

FEWEST = 5


def outlying(values: Sequence[float], alpha: float) -> tuple[int, ...]:
    """Return the indices of outliers among otherwise normal values: generalised extreme Studentised deviates.

    In Rosner's test (1983), up to a quarter of the values are removed one after another, each time the one furthest
    from the mean of the rest. All values up to the last one with a Studentised distance above the critical value are
    outliers, so several cannot hide each other. `alpha`: probability of any outlier if there are none. Empty for fewer
    than five values.
    """
    from scipy.special import stdtrit

    left = list(range(len(values)))
    found = 0
    taken: list[int] = []
    for number in range(1, max(1, len(values) // 4) + 1 if len(values) >= FEWEST else 0):
        numbers = np.array([values[place] for place in left])
        sd, rest = float(numbers.std(ddof=1)), len(left)
        if sd == 0:
            break
        apart = np.abs(numbers - numbers.mean())
        far = int(apart.argmax())
        t = float(stdtrit(rest - 2, 1 - alpha / (2 * rest)))
        if apart[far] / sd > (rest - 1) * t / math.sqrt((rest - 2 + t**2) * rest):
            found = number
        taken.append(left.pop(far))
    return tuple(taken[:found])
