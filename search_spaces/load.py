"""From a study file to a sound study, or to a list of all its mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict

from ablative.search_spaces.consistency import Consistency
from ablative.search_spaces.design import Cell
from ablative.search_spaces.document import Document
from ablative.search_spaces.document import given_document
from ablative.search_spaces.document import read_document
from ablative.search_spaces.draft import draft
from ablative.search_spaces.draft import section
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.errors import grave
from ablative.search_spaces.families import Family
from ablative.search_spaces.families import arms_to_confirm
from ablative.search_spaces.families import families
from ablative.search_spaces.families import unanswerable
from ablative.search_spaces.override import overridden
from ablative.search_spaces.recipe import with_recipe
from ablative.search_spaces.references import References
from ablative.search_spaces.shipped import display_name
from ablative.search_spaces.shipped import find_study
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import NamedArms
from ablative.search_spaces.subject import Subjects
from ablative.search_spaces.wording import one_of

Source = str | Path | Mapping[str, Any]
"""A study: a shipped one's name, a path, or the values of a file."""
GIVEN = "study"
"""The name, in mistakes, of a study that is not in a file."""
_TOGETHER = {"base", "arms", "conditions", "search"}
"""Sections that must be sound before they can be compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStudy:
    """A sound study."""

    study: Study
    cells: tuple[Cell, ...]
    families: tuple[Family, ...]
    """The families of comparisons, the most important first; none if the study has one arm."""
    warnings: tuple[Mistake, ...]


def load_study(source: Source, *, subjects: Subjects, default: str, overrides: Sequence[str] = ()) -> LoadedStudy:
    """The study at a path, the shipped study of a bare name, or the one of these values, with ``a.b=value`` overrides.

    `subjects`: by the trainables that a study may name; `default` is that of one that names none. Raises StudyError
    with every mistake at once; warnings are mistakes where the study is `strict`.
    """
    written = overridden(_document(source), overrides)
    trainable = _trainable(written, subjects, default)
    subject = subjects[trainable]()
    document = with_recipe(written, subject.recipes)
    sketch = draft(document, subject.config_type)
    unread = {mistake.path for mistake in document.mistakes}
    mistakes = [*document.mistakes, *(mistake for mistake in sketch.mistakes if mistake.path not in unread)]
    references = References(document=document, subject=subject, unsound=frozenset(map(section, grave(mistakes))))
    mistakes += references.check(sketch.study)
    study = _resolved(sketch.study, trainable, subject.named_arms)
    built: tuple[Cell, ...] = ()
    if sketch.base is not None and not _TOGETHER.intersection(map(section, grave(mistakes))):
        built, found = Consistency(document=document, subject=subject).check(study, sketch.base)
        mistakes += found
    judged: tuple[Family, ...] = ()
    if not grave(mistakes):
        judged = families(study, subject.task, arms_to_confirm(study, len({cell.arm for cell in built})))
        mistakes += unanswerable(document, study, subject.task, judged)
    told = _in_order(mistakes)
    if grave(told) or (told and study.strict):
        raise StudyError(told)
    return LoadedStudy(study=study, cells=built, families=judged, warnings=told)


def _document(source: Source) -> Document:
    if isinstance(source, Mapping):
        return given_document(source, GIVEN)
    path = find_study(source)
    return read_document(path, display_name(path))


def _trainable(document: Document, subjects: Subjects, default: str) -> str:
    """The trainable that a study names. Raises StudyError if it is unknown, because all other checks depend on it."""
    name = document.value.get("trainable")
    if not isinstance(name, str):  # left out; a value that is not a name is reported with the other mistakes
        return default
    if name not in subjects:
        unknown = document.mistake(("trainable",), f"an unknown trainable {name}", one_of(name, subjects))
        raise StudyError(_in_order([*document.mistakes, unknown]))
    return name


class _AnyTrial(BaseModel):
    """A base that is not checked."""

    model_config = ConfigDict(extra="allow")


def sketched_study(source: str | Path) -> Study:
    """The name of a study and the place of its records; nothing else is checked.

    Raises StudyError for an unreadable file, and for an invalid name or storage.
    """
    path = find_study(source)
    document = read_document(path, display_name(path))
    sketch = draft(document, _AnyTrial)
    mistakes = [mistake for mistake in sketch.mistakes if section(mistake) in ("study", "storage")]
    if mistakes or not document.value:
        raise StudyError(_in_order(mistakes or document.mistakes or sketch.mistakes))
    return sketch.study


def _resolved(study: Study, trainable: str, known: NamedArms) -> Study:
    """`study` with its trainable and the changes of named arms written out."""

    def filled(named: Mapping[str, Any]) -> dict[str, Any]:
        return {name: dict(known.get(name, {})) if changes is None else changes for name, changes in named.items()}

    arms = study.arms.model_copy(update={"listed": filled(study.arms.listed), "controls": filled(study.arms.controls)})
    return study.model_copy(update={"trainable": trainable, "arms": arms})


def _in_order(mistakes: Sequence[Mistake]) -> tuple[Mistake, ...]:
    unique = dict.fromkeys(mistakes)
    return tuple(sorted(unique, key=lambda mistake: (mistake.line is None, mistake.line or 0, mistake.path)))
