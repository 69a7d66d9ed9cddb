"""Small folders of pictures with texts and labels, in each form that `image_text` reads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

Row = dict[str, Any]

COLOURS = {"red": (210, 40, 40), "green": (40, 180, 60), "blue": (40, 60, 210)}


def rows(count: int = 60, *, split: bool = True) -> list[Row]:
    """Rows of as many pictures, of three labels in turn; every tenth is of val, every tenth of test."""
    found = []
    for number in range(count):
        label = list(COLOURS)[number % 3]
        row = {"file_name": f"pics/{number:03d}.png", "text": f"A {label} sheet, number {number}", "label": label}
        if split:
            row["split"] = {8: "validation", 9: "test"}.get(number % 10, "train")
        found.append(row)
    return found


def picture(row: Mapping[str, Any]) -> bytes:
    """The bytes of a row's picture: its label's colour, with a mark of its own."""
    name = str(row["file_name"])
    image = Image.new("RGB", (48, 40), COLOURS.get(str(row["label"]), (90, 90, 90)))
    number = sum(name.encode())
    image.paste((255, 255, 255), (number % 30, number % 7, number % 30 + 9, number % 7 + 5))
    image.putpixel((0, 0), (number % 256, len(name) % 256, int("".join(filter(str.isdigit, name)) or 0) % 256))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def draw(folder: Path, given: Sequence[Mapping[str, Any]]) -> None:
    """Write the pictures of rows as files."""
    for row in given:
        path = folder / row["file_name"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(row))


def write_csv(path: Path, given: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows with the columns of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(given[0]))
        writer.writeheader()
        writer.writerows(given)
    return path


def write_lines(path: Path, given: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    return path


def write_parquet(path: Path, given: Sequence[Mapping[str, Any]], *, size: int = 7, **features: Any) -> Path:
    """Write rows as Parquet in small row groups; `features`: what Hugging Face notes of columns in the schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in given])
    if features:
        noted = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": noted})
    pq.write_table(table, path, row_group_size=size)
    return path


def inside(given: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The same rows with their pictures inside, as `datasets` writes them."""
    found = []
    for row in given:
        rest = {name: value for name, value in row.items() if name != "file_name"}
        found.append({"image": {"bytes": picture(row), "path": row["file_name"]}, **rest})
    return found


def own_pictures(folder: Path, given: Sequence[Mapping[str, Any]] | None = None) -> Path:
    """A folder with `metadata.csv` and loose pictures."""
    given = rows() if given is None else given
    write_csv(folder / "metadata.csv", given)
    draw(folder, given)
    return folder
