"""How often each cell of a study sees its training data, as a plan shows it."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence

from ablative.orchestrator.deciding.cell_trials import CellTrials
from ablative.trainables.parts.trainable import Exposure

UNKNOWN = "?"


def few_passes(cells: Iterable[CellTrials], exposures: Mapping[str, Exposure]) -> list[str]:
    """Return the names of cells with the full data whose trials do not see all of it even once."""
    whole = (cell for cell in cells if cell.roles.data_fraction_of(cell.config) == 1)
    return [cell.cell.name for cell in whole if _below(cell, exposures)]


def _below(cell: CellTrials, exposures: Mapping[str, Exposure]) -> bool:
    exposure = exposures.get(cell.cell.name)
    return exposure is not None and exposure.passes is not None and exposure.passes < 1


def few_passes_line(few: Sequence[str], exposures: Mapping[str, Exposure]) -> Iterator[str]:
    """Yield the warning on the cells that `few_passes` found, if any."""
    if few:
        least = min(few, key=lambda cell: exposures[cell].passes or 0.0)
        which = f"{len(few)} cells do" if len(few) > 1 else "1 cell does"
        yield (
            f"warning: {which} not see all the data even once, though the share is 1.0; "
            f"the fewest are {shown(exposures[least])} passes ({least}); train for more steps, or do not call it full "
            "data"
        )


def passes_lines(exposures: Mapping[str, Exposure]) -> Iterator[str]:
    """Yield lines that explain the column `passes` and the source of its numbers."""
    if exposures:
        yield "passes: how often a trial of the cell sees its share of the training data (steps x batch / examples)"
    for note in dict.fromkeys(exposure.note for exposure in exposures.values() if exposure.note):
        yield f"passes: {note}"


def shown(exposure: Exposure) -> str:
    """Return the passes in two digits, or that they are unknown."""
    passes = exposure.passes
    return UNKNOWN if passes is None else f"{passes:.2g}" if passes < 100 else f"{passes:.0f}"
