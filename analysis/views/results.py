"""The views of a store's studies as Arrow tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from functools import cached_property
from functools import partial
from typing import TYPE_CHECKING
from typing import TypeVar

import pyarrow as pa
import pyarrow.dataset as ds

from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.mixing import mixtures
from ablative.analysis.pairing.mixing import refuse
from ablative.analysis.pairing.observations import OBSERVED
from ablative.analysis.pairing.observations import observe
from ablative.analysis.pairing.outcomes import COLUMNS
from ablative.analysis.pairing.outcomes import outcomes_of
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.asking import VIEWS
from ablative.analysis.views.asking import ask
from ablative.analysis.views.budgets import BUDGET_SCHEMA
from ablative.analysis.views.budgets import budgets_view
from ablative.analysis.views.cells import CELL_SCHEMA
from ablative.analysis.views.cells import STUDY_SCHEMA
from ablative.analysis.views.cells import cells_view
from ablative.analysis.views.cells import studies_view
from ablative.analysis.views.claims import CLAIM_SCHEMA
from ablative.analysis.views.claims import claims_view
from ablative.analysis.views.contrasts import CONTRAST_SCHEMA
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.contrasts import primary_contrasts_view
from ablative.analysis.views.disagreements import DISAGREEMENT_SCHEMA
from ablative.analysis.views.disagreements import disagreements_view
from ablative.analysis.views.effects import EFFECT_SCHEMA
from ablative.analysis.views.effects import effects_view
from ablative.analysis.views.heterogeneity import HETEROGENEITY_SCHEMA
from ablative.analysis.views.heterogeneity import heterogeneity_view
from ablative.analysis.views.importance import IMPORTANCE_SCHEMA
from ablative.analysis.views.importance import importance_view
from ablative.analysis.views.joined import joined
from ablative.analysis.views.notebook import SHOWN
from ablative.analysis.views.notebook import page_of
from ablative.analysis.views.notebook import shown_answer
from ablative.analysis.views.profiles import PROFILE_SCHEMA
from ablative.analysis.views.profiles import profiles_view
from ablative.analysis.views.robustness import ROBUSTNESS_SCHEMA
from ablative.analysis.views.robustness import robustness_view
from ablative.analysis.views.searches import SEARCH_SCHEMA
from ablative.analysis.views.searches import searches_view
from ablative.analysis.views.size_of_test import TEST_SIZE_SCHEMA
from ablative.analysis.views.size_of_test import size_of_test_view
from ablative.analysis.views.sql import TIMEOUT
from ablative.analysis.views.tried import TRIED
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.declared import late_line
from ablative.orchestrator.storing.flat_file import together
from ablative.orchestrator.storing.flat_trials import metrics_of
from ablative.orchestrator.storing.flat_trials import trials_view
from ablative.orchestrator.storing.records import CURVE_SCHEMA
from ablative.orchestrator.storing.records import PREDICTION_SCHEMA
from ablative.orchestrator.storing.records import RECORD_SCHEMA
from ablative.orchestrator.storing.store import Store

if TYPE_CHECKING:
    import pandas
    import polars

_Read = TypeVar("_Read")


class Results:
    """Views of the chosen studies, each read on first access."""

    def __init__(self, store: Store, studies: Sequence[str], *, mixed: bool = False, lenient: bool = False) -> None:
        """Read `studies` from `store`; use `load` for a URI. `lenient`: leave out a study that cannot be read."""
        self._store = store
        self._lenient = lenient
        self._mixed = mixed
        self.studies = tuple(studies)
        self._problems: list[str] = []
        self._records: dict[str, pa.Table] = {}
        self._observed: dict[str, pa.Table] = {}

    @cached_property
    def plans(self) -> dict[str, StudyPlan]:
        """Study -> its plan, for studies with a readable plan."""
        found: dict[str, StudyPlan] = {}
        for study in self.studies:
            try:
                text = self._store.study_json(study)
                found[study] = self._with_stamp(read_plan(text, study), text)
            except (StoreError, AnalysisError) as error:
                self._problems.append(str(error))
        return found

    def _with_stamp(self, plan: StudyPlan, text: bytes) -> StudyPlan:
        stamp = self._store.declared(plan.study)
        if stamp is None:
            return plan
        late = stamp.late(json.loads(text))
        return plan.model_copy(update={"late": late, "late_line": late_line(stamp, late)})

    @property
    def problems(self) -> tuple[str, ...]:
        """Parts that the views read so far have left out, each with its name and the reason."""
        return tuple(dict.fromkeys([*self._problems, *self._store.problems]))

    def check(self, study: str) -> None:
        """Name in `problems` each unreadable file of a study, whether a view needs it or not."""
        self._store.check(study)

    def plan(self, study: str) -> StudyPlan:
        """Return the plan of one of the studies; raises AnalysisError if it has no readable plan."""
        if study not in self.plans:
            raise AnalysisError("\n".join(self.problems) or f"study {study!r}: not among {', '.join(self.studies)}")
        return self.plans[study]

    def comparable(self, study: str) -> StudyPlan:
        """Return the plan of a study whose trials may be compared.

        Raises `IncomparableError` if they saw other data or are of another version. If the results were loaded as
        mixed, `problems` says so instead.
        """
        plan = self.plan(study)
        self.told(mixtures(self.observed(study), plan))
        return plan

    def told(self, mixtures: Sequence[str]) -> None:
        """Reject a mixture, or note it if the results were loaded as mixed."""
        if not self._mixed:
            refuse(mixtures)
        self._problems += mixtures

    def arrow(self, asked: str) -> pa.Table:
        """Return a view, given by its name, or the answer to a SQL statement over the views, as an Arrow table."""
        return self.answer(f"select * from {asked}" if asked in VIEWS else asked)

    def answer(self, sql: str, *, timeout: float = TIMEOUT) -> pa.Table:
        """Return the answer to a SQL statement over the views, within `timeout` seconds; raises `QueryError`."""
        return ask(sql, partial(getattr, self), timeout=timeout)

    def pandas(self, asked: str) -> pandas.DataFrame:
        """Return the result of `arrow` as a pandas data frame."""
        return self.arrow(asked).to_pandas()

    def polars(self, asked: str) -> polars.DataFrame:
        """Return the result of `arrow` as a polars data frame."""
        import polars

        return polars.DataFrame(self.arrow(asked))

    def __repr__(self) -> str:
        """Return which studies these are and how to query them."""
        return f"Results of {', '.join(self.studies)} in {self._store.uri!r}; ask results.pandas('effects') or any SQL"

    def _repr_html_(self) -> str:
        """Return the studies and their primary comparisons, for a notebook."""
        shown = [shown_answer(self.arrow, sql) for sql in SHOWN]
        return page_of(shown, self.problems)

    def records(self, study: str) -> pa.Table:
        """Return every stored record, in `RECORD_SCHEMA`, including those that the present plan no longer holds."""
        if study not in self._records:
            self._records[study] = self._store.table(study, current=False)
        return self._records[study]

    def observed(self, study: str) -> pa.Table:
        """Return the columns of `records` that comparisons read, in a fraction of the time: `OBSERVED` and metrics."""
        if study not in self._observed:
            self._observed[study] = self._read_observed(study)
        return self._observed[study]

    def _read_observed(self, study: str) -> pa.Table:
        flat = self._store.flat(study)
        if flat is None:
            return self._store.table(study, current=False, columns=[*OBSERVED, "metrics"])
        columns = [*OBSERVED, *metrics_of(flat.physical_schema)]
        return flat.to_table(columns=columns, filter=ds.field("phase") == "confirm", use_threads=False)

    def tried(self, study: str) -> pa.Table:
        """Return the columns of `records` that views of the search read: `TRIED`, parameters and metrics."""
        flat = self._store.flat(study)
        if flat is None:
            return self._store.table(study, current=False, columns=[*TRIED, "parameters", "metrics"])
        paths = [path for path in self.plan(study).search.space if path in flat.physical_schema.names]
        columns = [*TRIED, *paths, *metrics_of(flat.physical_schema)]
        return flat.to_table(columns=columns, filter=ds.field("phase") == "search", use_threads=False)

    @cached_property
    def trials(self) -> pa.Table:
        """One row a trial: `orchestrator.storing.flat_trials.trials_view`."""
        return joined([part if isinstance(part, pa.Table) else part.to_table() for part in self.parts_of_trials])

    @cached_property
    def parts_of_trials(self) -> list[pa.Table | ds.Dataset]:
        """The view `trials` in parts that may differ in their columns.

        From a data set only the needed columns are read.
        """
        empty = trials_view(RECORD_SCHEMA.empty_table(), None)
        found = list(self._of_each(self._trials_of, self.studies).values())
        flat = [part for part in found if not isinstance(part, pa.Table)]
        return [empty, *together(flat), *(part for part in found if isinstance(part, pa.Table))]

    def _trials_of(self, study: str) -> pa.Table | ds.ParquetFileFragment:
        if (flat := self._store.flat(study)) is not None:
            return flat
        plan = self.plans.get(study)
        current, fronts = (plan.current, plan.fronts) if plan else (None, ())
        return trials_view(self.records(study), current, fronts)

    @cached_property
    def effects(self) -> pa.Table:
        """One row per comparison: `analysis.views.effects.effects_view`. Studies without a readable plan have none."""
        return self._of_comparable(effects_view, EFFECT_SCHEMA)

    @cached_property
    def claims(self) -> pa.Table:
        """One row a declared comparison: `analysis.views.claims.claims_view`."""
        return self._of_comparable(claims_view, CLAIM_SCHEMA)

    @cached_property
    def contrasts(self) -> pa.Table:
        """One row a pair of arms, main effect or interaction: `analysis.views.contrasts.contrasts_view`."""
        return self._of_comparable(contrasts_view, CONTRAST_SCHEMA)

    @cached_property
    def primary_contrasts(self) -> pa.Table:
        """The rows of `contrasts` for the headline metric over all conditions, without the others."""
        return self._of_comparable(primary_contrasts_view, CONTRAST_SCHEMA)

    @cached_property
    def disagreements(self) -> pa.Table:
        """Arms against the reference, example by example: `analysis.views.disagreements.disagreements_view`."""

        def view(study: str) -> pa.Table:
            plan = self.comparable(study)
            return disagreements_view(self.observed(study), self._outcomes(study), plan)

        return joined([DISAGREEMENT_SCHEMA.empty_table(), *self._of_each(view, self.plans).values()])

    @cached_property
    def test_size(self) -> pa.Table:
        """One row an arm, over all conditions and in each: `analysis.views.size_of_test.size_of_test_view`."""
        found = self._of_each(self._size_of_test, self.plans)
        return joined([TEST_SIZE_SCHEMA.empty_table(), *found.values()])

    def _size_of_test(self, study: str) -> pa.Table:
        plan, observed = self.comparable(study), self.observed(study)
        outcomes = outcomes_of(observed, self._outcomes(study), plan, plan.headline.partition("/")[0])
        return size_of_test_view(observe(observed, plan), outcomes, plan)

    def _outcomes(self, study: str) -> Iterator[pa.Table]:
        return self._store.parts_of_predictions(study, COLUMNS)

    @cached_property
    def importance(self) -> pa.Table:
        """One row a cell, searched parameter and evaluator: `analysis.views.importance.importance_view`."""
        return self._of_plans(importance_view, IMPORTANCE_SCHEMA)

    @cached_property
    def budgets(self) -> pa.Table:
        """One row a cell and number of settings: `analysis.views.budgets.budgets_view`."""
        return self._of_plans(budgets_view, BUDGET_SCHEMA)

    @cached_property
    def searches(self) -> pa.Table:
        """One row a search: `analysis.views.searches.searches_view`."""

        def view(study: str) -> pa.Table:
            plan = self.plans[study]
            return searches_view(self.tried(study), observe(self.observed(study), plan), plan)

        return joined([SEARCH_SCHEMA.empty_table(), *self._of_each(view, self.plans).values()])

    @cached_property
    def profiles(self) -> pa.Table:
        """One row an arm and bar: `analysis.views.profiles.profiles_view`."""
        return self._of_comparable(profiles_view, PROFILE_SCHEMA)

    @cached_property
    def robustness(self) -> pa.Table:
        """One row an arm and condition or task left out: `analysis.views.robustness.robustness_view`."""
        return self._of_comparable(robustness_view, ROBUSTNESS_SCHEMA)

    @cached_property
    def heterogeneity(self) -> pa.Table:
        """One row an arm and condition: `analysis.views.heterogeneity.heterogeneity_view`."""
        return self._of_comparable(heterogeneity_view, HETEROGENEITY_SCHEMA)

    @cached_property
    def studies_table(self) -> pa.Table:
        """One row a study that has a readable plan: `analysis.views.cells.studies_view`."""
        return self._of_plans(studies_view, STUDY_SCHEMA)

    @cached_property
    def cells(self) -> pa.Table:
        """One row a planned cell: `analysis.views.cells.cells_view`."""
        return self._of_plans(cells_view, CELL_SCHEMA)

    @cached_property
    def curves(self) -> pa.Table:
        """One row a point of a training curve, with its study in front."""
        return self._of_each_study(self._store.curves, CURVE_SCHEMA)

    @cached_property
    def predictions(self) -> pa.Table:
        """One row an evaluated example of a confirm trial, with its study in front."""
        return self._of_each_study(self._store.predictions, PREDICTION_SCHEMA)

    def _of_comparable(self, view: Callable[[pa.Table, StudyPlan], pa.Table], schema: pa.Schema) -> pa.Table:
        plans = self._of_each(self.comparable, self.plans)  # reject all before computing any
        return joined([schema.empty_table(), *(view(self.observed(study), plan) for study, plan in plans.items())])

    def _of_plans(self, view: Callable[[pa.Table, StudyPlan], pa.Table], schema: pa.Schema) -> pa.Table:
        tables = self._of_each(lambda study: view(self.records(study), self.plans[study]), self.plans)
        return joined([schema.empty_table(), *tables.values()])

    def _of_each_study(self, read: Callable[[str], pa.Table], schema: pa.Schema) -> pa.Table:
        tables = {"": schema.empty_table(), **self._of_each(read, self.studies)}
        return joined(
            [
                table.add_column(0, "study", pa.array([study] * table.num_rows, pa.string()))
                for study, table in tables.items()
            ]
        )

    def _of_each(self, read: Callable[[str], _Read], studies: Iterable[str]) -> dict[str, _Read]:
        """Return each readable study. If nobody named them, an unreadable one does not stop the others."""
        found: dict[str, _Read] = {}
        for study in studies:
            try:
                found[study] = read(study)
            except (StoreError, AnalysisError) as error:
                if not self._lenient:
                    raise
                self._problems.append(f"study {study!r}: left out, {error}")
        return found


def load(uri: str, studies: Sequence[str] | str | None = None, *, mixed: bool = False) -> Results:
    """Open the results of `studies` (names; all in the store if None) in the store at `uri`, a path or URI.

    `mixed`: also compare trials that saw other data or are of another version, and say so in `problems`.

    A named study that cannot be read or compared is an error. Without names, such a study is left out and listed in
    `problems`. Raises `AnalysisError` if the store holds nothing or lacks a named study.
    """
    store = Store.open(uri)
    known = store.studies()
    asked = [studies] if isinstance(studies, str) else list(store.readable_studies() if studies is None else studies)
    unknown = [study for study in asked if study not in known]
    if unknown or not known:
        raise AnalysisError(
            f"store {uri!r}: no results of {', '.join(map(repr, unknown)) or 'any study'}; studies in the store: "
            f"{', '.join(known) or 'none'}. `ablate run STUDY` makes them; --store names another store."
        )
    return Results(store, asked, mixed=mixed, lenient=studies is None)
