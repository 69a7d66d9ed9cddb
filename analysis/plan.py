"""What a study set out to compare: the part of the stored `study.json` that analysis reads."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from math import prod
from typing import Any
from typing import Literal

from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from pydantic import ValidationError

from ablative.analysis.errors import AnalysisError
from ablative.search_spaces.margins import Margin
from ablative.search_spaces.margins import WrittenMargin
from ablative.search_spaces.margins import margin_of
from ablative.search_spaces.spending import Correction
from ablative.search_spaces.spending import Estimate
from ablative.search_spaces.spending import Method
from ablative.search_spaces.spending import Spending
from ablative.search_spaces.spending import in_force
from ablative.search_spaces.spending import spent_at
from ablative.search_spaces.stopping import RULES
from ablative.search_spaces.study import headline


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


class Claim(_Read):
    """One comparison that the study declares."""

    arm: str
    against: str
    where: dict[str, tuple[Any, ...]] = {}
    splits: tuple[str, ...] = ()
    at_least: WrittenMargin | None = None
    """What the difference must exceed."""
    equivalent_within: WrittenMargin | None = None
    """What it must stay within, in both directions."""

    @property
    def has_margin(self) -> bool:
        """Whether it has a margin of its own, so that any difference does not show it."""
        return self.at_least is not None or self.equivalent_within is not None


class Comparisons(_Read):
    """How p-values are judged."""

    correction: Correction = "holm"
    estimate: Estimate = "mean"
    blocks: Literal["task_and_seed", "seed"] = "task_and_seed"
    alpha: float = 0.05
    margin: WrittenMargin | None = None
    weights: dict[str, dict[str, float]] | None = None
    """Dotted path of a condition -> its values, as text -> what they count; 1 where not given."""
    claims: dict[str, Claim] = {}

    @property
    def matters(self) -> Margin | None:
        """The margin of the study."""
        return margin_of(self.margin)

    @property
    def unit(self) -> str:
        """What a comparison over all conditions counts."""
        blocks = "blocks of a seed" if self.blocks == "seed" else "blocks of task and seed"
        return blocks if self.weights is None else f"weighted {blocks}"

    def weight_of(self, condition: Mapping[str, Any]) -> float:
        """Return what a condition counts: the product of the weights of its values."""
        of_values = ((self.weights or {}).get(path, {}).get(str(value), 1.0) for path, value in condition.items())
        return prod(of_values, start=1.0)

    @property
    def weighting(self) -> str:
        """The declared weights in words; empty where all tasks count alike."""
        given = (
            f"{path} {value} {weight:g}"
            for path, of_values in (self.weights or {}).items()
            for value, weight in of_values.items()
        )
        listed = ", ".join(given)
        return f"weights as declared ({listed}; else 1)" if listed else ""

    @property
    def claimed(self) -> frozenset[tuple[str, str]]:
        """(Arm, against) of the claims that say what the primary comparisons do: about any difference, everywhere."""
        claims = (item for item in self.claims.values() if not (item.where or item.splits or item.has_margin))
        return frozenset((item.arm, item.against) for item in claims)


class Search(_Read):
    """How the search of each cell went."""

    stop: dict[str, Any] | None = None
    sampler: str = ""
    trials: int = 1
    """Settings that a search tries."""
    space: dict[str, Any] = {}
    """Dotted path -> domain, as in the study file."""
    repeats: int = 1
    """Searches of each cell."""
    shared: bool = False
    """Whether all arms of a condition have one setting."""

    @property
    def stopping_rule(self) -> str:
        """The rule, and whether it is reproducible; empty where there was none."""
        rules = [name for name, rule in (self.stop or {}).items() if rule is not None]
        if not rules:
            return ""
        name, rule = rules[0].replace("_", " "), RULES.get(rules[0])
        depends = rule is not None and rule.observes
        return f"{name}; not reproducible, it depends on who came first" if depends else name


class Sequential(_Read):
    """Looks at the comparisons before all confirm seeds were run."""

    looks: tuple[int, ...]
    spending: Spending = "pocock"
    futility: float | None = None


class Seeds(_Read):
    """Seeds of the two phases."""

    search: tuple[int, ...] = ()
    confirm: tuple[int, ...] = ()
    nested: bool = False
    """Whether each confirm seed searches for itself."""
    sequential: Sequential | None = None

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of confirm seeds at which comparisons are looked at; the last is all of them."""
        return (*(self.sequential.looks if self.sequential else ()), len(self.confirm))


