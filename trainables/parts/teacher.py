"""What a teacher is: a frozen model from pictures and texts to features. Imports no torch.

Dimensions: B images or texts, P patches, N words, D width of the joint space or of one tower.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import Protocol
from typing import get_args

from ablative.progress import Progress
from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError

if TYPE_CHECKING:
    from torch import Tensor
    from torch import device

Gift = Literal[
    "image",  # the embedding of a picture
    "text",  # the embedding of a text
    "words",  # the state of each word in its text
    "patches",  # the features of a picture's patches, from which those of regions are made
]
GIFTS: tuple[Gift, ...] = get_args(Gift)


class LoadedTeacher(Protocol):
    """The result of `Teacher.load`. Only the methods for what the teacher `gives` are called.

    Rows have unit length, in float32 on the CPU. The same input gives the same rows, whatever else is in the batch.
    Without a joint space, images and texts may differ in width.
    """

    @property
    def width(self) -> int:
        """D; the larger width if images and texts differ."""

    @property
    def logit_scale(self) -> float:
        """Factor of the cosines in the contrastive softmax (1 / temperature); 1 without a joint space."""

    def to(self, place: device) -> LoadedTeacher:
        """Return the teacher, moved to the device."""

    def encode_images(self, images: Sequence[Any]) -> Tensor:
        """Return (B, D) embeddings of pictures (PIL), or of their names if the teacher is not `live`."""

    def encode_texts(self, texts: Sequence[Any]) -> Tensor:
        """Return (B, D) embeddings of texts: each a `str` or a `Passage`, whose `text` it is."""

    def word_features(self, texts: Sequence[Any]) -> Sequence[Tensor]:
        """Return (N, D) for each text: the words of `ablative.trainables.teachers.words.words_of`, in order."""

    def encode_patches(self, images: Sequence[Any]) -> Sequence[Tensor]:
        """Return (P, D) for each picture, row by row.

        A teacher that does not see whole pictures also has a method `window`. From a picture's (width, height) it
        gives the rectangle x1, y1, x2, y2 that the patches cover, relative to the picture.
        """


def _nothing(config: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher(Part):
    """One kind of teacher, named by `teacher.model`.

    Its functions get the `teacher` group of a configuration, which holds its options in a group of its name. The
    paths among them are its `files`.
    """

    kind: ClassVar[Kind] = "teacher"
    load: Callable[[Any, Path, Progress], Any]
    """(Configuration, cache, progress) -> the teacher (`LoadedTeacher`, as far as it gives), frozen, in eval mode, on
    the CPU. Raises TeacherError. The control `untrained` wants the same architecture with random weights, always the
    same ones."""
    models: Callable[[], Collection[str]] | None = None
    """What `teacher.model` calls it; by its own name where there is no such function."""
    schema: str = ""
    """A further prefix of `teacher.model`; a path follows it."""
    gives: Collection[Gift] | Callable[[Any], Collection[Gift]] = ("image", "text")
    """What it makes features of; a function of the configuration if its options decide."""
    joint: bool | Callable[[Any], bool] = True
    """Whether images and texts share a space, so that cosines between them have a meaning."""
    live: bool = True
    """Whether it sees pictures and reads any text. If not, it looks up pictures by their names in the data and texts
    word for word. Then no control changes what it sees, and it knows only the texts of the data."""
    requires: tuple[str, ...] = ()
    """Options that a study must give; they are None by default."""
    takes_checkpoint: bool = False
    """Whether it reads `teacher.checkpoint`."""
    files: Callable[[Any], Mapping[str, Path]] = _nothing
    """Dotted path below `teacher` -> the file or folder that it names, which must exist. Contents enter the trial's
    identity; paths do not."""
    identity: Callable[[Any, Path], Mapping[str, Any]] | None = None
    """(Configuration, cache) -> JSON values that identify its weights, in place of the digests of `files`."""
    prepare: Callable[[Any, Path, Progress], None] | None = None
    """Makes the files that `load` reads from the cache, once and in one process; existing files stay."""

    def __post_init__(self) -> None:
        """Raise PartError for invalid `gives`."""
        Part.__post_init__(self)
        for gift in () if callable(self.gives) else self.gives:
            if gift not in GIFTS:
                raise PartError(
                    f"{self.defined_at}: teacher {self.name}: gives {gift!r}; wanted some of {', '.join(GIFTS)}"
                )

    def answers(self, model: str) -> bool:
        """Return whether `teacher.model` names it."""
        if self.schema and model.startswith(self.schema):
            return True
        return model == self.name if self.models is None else model in self.models()

    def gifts(self, config: Any) -> frozenset[Gift]:
        """Return what it makes features of under a configuration."""
        return frozenset(self.gives(config) if callable(self.gives) else self.gives)

    def is_joint(self, config: Any) -> bool:
        """Return whether images and texts share a space under a configuration."""
        return self.joint(config) if callable(self.joint) else self.joint


def absent_files(part: Teacher, config: Any) -> Iterable[str]:
    """Yield a line for each missing file of a teacher, without reading any."""
    for place, path in part.files(config).items():
        if not path.expanduser().exists():
            yield f"teacher.{place}: nothing at {path}; give the path of an existing file or folder"
