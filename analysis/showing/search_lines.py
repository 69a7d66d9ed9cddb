"""What the searches of a study say of themselves: their edges and their budgets."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from ablative.analysis.plan import StudyPlan
from ablative.analysis.showing.sentences import listed

Row = Mapping[str, Any]
"""Of the view `searches`."""


def search_lines(rows: Sequence[Row], plan: StudyPlan) -> list[str]:
    """Say where most searches ended at the edge of what they tried, and where many were too short."""
    if plan.search.shared:  # what is best for one arm is not what was taken
        return []
    said = []
    edge = [row for row in rows if row["at_edge"]]
    if 2 * len(edge) > len(rows):
        paths = listed(list(dict.fromkeys(path for row in edge for path in row["at_edge"])))
        said.append(
            f"In {len(edge)} of {len(rows)} searches the best {paths} lies at the edge of the tried range: better "
            "settings may lie beyond."
        )
    short = [row for row in rows if row["enough"] is False]
    if short:
        said.append(
            f"In {len(short)} of {len(rows)} searches the second half of the settings still gained more than a "
            "trial's own noise: their budget was too small (view `searches`)."
        )
    return said
