"""What a task is: its files, and what it asks a student about them. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import get_args

from ablative.progress import Progress
from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Options
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError

if TYPE_CHECKING:
    import numpy as np

    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit
    from ablative.trainables.data.pairs import Pair

Head = Literal[
    "candidates",  # one of the example's candidates is right; match or no match of each, a softmax over them
    "exclusive",  # one of the classes is right; a softmax over them
    "independent",  # each class has a score in [0, 1] of its own; a sigmoid each
]

RankedBy = Literal[
    "match_odds",  # how much more a candidate matches than not
    "match_logit",  # the logit of a match alone (UNITER)
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFolder:
    """The folder of a task's files, with a trial's options for reading it."""

    path: Path
    """It may be missing."""
    options: Any = None
    """An instance of the task's own type; None if the task has no options."""


def _no_files(split: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the files of a task are laid out; names are relative to the folder."""

    required: tuple[str, ...]
    """Files and folders that must exist; they show that a folder belongs to the task."""
    remedy: str
    """How to get the files."""
    image_folder: str = "."
    pictures: tuple[str, ...] = ()
    """Folders of pictures; may be missing if the image folder has tar shards or region features."""
    files_of: Callable[[str], tuple[str, ...]] = _no_files
    """Split's own name -> its annotation files. Used if the task gives no `source` or `files`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a split's examples come from."""

    files: tuple[Path, ...]
    part: Literal["all", "carved", "rest"] = "all"
    """Which images: those that `is_carved` takes out of train, or the rest."""
    rule: str | None = None
    """The task's own rule for editing or skipping rows while reading them."""
    only: Path | None = None
    """JSON list of row ids; rows with other ids are left out."""
    blind: bool = False
    """The rows have no labels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A request to a reader."""

    folder: TaskFolder
    split: str
    """Empty to get only the images that the files of `source` name, whatever the split."""
    source: Source
    classes: tuple[str, ...]
    slices: Mapping[str, tuple[str, ...]]
    """Row id -> names of its slices."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A shifted test made from a task's files."""

    file: str
    """Name of the file in the data folder."""
    num_items: int
    of: int
    """Items of the test from which it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifts:
    """How shifted tests are made."""

    make: Callable[[TaskFolder, Progress, Path | None], list[Shift]]
    """(Folder, progress, file of scores or None) -> the shifted tests that it wrote beside the task's files."""
    of: tuple[str, ...]
    """Splits from which they are made."""
    published: Mapping[str, int] = field(default_factory=dict)
    """File -> rows of the published test, as a check for users who have the data."""
    published_of: int = 0
    """Rows from which the published tests were made."""


def _no_classes(folder: TaskFolder) -> tuple[str, ...]:
    return ()


def _usual_splits(folder: TaskFolder) -> tuple[str, ...]:
    return ("train", "val", "test")


def _nothing_said(_: Any) -> tuple[()]:
    return ()


def _only_of_row(example: Example) -> bool:
    return example.id == example.group


def _picture(example: Example) -> str:
    return example.image


def _lines(source: Source) -> int:
    from ablative.trainables.data.reading import count

    return count(source.files[-1], b"\n")


def _accuracy(split: TaskSplit, probabilities: Sequence[np.ndarray], scores: np.ndarray) -> dict[str, float]:
    from ablative.trainables.data.metrics import by_slice
    from ablative.trainables.data.metrics import summary

    return summary(by_slice(split, scores))


def _each_with_its_text(split: TaskSplit) -> list[Pair]:
    from ablative.trainables.data.pairs import texts_with_pictures

    return texts_with_pictures(split)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Task(Part):
    """One task: pictures, texts, and the right answers. Its functions import heavy modules only when called."""

    kind: ClassVar[Kind] = "task"
    layout: Callable[[TaskFolder], Layout]
    read: Callable[[Reading], Iterator[Example]]
    """Yields a split's examples in the order of its files, each time the same."""
    head: Head
    """Decides loss, log-odds, probabilities and initial logit (`ablative.trainables.students.heads`). It also decides
    the source of a teacher's confidence: its cosines with the candidates, or a probe on its features."""
    classes: Callable[[TaskFolder], tuple[str, ...]] = _no_classes
    """The output classes, in order; empty for a task that chooses among candidates."""
    splits: Callable[[TaskFolder], tuple[str, ...]] = _usual_splits
    """Splits of a folder, `train`, `val` and `test` first; shifted ones begin with `test_`, unlabelled ones with
    `blind_`.
    """
    known_splits: tuple[str, ...] = ("val", "test")
    """Splits that a folder can have and a study may list; one that ends in `*` is a prefix."""
    source: Callable[[TaskFolder, str], Source] | None = None
    """Where to read a split from; the layout's `files_of` unless given. Raises MissingData."""
    files: Callable[[TaskFolder], Iterable[Path]] | None = None
    """Every annotation file of every split, whether or not it exists; those of `files_of` unless given."""
    num_examples: Callable[[Source], int] = _lines
    """About how many examples a source has, from a look at its bytes: for a progress bar."""
    published_examples: int = 0
    """Number of published training examples, for plans made without the files; 0: unknown."""
    sequences_each: int = 1
    """Sequences of picture and text that the student reads for one example, for plans: one for each candidate."""
    begins_row: Callable[[Example], bool] = _only_of_row
    """Whether an example is the first of those made from one row."""
    cluster: Callable[[Example], str] = _picture
    """The key that examples drawn together share. They are not independent evidence, so statistics resample keys. The
    picture unless given; `-` for an example drawn by itself."""
    refers_to_boxes: bool = False
    """Whether texts name regions of the image by the number of their box in its metadata."""
    numbered_images: bool = False
    """Whether region features are looked up by the number at the end of an image's name."""
    measure: Callable[[TaskSplit, Sequence[np.ndarray], np.ndarray], dict[str, float]] = _accuracy
    """(Split, a row of probabilities for each example, each example's score) -> metrics; accuracy and that of each
    slice unless given. Counts begin with `n`."""
    metrics: tuple[str, ...] = ("accuracy",)
    """Metrics that a study may have as its target; one that ends in `*` is a prefix. For each, a trial also records
    the value of always choosing the most frequent training class, as `majority_<name>`."""
    matched_class: int | None = None
    """Class whose examples are matched pairs of picture and text; None if every example is a matched pair."""
    pairs: Callable[[TaskSplit], list[Pair]] = _each_with_its_text
    """Matched pairs of a split in order, with the wrong texts that the labels name."""
    submission: Callable[[Mapping[str, str]], str] | None = None
    """Example id -> recorded prediction of a blind split, to the content of a leaderboard's file."""
    shifts: Shifts | None = None
    no_shifts: str = "no shifted test can be made from its files."
    """The message to users who ask for shifted tests where none can be made."""
    hub_task: str = "image-text-to-text"
    """Its pipeline tags on Hugging Face's hub, for the card of an exported student."""
    understood: Callable[[TaskFolder], Sequence[str]] = _nothing_said
    """Lines that `ablate data check` prints about the folder before it reads every row."""
    contradictions: Callable[[Any], Iterable[tuple[str, str, str]]] = _nothing_said
    """Options -> (option, found, wanted) for each option that contradicts another."""
    chosen: Options | None = None
    """The options of a trial (`with_options`)."""

    def __post_init__(self) -> None:
        """Raise PartError for an unknown head."""
        Part.__post_init__(self)
        if self.head not in get_args(Head):
            raise PartError(
                f"{self.defined_at}: task {self.name}: head is {self.head!r}; wanted one of "
                f"{', '.join(get_args(Head))}"
            )

    def at(self, path: Path) -> TaskFolder:
        """Return a folder as this task reads it."""
        return TaskFolder(path=path, options=self.chosen or (self.options() if self.options else None))

    def with_options(self, options: Options | None) -> Task:
        """Return the task with the options of a trial; the same object for the same options."""
        return self if options is None or self.options is None else _with_options(self, options)

    @property
    def changes(self) -> dict[str, Any]:
        """Return the chosen options that differ from their defaults, as JSON values."""
        return self.chosen.model_dump(mode="json", exclude_defaults=True) if self.chosen else {}


@cache
def _with_options(task: Task, options: Options) -> Task:
    return replace(task, chosen=options)
