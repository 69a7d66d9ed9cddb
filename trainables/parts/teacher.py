"""What a teacher is: a frozen model from pictures and texts to features. Imports no torch.

Dimensions: B images or texts, P patches, N words, D width: of the joint space, or of a tower's own.
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
    "patches",  # the features of a picture's patches, of which those of regions are made
]
GIFTS: tuple[Gift, ...] = get_args(Gift)


class LoadedTeacher(Protocol):
    """What `Teacher.load` returns; of the methods only those for what the teacher gives are called.

    Rows are of unit length, in float32 and on the CPU; the same input gives the same rows, whatever stands beside it.
    Images and texts of a teacher without a joint space may differ in width.
    """

    @property
    def width(self) -> int:
        """D; the larger one where images and texts differ."""

    @property
    def logit_scale(self) -> float:
        """Factor of the cosines in the contrastive softmax (1 / temperature); 1 without a joint space."""

    def to(self, place: device) -> LoadedTeacher:
        """Return the teacher, moved to where it computes."""

    def encode_images(self, images: Sequence[Any]) -> Tensor:
        """Return (B, D) embeddings of pictures (PIL); of their names where the teacher is not `live`."""

    def encode_texts(self, texts: Sequence[Any]) -> Tensor:
        """Return (B, D) embeddings of texts: each a `str` or a `Passage`, whose `text` it is."""

    def word_features(self, texts: Sequence[Any]) -> Sequence[Tensor]:
        """Return (N, D) for each text: the words of `ablative.trainables.teachers.words.words_of`, in order."""

    def encode_patches(self, images: Sequence[Any]) -> Sequence[Tensor]:
        """Return (P, D) for each picture, row by row.

        A teacher that does not see pictures whole has a method `window` too, by which regions are found in its
        patches: of a picture's (width, height), the rectangle x1, y1, x2, y2 that they cover, relative to the picture.
        """


def _nothing(config: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher(Part):
    """One kind of teacher, which `teacher.model` names; its functions get the `teacher` part of a configuration.

    Its options stand there in the group of its name; the paths among them are its `files`.
    """

    kind: ClassVar[Kind] = "teacher"
    load: Callable[[Any, Path, Progress], Any]
    """(Configuration, cache, progress) -> the teacher (`LoadedTeacher`, as far as it gives), frozen, in eval mode, on
    the CPU. Raises TeacherError. The control `untrained` wants the same architecture with random weights, always the
    same ones."""
    models: Callable[[], Collection[str]] | None = None
    """What `teacher.model` calls it; by its own name where there is no such function."""
    schema: str = ""
    """What else `teacher.model` may begin with; a path follows."""
    gives: Collection[Gift] | Callable[[Any], Collection[Gift]] = ("image", "text")
    """What it makes features of; where its options decide, a function of the configuration."""
    joint: bool | Callable[[Any], bool] = True
    """Whether images and texts lie in one space, so that cosines between them mean something."""
    live: bool = True
    """Whether it looks at pictures and reads any text. If not, it knows pictures by their names in the data and texts
    word for word: then no control changes what it sees, and no text but those of the data can be asked for."""
    requires: tuple[str, ...] = ()
    """Those of its options that a study has to give: None by default."""
    takes_checkpoint: bool = False
    """Whether it reads `teacher.checkpoint`."""
    files: Callable[[Any], Mapping[str, Path]] = _nothing
    """Dotted path below `teacher` -> the file or folder that it names. They have to be there; their content is part of
    the trial's identity, and their paths are not."""
    identity: Callable[[Any, Path], Mapping[str, Any]] | None = None
    """(Configuration, cache) -> JSON values that identify its weights, in place of the digests of `files`."""
    prepare: Callable[[Any, Path, Progress], None] | None = None
    """Makes, once and in one process, what `load` reads from the cache; existing files are kept."""

    def __post_init__(self) -> None:
        """Raise PartError for invalid gifts."""
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
        """Return whether images and texts lie in one space under a configuration."""
        return self.joint(config) if callable(self.joint) else self.joint


def absent_files(part: Teacher, config: Any) -> Iterable[str]:
    """Yield one line for each of a teacher's files that is not there, without reading any."""
    for place, path in part.files(config).items():
        if not path.expanduser().exists():
            yield f"teacher.{place}: nothing at {path}; give the path of a file or folder that is there"
