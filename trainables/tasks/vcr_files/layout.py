"""The files of VCR, and the splits that they make. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ablative.trainables.data.reading import lines
from ablative.trainables.data.sources import in_order
from ablative.trainables.data.sources import shifted_files
from ablative.trainables.errors import UnreadableData
from ablative.trainables.parts.task import Layout
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import TaskFolder

_NUM_LOOKED_AT = 20
"""Rows of a test file that are searched for a label."""
RULES = {"test_shortcuts": "any", "test_rule_singular": "singular", "test_rule_plural": "plural"}
"""Shifted tests that are made while reading the test (`shortcuts_removed`), unless a file holds them."""
PUBLISHED = {
    "test_rule_singular": "val_rule_singular.jsonl",
    "test_rule_plural": "val_rule_plural.jsonl",
    "test_adv_top1": "val_adv_rmtop1.jsonl",
    "test_keep_top1": "val_adv_keeptop1.jsonl",
    "test_keep_top3": "val_adv_keeptop3.jsonl",
    "test_keep_top5": "val_adv_keeptop5.jsonl",
}
"""Shifted test -> name of its published file."""
BLIND = "blind_test"
LAYOUT = Layout(
    required=("train.jsonl", "val.jsonl"),
    pictures=("vcr1images",),
    image_folder="vcr1images",
    remedy="VCR 1.0, annotations and images: visualcommonsense.com, page Download",
    files_of=lambda split: (f"{split}.jsonl",),
)


def layout(place: TaskFolder) -> Layout:
    """Return the layout, the same for every folder."""
    return LAYOUT


def splits(place: TaskFolder) -> tuple[str, ...]:
    """Return the splits of a folder; the official test is blind, unless somebody has made a labelled one."""
    published = [split for split, name in PUBLISHED.items() if (place.path / name).exists()]
    test = place.path / "test.jsonl"
    blind = [BLIND] if test.exists() and not _has_labels(test) else []
    return in_order([*RULES, *published, *shifted_files(LAYOUT, place.path)], blind)


def files(place: TaskFolder) -> Iterator[Path]:
    """Yield every possible annotation file."""
    names = ["train", "val", "test", *shifted_files(LAYOUT, place.path)]
    yield from (place.path / f"{name}.jsonl" for name in names)
    yield from (place.path / name for name in PUBLISHED.values())


def source(place: TaskFolder, split: str) -> Source:
    """Return the file that a split is read from.

    Without a labelled test, `val` is carved out of train and val is `test`.
    """

    def file(name: str) -> Path:
        return place.path / f"{name}.jsonl"

    labelled = _has_labels(file("test"))
    test = (file("test" if labelled else "val"),)
    if split in ("train", "val") and not labelled:
        return Source(files=(file("train"),), part="carved" if split == "val" else "rest")
    if split == "test":
        return Source(files=test)
    if split == BLIND:
        return Source(files=(file("test"),), blind=True)
    if split in PUBLISHED and (place.path / PUBLISHED[split]).exists():
        return Source(files=(place.path / PUBLISHED[split],))
    if split in RULES and not file(split).exists():
        return Source(files=test, rule=RULES[split])
    return Source(files=(file(split),))


def _has_labels(test: Path) -> bool:
    if not test.exists():
        return False
    try:
        rows = [row for _, row in islice(lines(test), _NUM_LOOKED_AT)]
    except UnreadableData:  # then it is the test, and reading it raises; the other splits still work
        return True
    return any(isinstance(row, dict) and "answer_label" in row for row in rows)