class Roles(_Read):
    """Which dotted paths play a part that analysis knows; those of a study that names none are `clip_td`'s."""

    task: str | None = "task.name"
    """What is learned: comparisons are made within it and averaged over it; None where there is one thing to learn."""
    data_fraction: str | None = "task.data_fraction"
    """Share of the training data; None where trials always use all of it."""

    def task_of(self, condition: Mapping[str, Any]) -> str | None:
        """Return the task that a condition names; None where tasks are not crossed."""
        path = self.task
        return str(condition[path]) if path is not None and path in condition else None

    def data_fraction_of(self, condition: Mapping[str, Any]) -> float | None:
        """Return the share of the training data that a condition names; None where shares are not crossed."""
        path = self.data_fraction
        return float(condition[path]) if path is not None and path in condition else None


class Designed(_Read):
    """The rule that made the arms."""

    design: str = "listed"
    base: str = "base"
    factors: dict[str, Any] = {}
    """Name -> factor, as in the study file."""


class CellPlan(_Read):
    """One arm under one combination of conditions."""

    name: str
    cell_id: str
    arm: str
    is_reference: bool = False
    is_control: bool = False
    condition: dict[str, Any] = {}
    state: str = ""
    front: tuple[int, ...] = ()
    """Proposals on the Pareto front of target and cost."""
    search_total: int | None = None
    """Search trials planned; None from a writer that kept no count."""
    confirm_total: int | None = None
    """Confirm trials planned; None from a writer that kept no count."""
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
    roles: Roles = Roles()
    target: Target
    seeds: Seeds
    designed: Designed = Field(Designed(), validation_alias="arms")
    search: Search = Search()
    comparisons: Comparisons = Comparisons()
    evaluate: tuple[str, ...] = ("val",)
    cells: tuple[CellPlan, ...]
    late: tuple[str, ...] = ()
    """What was declared after the first confirm trial: settings of `comparisons` by name, and `claim <name>`."""
    late_line: str = ""
    """That in a sentence, with the time."""

    @property
    def confirm_planned(self) -> dict[tuple[str, str], int]:
        """(Arm, condition label) -> confirm trials planned; a cell whose search failed owes them all the same."""
        counts = {(cell.arm, cell.label): cell.confirm_total or None for cell in self.cells}
        return {place: len(self.seeds.confirm) if count is None else count for place, count in counts.items()}

    def look_of(self, *arms: str) -> int:
        """Return the number, from 0, of the look at which these arms stand together.

        Their pairs end with the seeds of the arm that was stopped first.
        """
        looks = self.seeds.looks
        if len(looks) == 1:
            return 0
        counts = [(name, count) for (name, _), count in self.confirm_planned.items()]
        planned = min(max((count for name, count in counts if name == arm), default=looks[-1]) for arm in arms)
        return next((number for number, seeds in enumerate(looks) if seeds >= planned), len(looks) - 1)

    def spent(self, *arms: str) -> float:
        """Return the share of alpha that the look may spend at which these arms stand together; 1 of a single look."""
        alpha, sequential = self.comparisons.alpha, self.seeds.sequential
        if sequential is None:
            return 1.0
        return spent_at(self.seeds.looks, sequential.spending, alpha)[self.look_of(*arms)] / alpha

    def correction_of(self, comparisons: int, pairs: int) -> Method:
        """Return the correction of so many comparisons, of which each is planned to have so many pairs at least."""
        given = self.comparisons
        return in_force(
            given.correction, comparisons=comparisons, pairs=pairs, alpha=given.alpha, estimate=given.estimate
        )

    @cached_property
    def reference(self) -> str | None:
        """Name of the arm that all others are compared with."""
        return next((cell.arm for cell in self.cells if cell.is_reference), None)

    @cached_property
    def arms(self) -> tuple[str, ...]:
        """Arms that are compared, in the study's order: not those that a path only tries, which are not confirmed."""
        tried = {cell.arm for cell in self.cells if cell.confirm_total == 0 and cell.state != "failed"}
        return tuple(dict.fromkeys(cell.arm for cell in self.cells if cell.arm not in tried))

    @cached_property
    def controls(self) -> frozenset[str]:
        """Arms that are controls."""
        return frozenset(cell.arm for cell in self.cells if cell.is_control)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Labels of the conditions in the study's order."""
        return tuple(dict.fromkeys(cell.label for cell in self.cells))

    @cached_property
    def _conditions(self) -> dict[str, Mapping[str, Any]]:
        return {cell.label: cell.condition for cell in self.cells}

    def condition_of(self, label: str) -> Mapping[str, Any]:
        """Return the condition of a label; nothing for that of all conditions."""
        return self._conditions.get(label, {})

    @cached_property
    def current(self) -> frozenset[str] | None:
        """Ids of all trials in the present plan; None if the stored study names none."""
        if any(cell.trials is None for cell in self.cells):
            return None
        return frozenset(trial for cell in self.cells for trial in cell.trials or ())

    @property
    def place_column(self) -> Literal["cell", "cell_id"]:
        """The column of a record that says in which cell it stands.

        Its cell's name, which means an arm and a condition: two cells may share one configuration, and with it their
        id. The records of a plan that names no trials stand as they were written; there only the id tells those that
        the plan no longer holds.
        """
        return "cell_id" if self.current is None else "cell"

    @cached_property
    def cells_at(self) -> dict[str, CellPlan]:
        """Value of `place_column` -> cell."""
        return {getattr(cell, "cell_id" if self.current is None else "name"): cell for cell in self.cells}

    def cell_of(self, record: Mapping[str, Any]) -> CellPlan | None:
        """Return the cell that a record (with the columns `cell` and `cell_id`) stands in; None if there is none."""
        return self.cells_at.get(record[self.place_column])

    @property
    def fronts(self) -> frozenset[tuple[str, int]]:
        """(Cell name, proposal) of every setting on a Pareto front."""
        return frozenset((cell.name, proposal) for cell in self.cells for proposal in cell.front)

    @cached_property
    def headline(self) -> str:
        """The metric of the main table: the target's name on test, or the target itself if test is not evaluated."""
        return headline(self.target.metric, self.evaluate)


