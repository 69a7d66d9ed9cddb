"""SNLI-VE's dev and test with later corrections of the labels (Do et al. 2020), in either published form.

- `esnlive_dev.csv`, `esnlive_test.csv` (e-ViL, Kayser et al. 2021): by the columns `pairID`, `Flickr30kID`,
  `hypothesis` and `gold_label`.
- `esnli_ve_dev.tsv`, `esnli_ve_test.tsv` (e-SNLI-VE): by the columns' places, as in its authors' code: the label
  first, the image with `#` and a number fourth, the hypothesis sixth, the id of the pair seventh.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablative.splits import is_corrected
from ablative.trainables.data.json_text import opened
from ablative.trainables.data.json_text import storable
from ablative.trainables.data.reading import Row
from ablative.trainables.strangers import parsing

FORMS: Mapping[str, tuple[str, ...]] = {
    "val_corrected": ("esnlive_dev.csv", "esnli_ve_dev.tsv"),
    "test_corrected": ("esnlive_test.csv", "esnli_ve_test.tsv"),
}
"""Split -> names of its file, the later publication first; it is read if both exist."""
_OF_CSV = {"pairID": "pairID", "Flickr30kID": "Flickr30K_ID", "hypothesis": "sentence2", "gold_label": "gold_label"}
"""Column of the CSV -> field of a row of SNLI-VE."""
_OF_TSV = {0: "gold_label", 3: "Flickr30K_ID", 5: "sentence2", 6: "pairID"}
"""Place of a column of the TSV -> field of a row of SNLI-VE."""


def corrected_file(folder: Path, split: str) -> Path | None:
    """Return the file of a corrected split; None for another split, or without one."""
    names = FORMS[split] if is_corrected(split) else ()
    return next((folder / name for name in names if (folder / name).is_file()), None)


def corrected_rows(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield (line, row as SNLI-VE's own files have it, or the exception that it caused).

    Raises UnreadableData for a file that is not CSV in UTF-8.
    """
    is_csv = path.suffix == ".csv"
    with parsing(f"{path}: no table", "get the file again"), opened(path) as file:
        reader = csv.reader(file, delimiter="," if is_csv else "\t")
        header = next(reader, [])
        places = {header.index(column): field for column, field in _OF_CSV.items()} if is_csv else _OF_TSV
        before = reader.line_num
        for fields in reader:
            if fields:
                yield before + 1, _row(places, fields)
            before = reader.line_num


def _row(places: Mapping[int, str], fields: list[str]) -> Row | Exception:
    if len(fields) <= max(places):
        return ValueError(f"{len(fields)} fields, expected {max(places) + 1} or more")
    try:
        row = {field: storable(fields[place], fields[place]).strip() for place, field in places.items()}
    except ValueError as error:
        return error
    return {**row, "Flickr30K_ID": row["Flickr30K_ID"].partition("#")[0]}
