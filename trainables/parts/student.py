"""What a student is: a model that reads a batch of a task and is trained. Imports no torch.

A student of your own is one of these in the list `PARTS` of a file: its sizes, the function that builds its module
and, where it has them, options, files that it starts from, and a trunk with a learning rate of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import TypeVar

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError

if TYPE_CHECKING:
    from torch import nn

Shared = Literal["init", "vocabulary", "visual_input", "tags", "trunk_model", "trunk_checkpoint", "dropout"]
"""Settings of `student` that any student may use."""
Settings = TypeVar("Settings", bound=Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One size of a student."""

    description: str
    """What it is, shown where a person chooses."""
    longest_text: int = 64
    """Tokens of the longest text, [CLS] and [SEP] included; a longer one loses its end."""
    tags: Literal["none", "scaled"] = "none"
    """What a word that names a region (a tag, as in VCR) carries of it unless `student.tags` says otherwise: nothing,
    or its vector at the length of the word's own."""
    parameters: int = 0
    """About how many, for the estimate of the disk that kept students take; 0: not known."""


def _none_used(settings: Any) -> Collection[Shared]:
    return ()


def _no_files(settings: Any) -> Mapping[str, Path]:
    return {}


def _never(settings: Any) -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student(Part):
    """One family of students. Its functions get a trial's settings `student`; its options are `settings.<name>`."""

    kind: ClassVar[Kind] = "student"
    presets: Mapping[str, Preset]
    """Its sizes by name, as `student.preset` has them; unique over all students."""
    build: Callable[[Any, Callable[[int], nn.Module], int], nn.Module]
    """(settings, head, region width) -> a `StudentModule` (`ablative.trainables.students.student`) with fresh weights.
    `head(width)` makes the task's head for states of that width. Reads no file."""
    start: Callable[[Any, Any], None] | None = None
    """(module, settings): fill a new module with the weights that it starts from."""
    uses: Callable[[Any], Collection[Shared]] = _none_used
    """Settings -> which of those that students share have an effect; the others stay out of identities."""
    files: Callable[[Any], Mapping[str, Path]] = _no_files
    """Settings -> setting -> the file that it names, there or not. The file's digest enters identities, not its path.
    """
    reads_pixels: Callable[[Any], bool] = _never
    """Settings -> whether it reads pictures as pixels, besides region features."""
    trunk: str = ""
    """What the names of parameters begin with that learn at `optim.trunk_lr_factor`; empty: there are none."""
    report: Callable[[Any, int], tuple[list[str], bool]] | None = None
    """(settings, region width) -> what of the checkpoint `student.init` becomes what of the student, as lines, and
    whether a trial would refuse it (`ablate student check`)."""

    plain: Callable[[Any, Any], tuple[str, dict[str, Any]]] | None = None
    """(settings, module) -> source of a file with `load(folder)` that needs torch and safetensors alone, and what it
    builds the module of: what an exported student is loaded by. Without it a program of torch.export goes out."""

    def __post_init__(self) -> None:
        """Raise PartError for invalid presets."""
        Part.__post_init__(self)
        found = self.presets
        if not isinstance(found, Mapping) or not found or not all(isinstance(one, Preset) for one in found.values()):
            raise PartError(
                f"{self.defined_at}: student {self.name}: presets is {found!r}; wanted at least one name with an "
                "ablative.Preset"
            )

    def canonical(self, settings: Settings, *, has_tags: bool = True) -> Settings:
        """Return the settings with all that has no effect on this student at its default.

        `has_tags`: whether texts of the task name regions; then it is spelled out how the student reads tags.
        """
        kept = {"preset", self.name, *self.uses(settings)} - (set() if has_tags else {"tags"})
        fields = type(settings).model_fields
        changed: Settings = settings.changed(**{name: fields[name].default for name in fields if name not in kept})
        return changed.changed(tags=self.tags(settings)) if "tags" in kept else changed

    def tags(self, settings: Any) -> str:
        """Return what a word that names a region carries of it in a student of these settings, if it uses `tags`."""
        found: str = self.presets[settings.preset].tags if settings.tags == "preset" else settings.tags
        return found


@cache
def students_by_preset(catalogue: Catalogue) -> Mapping[str, Student]:
    """Return the student that each preset belongs to. Raises PartError where two have a preset of one name."""
    found: dict[str, Student] = {}
    for student in catalogue.of(Student).values():
        for preset in student.presets:
            other = found.setdefault(preset, student)
            if other is not student:
                raise PartError(
                    f"{student.defined_at}: student {student.name}: preset {preset!r} already exists, in student "
                    f"{other.name} ({other.defined_at}); give one of them another name"
                )
    return found
