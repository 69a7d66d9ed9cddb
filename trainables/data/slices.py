"""Named parts of a split: `slices/<split>.json` in a data folder maps a slice's name to row ids."""

from __future__ import annotations

import json
from pathlib import Path

from trainables.errors import UnreadableData


def read_slices(folder: Path, split: str) -> dict[str, tuple[str, ...]]:
    """Return row id -> names of its slices; empty without such a file.

    Row ids are pairID (SNLI-VE), question_id (VQA) and annot_id (VCR).
    """
    path = folder / "slices" / f"{split}.json"
    if not path.is_file():
        return {}
    try:
        slices = json.loads(path.read_text(encoding="utf-8"))
        pairs = [(str(row), name) for name in sorted(slices) for row in slices[name]]
    except (ValueError, TypeError) as error:
        raise UnreadableData(f"{path}: {error}; expected an object of slice name -> list of ids.") from error
    found: dict[str, tuple[str, ...]] = {}
    for row, name in pairs:
        found[row] = (*found.get(row, ()), name)
    return found
