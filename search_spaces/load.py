"""From a study file to a study that is known to be sound, or to all its mistakes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel
from pydantic import ConfigDict

from ablative.search_spaces.config_checks import Contradictions
from ablative.search_spaces.config_checks import WithoutScale
from ablative.search_spaces.config_checks import no_contradictions
from ablative.search_spaces.config_checks import unscaled
from ablative.search_spaces.consistency import Consistency
from ablative.search_spaces.design import Cell
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
from ablative.search_spaces.recipe import Recipes
from ablative.search_spaces.recipe import with_recipe
from ablative.search_spaces.references import References
from ablative.search_spaces.shipped import display_name
from ablative.search_spaces.shipped import find_study
from ablative.search_spaces.study import Study

Controls = Mapping[str, Mapping[str, Any]]
_TOGETHER = {"base", "arms", "conditions", "search"}
"""Sections that must be sound before they can be compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStudy:
    """A study that is known to be sound."""

    study: Study
    cells: tuple[Cell, ...]
    families: tuple[Family, ...]
    """What it will compare, what answers its question first; none where it has one arm."""
    warnings: tuple[Mistake, ...]


def load_study(
    source: str | Path,
    *,
    config_type: type[BaseModel],
    controls: Controls,
    canonical: Callable[[Any], Any],
    overrides: Sequence[str] = (),
    metrics: Collection[str] = (),
    recipes: Recipes = MappingProxyType({}),
    contradictions: Contradictions = no_contradictions,
    without_scale: WithoutScale = unscaled,
) -> LoadedStudy:
    """The study at a path, or the shipped study of a bare name, with ``a.b=value`` overrides applied.

    `config_type` is the trial configuration that dotted paths address, `controls` are the named controls, and
    `canonical` removes from a configuration what has no effect. `metrics` are known metrics' names without their
    split; any passes where empty. `recipes` are what `base.recipe` may name. `contradictions` and `without_scale` know
    which fields go together, and which objectives are one but for a factor. Raises StudyError with every mistake at
    once; warnings are mistakes where the study is `strict`.
    """
    path = find_study(source)
    document = with_recipe(overridden(read_document(path, display_name(path)), overrides), recipes)
    sketch = draft(document, config_type)
    unread = {mistake.path for mistake in document.mistakes}
    mistakes = [*document.mistakes, *(mistake for mistake in sketch.mistakes if mistake.path not in unread)]
    references = References(
        document=document,
        config_type=config_type,
        controls=controls,
        metrics=metrics,
        unsound=frozenset(map(section, grave(mistakes))),
    )
    mistakes += references.check(sketch.study)
    study = _with_controls(sketch.study, controls)
    built: tuple[Cell, ...] = ()
    if sketch.base is not None and not _TOGETHER.intersection(map(section, grave(mistakes))):
        whole = Consistency(
            document=document, canonical=canonical, contradictions=contradictions, without_scale=without_scale
        )
        built, found = whole.check(study, sketch.base)
        mistakes += found
    judged: tuple[Family, ...] = ()
    if not grave(mistakes):
        judged = families(study, arms_to_confirm(study, len({cell.arm for cell in built})))
        mistakes += unanswerable(document, study, judged)
    told = _in_order(mistakes)
    if grave(told) or (told and study.strict):
        raise StudyError(told)
    return LoadedStudy(study=study, cells=built, families=judged, warnings=told)


class _AnyTrial(BaseModel):
    """A base that is not looked at."""

    model_config = ConfigDict(extra="allow")


def sketched_study(source: str | Path) -> Study:
    """The name of a study and where its records are, whatever its trials are made of; nothing else of it is checked.

    Raises StudyError for a file that cannot be read, and for a name or a storage that is none.
    """
    path = find_study(source)
    document = read_document(path, display_name(path))
    sketch = draft(document, _AnyTrial)
    mistakes = [mistake for mistake in sketch.mistakes if section(mistake) in ("study", "storage")]
    if mistakes or not document.value:
        raise StudyError(_in_order(mistakes or document.mistakes or sketch.mistakes))
    return sketch.study


def _with_controls(study: Study, controls: Controls) -> Study:
    """`study` with the changes of named controls written out."""

    def filled(named: Mapping[str, Any]) -> dict[str, Any]:
        return {name: dict(controls.get(name, {})) if changes is None else changes for name, changes in named.items()}

    arms = study.arms.model_copy(update={"listed": filled(study.arms.listed), "controls": filled(study.arms.controls)})
    return study.model_copy(update={"arms": arms})


def _in_order(mistakes: Sequence[Mistake]) -> tuple[Mistake, ...]:
    unique = dict.fromkeys(mistakes)
    return tuple(sorted(unique, key=lambda mistake: (mistake.line is None, mistake.line or 0, mistake.path)))
