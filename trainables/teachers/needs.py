"""What a trial reads from its teachers, and whether they can give it. Imports no torch."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ablative.trainables.distillation.config import Distillation
from ablative.trainables.distillation.weightings import TASK_WEIGHTINGS
from ablative.trainables.distillation.weightings import WEIGHTINGS
from ablative.trainables.parts.teacher import Gift
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.teachers.config import AnyTeacher
from ablative.trainables.teachers.config import all_models
from ablative.trainables.teachers.config import find_teacher
from ablative.trainables.teachers.config import missing_options
from ablative.trainables.teachers.config import nearest_model
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.tables import TABLES
from ablative.trainables.teachers.tables import Table

What = Table | Literal["joint", "confidence"]
"""A table of features, the need for a joint space of images and texts, or the teacher's confidence in the truth."""
_OF_GIFT: dict[Table, tuple[Gift, bool]] = {
    "images": ("image", False),
    "patches": ("patches", False),
    "regions": ("patches", False),
    "texts": ("text", False),
    "states": ("words", False),
    "words": ("text", True),
    "left_out": ("text", True),
}
"""Table -> what a teacher must give for it, and whether it must read texts from outside the data."""
_MEANS: dict[What, str] = {
    "images": "embeddings of pictures",
    "patches": "features of patches",
    "regions": "features of regions",
    "texts": "embeddings of texts",
    "states": "states of words in their text",
    "words": "embeddings of single words",
    "left_out": "embeddings of texts with a word left out",
    "joint": "one space for images and texts",
    "confidence": "the confidence in each candidate, which takes one space for images and texts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a setting reads from a teacher."""

    what: What
    setting: str
    """Dotted path."""


def needs(distillation: Distillation) -> Iterator[Need]:
    """Yield everything that the objective reads from a teacher; several settings may read the same thing."""
    for term in distillation.terms_on():
        for read in term.reads:
            yield from _of_read(read, f"distillation.terms.{term.name}", distillation)
    if distillation.has_terms and WEIGHTINGS[distillation.weighting.confidence].weight is not None:
        yield from _confidence("distillation.weighting.confidence")
    if TASK_WEIGHTINGS[distillation.weighting.task].weight is not None:
        yield from _confidence("distillation.weighting.task")
    if distillation.distils and distillation.adaptation.of != "none":
        yield from _each("distillation.adaptation.of", "images", "texts")
        if distillation.adaptation.of == "teacher":
            yield Need(what="joint", setting="distillation.adaptation.of")


def _of_read(read: str, setting: str, distillation: Distillation) -> Iterator[Need]:
    if read == "teacher.image":
        yield from _each(setting, "images")
    elif read == "teacher.text":
        yield from _each(setting, "texts")
    elif read == "teacher.regions":
        yield from _each(setting, "regions", "joint")
    elif read == "teacher.scale":
        yield from _each(setting, "joint")
    elif read == "teacher.visual":
        yield from _each(setting, "images", "words", "joint")
    elif read == "teacher.words":
        yield from _each(setting, "states" if distillation.selection.features == "contextual" else "words")
    elif read in ("teacher.probabilities", "teacher.confidence"):
        yield from _confidence(setting)
    elif read == "teacher.prior" and (score := distillation.score) is not None:
        selection = "distillation.selection.score"
        if score.leaves_out:
            yield from _each(selection, "texts", "left_out")
        for side in score.compares:
            yield from _each(selection, "words", *(("images", "joint") if side == "image" else ("texts",)))


def _confidence(setting: str) -> Iterator[Need]:
    yield from _each(setting, "images", "texts", "confidence")


def _each(setting: str, *what: What) -> Iterator[Need]:
    for one in what:
        yield Need(what=one, setting=setting)


def tables_read(distillation: Distillation) -> tuple[Table, ...]:
    """Return the tables that training reads, in the order in which they are computed."""
    wanted = {need.what for need in needs(distillation)}
    return tuple(table for table in TABLES if table in wanted)


def reads_confidence(distillation: Distillation) -> bool:
    """Return whether anything reads the teacher's confidence in the ground truth, or in any class."""
    return any(need.what == "confidence" for need in needs(distillation))


def given_tables(teacher: AnyTeacher) -> frozenset[Table]:
    """Return the tables that a teacher can fill."""
    part = teacher.part
    gifts = part.gifts(teacher)
    return frozenset(
        table for table, (gift, any_text) in _OF_GIFT.items() if gift in gifts and (part.live or not any_text)
    )


def _described(part: Teacher, name: str) -> str | None:
    assert part.options is not None
    return part.options.model_fields[name].description


def require_tables(teacher: AnyTeacher, tables: Collection[Table]) -> None:
    """Raise TeacherError for the first table that a teacher cannot fill."""
    given = given_tables(teacher)
    for table in tables:
        if table not in given:
            raise TeacherError(f"teacher.model: {teacher.model} gives no {_MEANS[table]}; choose another teacher")


def teacher_contradictions(
    teacher: AnyTeacher, distillation: Distillation, *, over_candidates: bool, at: str = "teacher"
) -> Iterator[tuple[str, str, str]]:
    """Yield (path, found, wanted) for each setting that does not go together with the teacher at `at`.

    `over_candidates`: the task's confidence compares the picture with each candidate's text.
    """
    part = find_teacher(teacher.model, teacher.catalogue())
    if part is None:
        near = nearest_model(teacher.model, teacher.catalogue())
        yield f"{at}.model", repr(teacher.model), repr(near) if near else all_models(teacher.catalogue())
        return
    if teacher.checkpoint is not None and not part.takes_checkpoint:
        yield f"{at}.checkpoint", repr(teacher.checkpoint), f"nothing: {teacher.model} has no checkpoint"
    for name in missing_options(teacher):
        yield f"{at}.{part.name}.{name}", "nothing", "a value: " + str(_described(part, name))
    if not part.live and teacher.control in ("untrained", "blank_image"):
        wanted = f"none or shuffled: {part.name} reads stored features, so that nothing else can be shown to it"
        yield "teacher.control", teacher.control, wanted
    given: set[What] = {*given_tables(teacher)}
    if joint := part.is_joint(teacher):
        given.add("joint")
    if joint or not over_candidates:
        given.add("confidence")
    settings: dict[str, dict[What, None]] = {}
    for need in needs(distillation):
        settings.setdefault(need.setting, {})[need.what] = None
    for setting, wanted_of in settings.items():
        if lacking := [what for what in wanted_of if what not in given]:
            means = " and ".join(_MEANS[what] for what in lacking)
            yield (
                setting,
                f"a setting that reads {means}",
                f"another one, or a teacher that gives it: {teacher.model} ({at}.model) does not",
            )
