"""What a study set out to compare: the part of the stored `study.json` that analysis reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import ValidationError

from analysis.errors import AnalysisError


class _Read(BaseModel):
    # Permissive on purpose: a newer program may have stored more about the study than analysis needs.
    model_config = ConfigDict(frozen=True, extra="ignore")


class Target(_Read):
    """The metric that search optimises, e.g. val/accuracy, and its good direction."""

    metric: str
    mode: Literal["min", "max"] = "max"

    @property
    def name(self) -> str:
        """The metric without its split: accuracy."""
        return self.metric.partition("/")[2]


class Comparisons(_Read):
    """How p-values are judged."""

    correction: Literal["holm", "none"] = "holm"
    alpha: float = 0.05


class Search(_Read):
    """How the search of each cell gave settings up."""

    stop: dict[str, Any] | None = None

    @property
    def stopping_rule(self) -> str:
        """The rule, and whether it is reproducible; empty where there was none."""
        rules = [name for name, rule in (self.stop or {}).items() if rule is not None]
        if not rules:
            return ""
        name = rules[0].replace("_", " ")
        return f"{name}; not reproducible, it depends on who came first" if "asynchronous" in name else name


class Seeds(_Read):
    """Seeds of the two phases."""

    search: tuple[int, ...] = ()
    confirm: tuple[int, ...] = ()


class PlannedCell(_Read):
    """One arm under one combination of conditions."""

    name: str
    cell_id: str
    arm: str
    is_reference: bool = False
    is_control: bool = False
    condition: dict[str, Any] = {}
    trials: tuple[str, ...] | None = None
    """Ids of the trials that the present plan holds, as far as they are known; None from a writer that kept none."""

    @property
    def label(self) -> str:
        """The condition as text: `task.name=snli_ve, task.data_fraction=0.05`."""
        return condition_label(self.condition)


class StudyPlan(_Read):
    """One study: its question, its target, its cells."""

    study: str
    question: str = ""
    target: Target
    seeds: Seeds
    search: Search = Search()
    comparisons: Comparisons = Comparisons()
    evaluate: tuple[str, ...] = ("val",)
    cells: tuple[PlannedCell, ...]

    @property
    def reference(self) -> str | None:
        """Name of the arm that all others are compared with."""
        return next((cell.arm for cell in self.cells if cell.is_reference), None)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms in the study's order."""
        return tuple(dict.fromkeys(cell.arm for cell in self.cells))

    @property
    def controls(self) -> frozenset[str]:
        """Arms that are controls."""
        return frozenset(cell.arm for cell in self.cells if cell.is_control)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Labels of the conditions in the study's order."""
        return tuple(dict.fromkeys(cell.label for cell in self.cells))

    @property
    def current(self) -> frozenset[str] | None:
        """Ids of all trials in the present plan; None if the stored study names none."""
        if any(cell.trials is None for cell in self.cells):
            return None
        return frozenset(trial for cell in self.cells for trial in cell.trials or ())

    @property
    def headline(self) -> str:
        """The metric of the main table: the target's name on test, or the target itself if test is not evaluated."""
        return f"test/{self.target.name}" if "test" in self.evaluate else self.target.metric


def read_plan(stored: Mapping[str, Any]) -> StudyPlan:
    """Read a stored study; raises `AnalysisError` naming the field that is missing or wrong."""
    try:
        return StudyPlan.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"])
        name = stored.get("study", "?")
        raise AnalysisError(
            f"study.json of study {name!r}: {path}: {first['msg']}. Run `ablate run {name}` again to rewrite it; "
            "recorded trials are kept."
        ) from error


def condition_label(condition: Mapping[str, Any]) -> str:
    """Return `task.name=snli_ve, task.data_fraction=0.05`; `no conditions` when nothing is crossed."""
    return ", ".join(f"{path}={value}" for path, value in condition.items()) or "no conditions"
