"""Which files, or which part of them, make a split. Imports no torch.

The layouts are those of the real distributions. Where a folder has no labelled test file (VCR and VQA keep theirs
to themselves), the official validation file serves as `test`, and `val` is carved out of train by a hash of the
image, so that search never sees what confirm reports. Shifted tests (`test_*`) are files found by their names, or
made of the test by a rule or a list of ids. Unlabelled files are `blind_*` splits: predicted for a leaderboard, never
scored.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from ablative.trainables.benchmark.spec import PRESETS
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.data.layout import LAYOUTS
from ablative.trainables.data.layout import VQA_CP
from ablative.trainables.data.layout import layout_of
from ablative.trainables.data.left_out import FILE as LEFT_OUT
from ablative.trainables.data.reading import lines
from ablative.trainables.data.shortcuts import Rule
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData

Part = Literal["all", "carved", "rest"]

CARVED_PERCENT = 5
"""Percent of the training images that make `val` where it has to be carved."""
_SHIFTED_ORDER = ("test_style", "test_priors", "test_shortcuts")
_NUM_LOOKED_AT = 20
"""Rows of a test file that are searched for a label."""
_SIZE_OF = {"vcr": "annotations", "snli_ve": "statements", "vqa": "questions"}


RULES: dict[str, Rule] = {"test_shortcuts": "any", "test_rule_singular": "singular", "test_rule_plural": "plural"}
"""Shifted tests of VCR that are made while the test is read, unless a file holds them."""
_PUBLISHED = {
    "test_rule_singular": "val_rule_singular.jsonl",
    "test_rule_plural": "val_rule_plural.jsonl",
    "test_adv_top1": "val_adv_rmtop1.jsonl",
    "test_keep_top1": "val_adv_keeptop1.jsonl",
    "test_keep_top3": "val_adv_keeptop3.jsonl",
    "test_keep_top5": "val_adv_keeptop5.jsonl",
}
"""Shifted test of VCR -> name of its published file."""
_LISTED = {
    "vcr": {},
    "snli_ve": {"test_hypothesis_hard": "hypothesis_hard_test.json"},
    "vqa": {"test_counterexamples": "counterexamples.json", "test_counterexamples_hard": "hard.json"},
}
"""Task -> shifted test -> file with the ids of the test's rows that belong to it. VQA's are those of VQA-CE."""
BLIND = {
    "vcr": {"blind_test": ("test.jsonl",)},
    "snli_ve": {},
    "vqa": {
        "blind_dev": ("v2_OpenEnded_mscoco_test-dev2015_questions.json",),
        "blind_test": ("v2_OpenEnded_mscoco_test2015_questions.json",),
    },
}
"""Task -> split without labels -> its files. `blind_test` of VQA is what its server calls test-std."""
BLIND_IMAGES = "test2015"
"""Folder of the pictures of VQA's blind splits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a split's examples come from."""

    files: tuple[Path, ...]
    part: Part = "all"
    rule: Rule | None = None
    """The rows are edited by this rule of `trainables.data.shortcuts` while they are read; others are left out."""
    only: Path | None = None
    """JSON list of row ids; rows with other ids are left out."""
    blind: bool = False
    """The rows have no labels."""


def splits_of(task: str, data: str) -> tuple[str, ...]:
    """Return the names of the splits that `data` has for `task`: shifted tests behind test, blind ones last.

    For a folder that is not there: the splits that the real distribution gives.
    """
    if data in PRESETS:
        sizes = preset(data).sizes
        return tuple(split for split, size in sizes.items() if getattr(size, _SIZE_OF[task]))
    folder = Path(data).expanduser()
    found = set(_shifted(task, folder))
    order = [split for split in _SHIFTED_ORDER if split in found]
    return ("train", "val", "test", *order, *sorted(found - set(order)), *_blind(task, folder))


def _shifted(task: str, folder: Path) -> list[str]:
    """Return the shifted tests of a real data set: by rule, by file, by list."""
    made = list(RULES) if task == "vcr" else []
    if task == "vcr":
        made += [split for split, name in _PUBLISHED.items() if (folder / name).exists()]
    listed = [split for split, name in _LISTED[task].items() if (folder / name).exists()]
    return sorted({*made, *listed, *_shifted_files(task, folder)})


def _blind(task: str, folder: Path) -> list[str]:
    there = [split for split, names in BLIND[task].items() if all((folder / name).exists() for name in names)]
    if task == "vcr":
        return there if there and not _has_labels(task, (folder / "test.jsonl",)) else []
    return there if (folder / BLIND_IMAGES).exists() else []


def _shifted_files(task: str, folder: Path) -> list[str]:
    """Return the names of the shifted tests that `folder` has files of under the task's own names."""
    start, end = LAYOUTS[task].files_of("*")[-1].split("*")
    names = (path.name.removeprefix(start).removesuffix(end) for path in folder.glob(f"{start}test_*{end}"))
    return sorted(names)


