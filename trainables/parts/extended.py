"""The configuration of `clip_td` with users' parts: its own fields, wider choices and new groups.

The bundled type is an ordinary class. An extended type exists only in the process that made it, so its values travel
as JSON with the digests of the parts' files. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import TypeVar
from typing import get_args

from pydantic import Field
from pydantic import create_model

from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import OneOfTeachersConfig
from ablative.trainables.config import TrialConfig
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.groups import option_groups
from ablative.trainables.parts.origin import BUNDLED
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.sources import known
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.student import students_by_preset
from ablative.trainables.parts.task import Task
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.parts.term import Term
from ablative.trainables.settings import Settings
from ablative.trainables.settings import Weight

Kind = TypeVar("Kind", bound=Part)
Model = TypeVar("Model", bound=Settings)


class Sent(Settings):
    """A model of an extended type. Its pickle holds JSON and digests, so any process with the parts can rebuild it."""

    parts_from: ClassVar[tuple[str, ...]] = ()
    """Digests of the files that the parts come from."""
    place: ClassVar[str] = ""
    """Dotted path in the trial's configuration; empty: the whole."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how another process makes this value."""
        return _restored, (self.parts_from, self.place, self.model_dump_json())


def _restored(digests: tuple[str, ...], place: str, content: str) -> Settings:
    whole = trial_config(known(digests))
    model = attrgetter(place)(whole()) if place else whole()
    return type(model).model_validate_json(content)


@cache
def trial_config(catalogue: Catalogue) -> type[TrialConfig]:
    """Return the type of a trial's configuration for this catalogue; `TrialConfig` if all its parts are bundled.

    Raises PartError if a part's name cannot be a group of options, or if an option lacks a default.
    """
    tasks, terms = _strangers(catalogue, Task), _strangers(catalogue, Term)
    students, teachers = _strangers(catalogue, Student), _strangers(catalogue, Teacher)
    if not (tasks or terms or students or teachers):
        return TrialConfig
    plain = TrialConfig()
    task = _extended(
        plain.task, catalogue, "task", name=_wider(plain.task, "name", names(tasks)), **_groups(plain.task, tasks)
    )
    presets = [preset for preset, student in students_by_preset(catalogue).items() if student in students]
    student = _extended(
        plain.student,
        catalogue,
        "student",
        preset=_wider(plain.student, "preset", presets),
        **_groups(plain.student, students),
    )
    teacher = _extended(plain.teacher, catalogue, "teacher", **_groups(plain.teacher, teachers))
    distillation = _distillation(plain.distillation, catalogue, terms)
    parts = {"task": task, "student": student, "teacher": teacher, "distillation": distillation}
    fields = {name: (part, part()) for name, part in parts.items()}
    return _extended(plain, catalogue, "", **fields, teachers=_several(plain, catalogue, teachers))


def _several(plain: TrialConfig, catalogue: Catalogue, teachers: list[Teacher]) -> tuple[Any, Any]:
    """Return the field `teachers` and its default."""
    field, one = type(plain).model_fields["teachers"], OneOfTeachersConfig()
    built = _extended(one, catalogue, "teachers", **_groups(one, teachers))
    return tuple[built, ...], Field((), max_length=16, description=field.description)  # type: ignore[valid-type]


def _distillation(plain: DistillationConfig, catalogue: Catalogue, terms: list[Term]) -> type[DistillationConfig]:
    for term in terms:
        _require_free(plain.terms, term)
    weights = {term.name: (Weight, Field(0.0, description=term.description)) for term in terms}
    of_terms = _extended(plain.terms, catalogue, "distillation.terms", **weights)
    built = _extended(plain, catalogue, "distillation", terms=(of_terms, of_terms()), **_groups(plain, terms))
    built.parts = catalogue.of(Term)
    return built


def _strangers(catalogue: Catalogue, kind: type[Kind]) -> list[Kind]:
    return [part for part, origin in catalogue.listed if isinstance(part, kind) and origin is not BUNDLED]


def names(parts: Iterable[Part]) -> list[str]:
    """Return the names of parts."""
    return [part.name for part in parts]


def _wider(plain: Settings, field: str, more: Iterable[str]) -> tuple[Any, Any]:
    """Return a field with further choices, and its default."""
    known_field = type(plain).model_fields[field]
    choices = (*get_args(known_field.annotation), *more)
    return Literal[choices], Field(known_field.default, description=known_field.description)


def _groups(plain: Settings, parts: Iterable[Part]) -> dict[str, tuple[Any, Any]]:
    """Return a group of options for each part that has any. Raises PartError if the name is already in use."""
    with_options = [part for part in parts if part.options is not None]
    for part in with_options:
        _require_free(plain, part)
    return option_groups(with_options)


def _require_free(plain: Settings, part: Part) -> None:
    """Raise PartError if the model already has a field or attribute of the part's name."""
    if part.name in type(plain).model_fields or hasattr(type(plain), part.name):
        raise PartError(
            f"{part.defined_at}: {part.kind} {part.name}: a setting already has this name, so the part's options "
            "have no place; rename the part"
        )


def _extended(plain: Model, catalogue: Catalogue, place: str, **fields: Any) -> type[Model]:
    base = type(plain)
    make: Any = create_model  # the type checker's plugin would read a call of it as a class statement
    # Messages name the type, so it has the name of the plain one.
    built: type[Model] = make(base.__name__, __base__=(Sent, base), __module__=__name__, **fields)
    made_of = classmethod(lambda cls: catalogue)
    for name, value in (("parts_from", catalogue.sources), ("place", place), ("catalogue", made_of)):
        setattr(built, name, value)
    return built
