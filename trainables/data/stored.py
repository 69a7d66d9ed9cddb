"""A split's examples as memory-mapped Arrow files, made once and read in a fraction of the time that texts take.

Below `<cache>/examples/<digest>/<split>/`: `examples-0000.arrow`, ... with `PER_FILE` examples each,
`boxes-0000.arrow`, ... with the boxes of the images first seen in them, and `whole.json` once all exist. The digest is
that of the data set's files, so that a changed file is never read from an old copy. Imports no torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from typing import overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablative.trainables.cache import written_whole
from ablative.trainables.data.boxes import Boxes
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.strangers import parsing

PER_FILE = 10_000
WHOLE = "whole.json"
_REFERENCES = pa.list_(pa.int32())
SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "image": pa.string(),
        "query": pa.string(),
        "query_references": _REFERENCES,
        "responses": pa.list_(pa.string()),
        "response_references": pa.list_(_REFERENCES),
        "segment": pa.int8(),
        "classes": pa.list_(pa.int32()),
        "scores": pa.list_(pa.float64()),
        "stratum": pa.string(),
        "group": pa.string(),
        "slices": pa.list_(pa.string()),
    }
)
"""One row per example. All candidates of an example share their query; references are flat triples."""
BOXES_SCHEMA = pa.schema({"image": pa.string(), "boxes": pa.list_(pa.float64())})


def write_examples(folder: Path, number: int, examples: Sequence[Example], boxes: Sequence[tuple[str, Boxes]]) -> None:
    """Write the files with a number whole, one after another; the examples come last."""
    flat = [{"image": image, "boxes": [value for box in found for value in box]} for image, found in boxes]
    _write(folder / f"boxes-{number:04d}.arrow", pa.RecordBatch.from_pylist(flat, BOXES_SCHEMA))
    rows = pa.RecordBatch.from_pylist([flat_row(example) for example in examples], SCHEMA)
    _write(folder / f"examples-{number:04d}.arrow", rows)


def is_written(folder: Path, number: int) -> bool:
    """Return whether the files with a number exist, from this or an interrupted preparation."""
    return (folder / f"examples-{number:04d}.arrow").is_file()


def read_stored(folder: Path) -> tuple[StoredExamples, dict[str, Boxes]]:
    """Return the examples and boxes below `folder`. Raises `UnreadableData` unless they are whole."""
    with parsing(str(folder), "remove this folder and prepare the data set again"):
        num_files = json.loads((folder / WHOLE).read_text(encoding="utf-8"))["num_files"]
        boxes: dict[str, Boxes] = {}
        for number in range(num_files):
            for row in _open(folder / f"boxes-{number:04d}.arrow").to_pylist():
                values = row["boxes"]
                boxes[row["image"]] = tuple(zip(*[iter(values)] * 4, strict=True)) if values else ()
        tables = [_open(folder / f"examples-{number:04d}.arrow") for number in range(num_files)]
        found = {image: places for image, places in boxes.items() if places}
        return StoredExamples(pa.concat_tables(tables) if tables else SCHEMA.empty_table()), found


class StoredExamples(Sequence[Example]):
    """Examples that stay in memory-mapped files until one is read by index; `taken` reads only some."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Example, ...]: ...
    def __getitem__(self, place: int | slice) -> Example | tuple[Example, ...]:
        return self._all[place]

    def __iter__(self) -> Iterator[Example]:
        return iter(self._all)

    def strata(self) -> list[tuple[str, str]]:
        """Return (group, stratum) of each example, without reading the rest."""
        return list(zip(*(self._table[name].to_pylist() for name in ("group", "stratum")), strict=True))

    def targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (class, score) for all targets of all examples, without reading the rest."""
        flat = [pc.list_flatten(self._table[name].combine_chunks()) for name in ("classes", "scores")]
        return flat[0].to_numpy(zero_copy_only=False), flat[1].to_numpy(zero_copy_only=False)

    def taken(self, places: Sequence[int]) -> tuple[Example, ...]:
        """Return the examples at `places`, reading no others."""
        return tuple(_examples(self._table.take(pa.array(places, pa.int64()))))

    @cached_property
    def _all(self) -> tuple[Example, ...]:
        return tuple(_examples(self._table))


def flat_row(example: Example) -> dict[str, Any]:
    """Return an example as a row of `SCHEMA`."""
    candidates = example.candidates
    query = candidates[0].query
    if any(candidate.query != query for candidate in candidates):
        raise ValueError(f"example {example.id}: its candidates have different queries")
    responses = [candidate.response for candidate in candidates if candidate.response is not None]
    return {
        "id": example.id,
        "image": example.image,
        "query": query.text,
        "query_references": _flat(query),
        "responses": [response.text for response in responses],
        "response_references": [_flat(response) for response in responses],
        "segment": candidates[0].response_segment,
        "classes": [place for place, _ in example.targets],
        "scores": [score for _, score in example.targets],
        "stratum": example.stratum,
        "group": example.group,
        "slices": list(example.slices),
    }


def _flat(text: Text) -> list[int]:
    return [value for reference in text.references for value in reference]


def _examples(table: pa.Table) -> Iterator[Example]:
    for batch in table.to_batches(max_chunksize=1000):
        yield from map(_example, batch.to_pylist())


def _example(row: dict[str, Any]) -> Example:
    query, segment = _text(row["query"], row["query_references"]), row["segment"]
    pairs = zip(row["responses"], row["response_references"], strict=True)
    responses: list[Text | None] = [_text(*pair) for pair in pairs]
    return Example(
        id=row["id"],
        image=row["image"],
        candidates=tuple(Candidate(query=query, response=r, response_segment=segment) for r in responses or [None]),
        targets=tuple(zip(row["classes"], row["scores"], strict=True)),
        stratum=row["stratum"],
        group=row["group"],
        slices=tuple(row["slices"]),
    )


def _text(text: str, references: list[int]) -> Text:
    return Text(text=text, references=tuple(zip(*[iter(references)] * 3, strict=True)))


def _write(path: Path, batch: pa.RecordBatch) -> None:
    with written_whole(path) as scratch, pa.OSFile(str(scratch), "wb") as file:
        with pa.ipc.new_file(file, batch.schema) as writer:
            writer.write_batch(batch)


def _open(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
