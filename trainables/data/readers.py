"""Which reader reads which task's files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ablative.trainables.data.examples import Example
from ablative.trainables.data.left_out import kept
from ablative.trainables.data.slices import read_slices
from ablative.trainables.data.snli_ve import CLASSES
from ablative.trainables.data.snli_ve import read_snli_ve
from ablative.trainables.data.sources import Source
from ablative.trainables.data.vcr import read_vcr
from ablative.trainables.data.vqa import read_vqa
from ablative.trainables.data.vqa import vocabulary


def classes_of(task: str, folder: Path) -> tuple[str, ...]:
    """Return the output classes of a task: none in VCR, three in SNLI-VE, the vocabulary in VQA."""
    if task == "vcr":
        return ()
    return CLASSES if task == "snli_ve" else vocabulary(folder)


def read_examples(task: str, folder: Path, split: str, origin: Source, classes: tuple[str, ...]) -> Iterator[Example]:
    """Yield the examples of a split as its files give them, one row after the other, but for pictures left out."""
    slices = read_slices(folder, split)
    if task == "vcr":
        return kept(read_vcr(origin, slices), folder)
    examples = read_snli_ve(origin, slices) if task == "snli_ve" else read_vqa(origin, slices, classes)
    return kept(examples, folder)
