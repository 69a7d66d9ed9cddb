"""How the search of a study is done, in words: what stands in its plan, above its table and in its report."""

from __future__ import annotations

SHARED = (
    "All arms of a condition share one setting, the best by their mean on val: equal, not tuned for each arm "
    "(search.shared)."
)
