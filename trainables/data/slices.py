"""Named parts of a split: `slices/<split>.json` in a data folder maps a slice's name to row ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablative.trainables.data.json_text import read_json
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import listed


def read_slices(folder: Path, split: str) -> dict[str, tuple[str, ...]]:
    """Return row id -> names of its slices; empty without such a file. Raises `UnreadableData`.

    Row ids are pairID (SNLI-VE), question_id (VQA) and annot_id (VCR).
    """
    path = folder / "slices" / f"{split}.json"
    if not path.is_file():
        return {}
    return read_json(path, "an object of slice name -> list of ids", _slices_of)


def _slices_of(slices: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, rows in sorted(slices.items()):
        for row in listed(rows, name):
            key = identifier(row, name)
            found[key] = (*found.get(key, ()), name)
    return found
