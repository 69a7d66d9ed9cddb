"""What a student is: a model that reads a batch of a task and is trained. Imports no torch.

Your own student is one of these in the list `PARTS` of a file. It has sizes and a function that builds its module. It
may have options, files that it starts from, and a trunk with its own learning rate.
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
    """Most tokens of a text, including [CLS] and [SEP]; a longer text loses its end."""
    tags: Literal["none", "scaled"] = "none"
    """What a word that names a region (a tag, as in VCR) carries of that region unless `student.tags` says otherwise:
    nothing, or the region's vector, scaled to the length of the word's."""
    parameters: int = 0
    """About how many, to estimate the disk space of kept students; 0: unknown."""


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
    """(module, settings): fill a new module with its initial weights."""
    uses: Callable[[Any], Collection[Shared]] = _none_used
    """Settings -> which shared settings have an effect; the others stay out of identities."""
    files: Callable[[Any], Mapping[str, Path]] = _no_files
    """Settings -> setting -> the file that it names, which may be missing. Identities hold its digest, not its path.
    """
    reads_pixels: Callable[[Any], bool] = _never
    """Settings -> whether it reads pixels besides region features."""
    alone: bool = False
    """Whether what it makes of an example depends on nothing but that example and its dropout: no batch statistics."""
    trunk: str = ""
    """Prefix of the parameters whose learning rate has the factor `optim.trunk_lr_factor`; empty: no parameters."""
    report: Callable[[Any, int], tuple[list[str], bool]] | None = None
    """(settings, region width) -> lines that map the checkpoint `student.init` to the student's parameters, and
    whether a trial would reject it (`ablate student check`)."""

    plain: Callable[[Any, Any], tuple[str, dict[str, Any]]] | None = None
    """(settings, module) -> what an exported student is loaded by: the source of a file with `load(folder)` that needs
    only torch and safetensors, and the values from which it builds the module. Without it the export is a torch.export
    program."""

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
        """Return the settings, with every one that has no effect on this student at its default.

        `has_tags`: whether texts of the task name regions; then the result spells out how the student reads tags.
        """
        kept = {"preset", self.name, *self.uses(settings)} - (set() if has_tags else {"tags"})
        fields = type(settings).model_fields
        changed: Settings = settings.changed(**{name: fields[name].default for name in fields if name not in kept})
        return changed.changed(tags=self.tags(settings)) if "tags" in kept else changed

    def tags(self, settings: Any) -> str:
        """Return what a word that names a region carries of it, in a student with these settings that uses `tags`."""
        found: str = self.presets[settings.preset].tags if settings.tags == "preset" else settings.tags
        return found


@cache
def students_by_preset(catalogue: Catalogue) -> Mapping[str, Student]:
    """Return preset -> its student. Raises PartError if two students have a preset of the same name."""
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
