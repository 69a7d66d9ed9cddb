"""Reads SNLI-VE's files."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import lines
from ablative.trainables.data.reading import listed_ids
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.reading import text_of
from ablative.trainables.data.tokens import plain_text
from ablative.trainables.parts.task import Source
from ablative.trainables.tasks.snli_ve_files.corrected import corrected_rows

CLASSES = ("contradiction", "neutral", "entailment")
"""Order of the output classes. Published codes disagree on the order, so files are read by the labels' names."""


def read_snli_ve(source: Source, slices: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    """Yield the examples of one file; pairs without a majority label (`-`) are left out, as the authors do."""
    only = listed_ids(source.only)
    for path in source.files:
        rows = lines(path) if path.suffix == ".jsonl" else corrected_rows(path)
        for example in read_rows(path, rows, lambda row: _examples(row, slices)):
            if only is None or example.id in only:
                yield example


def _examples(row: Row, slices: Mapping[str, tuple[str, ...]]) -> list[Example]:
    label, pair = row["gold_label"], identifier(row["pairID"], "pairID")
    if label == "-":
        return []
    if label not in CLASSES:
        raise ValueError(f"gold_label is {label!r}, expected one of {', '.join(CLASSES)}")
    return [
        Example(
            id=pair,
            image=image_name(row),
            candidates=(Candidate(query=Text(text=plain_text(text_of(row, "sentence2")))),),
            targets=((CLASSES.index(label), 1.0),),
            stratum=label,
            group=pair,
            slices=slices.get(pair, ()),
        )
    ]


def image_name(row: Row) -> str:
    """Return the image's file name from either spelling of the id: with or without `.jpg`, `Flickr` or `Flikr`."""
    for field in ("Flickr30K_ID", "Flikr30kID", "Flickr30kID"):
        if field in row:
            return picture_name(identifier(row[field], field).removesuffix(".jpg") + ".jpg")
    raise KeyError("Flickr30K_ID")
