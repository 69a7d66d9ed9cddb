"""The teacher's part of a trial's configuration, built from the available teachers. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING
from typing import Any
from typing import Literal
from typing import TypeAlias

from pydantic import Field
from pydantic import create_model

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import shipped
from ablative.trainables.parts.groups import option_groups
from ablative.trainables.parts.of_parts import OfParts
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.settings import Text
from ablative.trainables.teachers.errors import TeacherError


class AnyTeacher(OfParts):
    """The frozen model whose features are distilled."""

    model: Text = Field("mini_dual_encoder", description="A teacher's name, or any open_clip model name.")
    checkpoint: Text | None = Field(None, description="Local checkpoint of an open_clip model.")
    control: Literal["none", "shuffled", "untrained", "blank_image"] = Field(
        "none",
        description="Control: targets permuted over examples, random weights, or every image blank.",
    )
    precision: Literal["float16", "float32"] = Field(
        "float16", description="Precision of its features in the teacher cache."
    )

    @property
    def part(self) -> Teacher:
        """The teacher that `model` names. Raises TeacherError with the nearest name if there is none."""
        return teacher_named(self.model, self.catalogue())

    @property
    def options(self) -> Any:
        """The options of the teacher that `model` names; None if it has none."""
        return getattr(self, self.part.name) if self.part.options is not None else None

    def canonical(self) -> AnyTeacher:
        """Return the same settings, without options of teachers that `model` does not name."""
        return self.with_options_of(Teacher, _name_of(self.model, self.catalogue()))


class OneOfTeachers(OfParts):
    """One of several teachers. Every other setting of a teacher comes from `teacher`, for all of them."""

    model: Text = Field("mini_dual_encoder", description="A teacher's name, or any open_clip model name.")
    weight: float = Field(1.0, ge=1e-6, le=1e6, description="Its weight in every term.")
    checkpoint: Text | None = Field(None, description="Local checkpoint of an open_clip model.")

    def in_place_of(self, teacher: AnyTeacher) -> AnyTeacher:
        """Return the settings of one teacher, with this one in its place; control and precision stay."""
        return teacher.changed(**{name: getattr(self, name) for name in type(self).model_fields if name != "weight"})

    def canonical(self) -> OneOfTeachers:
        """Return the same settings, without options of teachers that `model` does not name."""
        return self.with_options_of(Teacher, _name_of(self.model, self.catalogue()))


def find_teacher(model: str, catalogue: Catalogue) -> Teacher | None:
    """Return the teacher that `teacher.model` names; None if no teacher has that name."""
    teachers = catalogue.of(Teacher).values()
    return next((part for part in teachers if part.answers(model)), None)


def _name_of(model: str, catalogue: Catalogue) -> str | None:
    part = find_teacher(model, catalogue)
    return None if part is None else part.name


def teacher_named(model: str, catalogue: Catalogue) -> Teacher:
    """Return the teacher that `teacher.model` names. Raises TeacherError if no teacher has that name."""
    part = find_teacher(model, catalogue)
    if part is None:
        near = nearest_model(model, catalogue)
        remedy = f"did you mean {near!r}?" if near else f"wanted {all_models(catalogue)}"
        raise TeacherError(f"teacher.model: found {model!r}; {remedy}")
    return part


def missing_options(teacher: AnyTeacher) -> list[str]:
    """Return the names of required options that the study does not give."""
    return [name for name in teacher.part.requires if getattr(teacher.options, name) is None]


def nearest_model(model: str, catalogue: Catalogue) -> str | None:
    """Return the name nearest to a mistyped `teacher.model`; None if none is near."""
    return next(iter(get_close_matches(model, list(_names(catalogue)), n=1)), None)


def all_models(catalogue: Catalogue) -> str:
    """Return in words the values that `teacher.model` may have."""
    own = [part.name for part in catalogue.of(Teacher).values() if part.models is None]
    return f"{', '.join(own)} or a name of open_clip.list_models()"


def _names(catalogue: Catalogue) -> Iterator[str]:
    for part in catalogue.of(Teacher).values():
        yield from (part.name,) if part.models is None else part.models()


if TYPE_CHECKING:
    TeacherConfig: TypeAlias = AnyTeacher
    OneOfTeachersConfig: TypeAlias = OneOfTeachers
else:
    _GROUPS = option_groups(shipped("teacher"))
    TeacherConfig = create_model(
        "TeacherConfig",
        __base__=AnyTeacher,
        __module__=__name__,
        __doc__=AnyTeacher.__doc__,
        **_GROUPS,
    )
    OneOfTeachersConfig = create_model(
        "OneOfTeachersConfig",
        __base__=OneOfTeachers,
        __module__=__name__,
        __doc__=OneOfTeachers.__doc__,
        **_GROUPS,
    )
