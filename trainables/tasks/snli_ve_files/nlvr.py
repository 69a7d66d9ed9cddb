"""Cornell's NLVR (Suhr et al. 2017, CC-BY 4.0) in the files of SNLI-VE: statements that people wrote about pictures.

A statement is true or false about a picture of three boxes with shapes in them. Each has six pictures, one per order
of the boxes. True becomes `entailment` and false `contradiction`; nothing is `neutral`. The structured representation
gives the regions in a metadata file beside the picture: the three boxes, then each shape. `dev` becomes SNLI-VE's dev,
and the public test (Test-P) its test.
"""

from __future__ import annotations

import json
from itertools import islice
from itertools import permutations
from pathlib import Path
from typing import Any

from ablative.progress import Progress
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import lines
from ablative.trainables.data.reading import text_of
from ablative.trainables.errors import MissingData
from ablative.trainables.strangers import parsing

Row = dict[str, Any]

PICTURES = "flickr30k_images"
SPLITS = ("train", "dev", "test")
LABELS = {"true": "entailment", "false": "contradiction"}
ABOUT = {
    "name": "Cornell Natural Language Visual Reasoning (NLVR) 1.0, in the files of SNLI-VE",
    "authors": "Alane Suhr, Mike Lewis, James Yeh, Yoav Artzi (ACL 2017)",
    "url": "https://github.com/lil-lab/nlvr",
    "licence": "CC-BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    "changes": "labels renamed, pictures renamed, regions written from the structured representation",
}
_REMEDY = "get https://github.com/lil-lab/nlvr and give its folder nlvr"
_SIDE, _STEP = 100, 150
"""Pixels of a box in a picture, and the distance between the left edges of two neighbours."""
_SIZE = (400, 100)
ORDERS = tuple(permutations(range(3)))
"""Order of the boxes in picture k of a statement: this is how the published pictures are numbered."""


def write_nlvr(source: Path, folder: Path, progress: Progress, *, train: int | None = None) -> dict[str, int]:
    """Write the published folder `source` in SNLI-VE's files below `folder`; return the number of pairs of each split.

    A picture keeps its bytes (PNG) under a name that ends in `.jpg`. `train`: keep the first so many statements of
    train; None keeps all. Raises MissingData if a file or picture is missing, and UnreadableData.
    """
    for split in SPLITS:
        if not (source / split / f"{split}.json").is_file():
            raise MissingData(f"{source / split / f'{split}.json'}: not there; {_REMEDY}")
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    counts = {
        split: _write_split(source / split, split, folder, progress, train if split == "train" else None)
        for split in SPLITS
    }
    (folder / "about.json").write_text(json.dumps(ABOUT, indent=2) + "\n", encoding="utf-8")
    return counts


def _write_split(source: Path, split: str, folder: Path, progress: Progress, most: int | None) -> int:
    path, pairs = source / f"{split}.json", list[Row]()
    numbered = list(islice(lines(path), most))
    for done, (line, row) in enumerate(numbered, start=1):
        with parsing(f"{path}, line {line}", "get the file again"):
            pairs += _write_statement(row, source / "images", split, folder / PICTURES)
        progress(f"NLVR {split}", done, len(numbered))
    text = "".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    (folder / f"snli_ve_{split}.jsonl").write_text(text, encoding="utf-8")
    return len(pairs)


def _write_statement(row: Any, images: Path, split: str, pictures: Path) -> list[Row]:
    """Write a statement's pictures and their metadata; return its pairs."""
    if isinstance(row, Exception):
        raise row
    name, label = identifier(row["identifier"], "identifier"), row["label"]
    if label not in LABELS:
        raise ValueError(f"label is {label!r}, expected {' or '.join(LABELS)}")
    statement, place = text_of(row, "sentence"), picture_name(identifier(row["directory"], "directory"))
    pairs = []
    for number, order in enumerate(ORDERS):
        pair = picture_name(f"{split}-{name}-{number}")
        boxes = regions(row["structured_rep"], order)
        _copy(images / place / f"{pair}.png", pictures / f"{pair}.jpg")
        metadata = {"boxes": boxes, "width": _SIZE[0], "height": _SIZE[1]}
        (pictures / f"{pair}.json").write_text(json.dumps(metadata), encoding="utf-8")
        pairs.append({"Flickr30K_ID": pair, "gold_label": LABELS[label], "pairID": pair, "sentence2": statement})
    return pairs


def _copy(picture: Path, to: Path) -> None:
    if not picture.is_file():
        raise MissingData(f"{picture}: not there; {_REMEDY}")
    to.write_bytes(picture.read_bytes())


def regions(structured: list[list[Row]], order: tuple[int, ...]) -> list[list[float]]:
    """Return the corners x1, y1, x2, y2 in pixels of the boxes of a picture, then those of the shapes in them.

    `structured`: x, y and size of the shapes in each box; `order`: its boxes from left to right. Raises ValueError.
    """
    if len(structured) != len(order):
        raise ValueError(f"structured_rep has {len(structured)} boxes, expected {len(order)}")
    lefts = [_STEP * place for place in range(len(order))]
    boxes = [[float(left), 0.0, float(left + _SIDE), float(_SIDE)] for left in lefts]
    return boxes + [_corners(shape, left) for left, box in zip(lefts, order, strict=True) for shape in structured[box]]


def _corners(shape: Row, left: int) -> list[float]:
    x, y, size = (float(shape[field]) for field in ("x_loc", "y_loc", "size"))
    return [left + x, y, min(left + x + size, left + _SIDE), min(y + size, _SIDE)]