def data_files(task: str, folder: Path) -> list[Path]:
    """Return every annotation file in `folder` that some split is read from, sorted; slices included."""
    layout = layout_of(task, folder)
    names = {name for split in ("train", "val", "test") for name in layout.files_of(split)}
    names |= {name for split in _shifted_files(task, folder) for name in layout.files_of(split)}
    names |= {LEFT_OUT, *_LISTED[task].values(), *(_PUBLISHED.values() if task == "vcr" else ())}
    names |= {name for split in _blind(task, folder) for name in BLIND[task][split]}
    paths = [folder / name for name in names] + sorted((folder / "slices").glob("*.json"))
    return sorted(path for path in paths if path.is_file())


def source(task: str, folder: Path, split: str) -> Source:
    """Return where `split` is read from. Raises `MissingData` for a split that the folder does not have."""
    layout = layout_of(task, folder)

    def files(name: str) -> tuple[Path, ...]:
        return tuple(folder / file for file in layout.files_of(name))

    labelled = _has_labels(task, files("test"))
    carved = layout is VQA_CP or not labelled
    test = files("test" if labelled else "val")
    if split in ("train", "val") and carved:
        return Source(files=files("train"), part="carved" if split == "val" else "rest")
    if split == "test":
        return _there(task, split, Source(files=test))
    if split in BLIND[task]:
        return _there(task, split, Source(files=tuple(folder / name for name in BLIND[task][split]), blind=True))
    if split in _LISTED[task]:
        return _there(task, split, Source(files=test, only=folder / _LISTED[task][split]))
    if task == "vcr" and split in _PUBLISHED and (folder / _PUBLISHED[split]).exists():
        return Source(files=(folder / _PUBLISHED[split],))
    if task == "vcr" and split in RULES and not files(split)[0].exists():
        return Source(files=test, rule=RULES[split])
    return _there(task, split, Source(files=files(split)))


def _there(task: str, split: str, origin: Source) -> Source:
    for path in (*origin.files, *([origin.only] if origin.only else [])):
        if not path.exists():
            raise MissingData(f"split {split!r} of {task}: {path} is not there; remove the split or add the file.")
    return origin


def _has_labels(task: str, test: tuple[Path, ...]) -> bool:
    if not all(path.exists() for path in test):
        return False
    if task != "vcr":
        return True
    try:
        rows = [row for _, row in islice(lines(test[0]), _NUM_LOOKED_AT)]
    except UnreadableData:  # then it is the test, and reading it raises: the other splits can be looked at
        return True
    return any(isinstance(row, dict) and "answer_label" in row for row in rows)


def is_carved(image: str) -> bool:
    """Return whether `image` belongs to a `val` carved out of train: a property of its name alone."""
    point = hashlib.blake2b(image.encode(), digest_size=8).digest()
    return int.from_bytes(point, "big") % 100 < CARVED_PERCENT