def read_plan(stored: Mapping[str, Any] | bytes, name: str = "?") -> StudyPlan:
    """Read a stored study, as values or as JSON; raises `AnalysisError` naming the field that is missing or wrong."""
    try:
        if isinstance(stored, bytes):
            return StudyPlan.model_validate_json(stored)  # what is not needed is skipped without being made
        return StudyPlan.model_validate(stored)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in first["loc"]) or "not a JSON object"
        study = name if isinstance(stored, bytes) else stored.get("study", name)
        raise AnalysisError(
            f"study.json of study {study!r}: {path}: {first['msg']}. Run `ablate run {study}` again to rewrite it; "
            "recorded trials are kept."
        ) from error


def shared_conditions(first: StudyPlan, second: StudyPlan) -> dict[str, str]:
    """Return label in `first` -> label in `second` of the conditions that both have; 1 and 1.0 are one number."""
    ours, theirs = ({cell.label: cell.condition for cell in plan.cells} for plan in (first, second))
    return {
        label: other
        for label, condition in ours.items()
        for other, their_condition in theirs.items()
        if condition == their_condition
    }


NO_CONDITIONS = "no conditions"
"""Label of the only condition of a study that crosses nothing."""


def condition_label(condition: Mapping[str, Any]) -> str:
    """Return `task.name=snli_ve, task.data_fraction=0.05`; `no conditions` when nothing is crossed."""
    return ", ".join(f"{path}={value}" for path, value in condition.items()) or NO_CONDITIONS
