"""Confirm trials' scores on each example of a split, and the clusters in which examples were drawn."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ablative.analysis.plan import StudyPlan
from ablative.orchestrator.storing.records import ALONE

COLUMNS = ("trial_id", "split", "example_id", "score", "row_id", "cluster")
"""Columns of predictions from which outcomes are made."""

UNKNOWN = "examples are taken as independent: records of versions before 5 do not say which belong together"
"""The note on outcomes whose `known` is false."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Scores of one trial, each of shape (examples,)."""

    examples: np.ndarray
    """Numbers of the examples, ascending."""
    scores: np.ndarray

    def of(self, examples: np.ndarray) -> np.ndarray:
        """Return the scores of `examples`, all of which must be present."""
        return self.scores[np.searchsorted(self.examples, examples)]


@dataclass(slots=True)
class _Numbered:
    """Examples of one data set by number, with their recorded fields."""

    numbers: dict[str, int] = field(default_factory=dict)
    rows: list[str | None] = field(default_factory=list)
    clusters: list[str | None] = field(default_factory=list)
    _last: tuple[pa.Table, np.ndarray] | None = None

    def of(self, told: pa.Table) -> np.ndarray:
        """Return the number of each example, in `told`'s order: `example_id`, `row_id` and `cluster`."""
        if self._last is not None and self._last[0].equals(told):  # nearly always, as trials share their test
            return self._last[1]
        found = np.empty(told.num_rows, np.int64)
        for place, (name, row, cluster) in enumerate(zip(*(column.to_pylist() for column in told), strict=True)):
            number = self.numbers.setdefault(name, len(self.rows))
            if number == len(self.rows):
                self.rows.append(row)
                self.clusters.append(cluster)
            elif cluster is not None:
                self.rows[number], self.clusters[number] = row, cluster
            found[place] = number
        self._last = told, found
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Groups of examples of one data set that belong together, by number."""

    rows: np.ndarray
    """Number of the row that each example comes from."""
    clusters: np.ndarray
    """Number of the cluster that each example was drawn with: its cluster, else its row, else itself."""
    known: bool
    """Whether the records contain clusters; those of versions before 5 do not, and each example counts for itself."""


def _drawn(of: _Numbered) -> Drawn:
    names = list(of.numbers)
    rows = [f"row {row}" if row else f"example {name}" for name, row in zip(names, of.rows, strict=True)]
    clusters = [
        row if cluster is None or cluster == ALONE else f"cluster {cluster}"
        for row, cluster in zip(rows, of.clusters, strict=True)
    ]
    return Drawn(
        rows=_codes(rows), clusters=_codes(clusters), known=all(cluster is not None for cluster in of.clusters)
    )


def _codes(names: list[str]) -> np.ndarray:
    return np.asarray(pa.array(names, pa.string()).dictionary_encode().indices.to_numpy())


Place = tuple[str, str, int]
"""(Arm, condition label, confirm seed)."""


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """Scores on one split of the confirm trials that the plan holds."""

    trials: Mapping[Place, tuple[str, str]]
    """Place -> (trial id, status)."""
    scored: Mapping[str, Scored]
    """Trial id -> its scores, without trials that kept no predictions."""
    data_of: Mapping[str, str]
    """Trial id -> its data set."""
    numbered: Mapping[str, _Numbered]
    """Data set -> its examples."""

    @cached_property
    def drawn(self) -> dict[str, Drawn]:
        """Data set -> the groups of its examples."""
        return {data: _drawn(of) for data, of in self.numbered.items()}

    def of(self, arm: str, label: str) -> dict[int, str]:
        """Return confirm seed -> trial, of the completed trials of a cell that have predictions."""
        return {
            seed: trial
            for (name, condition, seed), (trial, status) in self.trials.items()
            if (name, condition) == (arm, label) and status == "completed" and trial in self.scored
        }

    def paired(self, arm: str, reference: str, label: str) -> PairedScores:
        """Return the scores of two arms in one condition; empty if these saw several data sets."""
        sides = [self.of(name, label) for name in (arm, reference)]
        both = sorted(sides[0].keys() & sides[1].keys())
        seeds = tuple(both if len({self.data_of[side[seed]] for side in sides for seed in both}) == 1 else ())
        trials = [side[seed] for side in sides for seed in seeds]
        examples = reduce(_in_both, (self.scored[trial].examples for trial in trials)) if trials else _NOTHING
        tables = [
            np.array([self.scored[side[seed]].of(examples) for seed in seeds]).reshape(len(seeds), len(examples))
            for side in sides
        ]
        drawn = self.drawn[self.data_of[trials[0]]] if trials else Drawn(rows=_NOTHING, clusters=_NOTHING, known=True)
        return PairedScores(
            seeds=seeds,
            data=self.data_of[trials[0]] if trials else "",
            arm=tables[0],
            reference=tables[1],
            rows=drawn.rows[examples],
            clusters=drawn.clusters[examples],
            known=drawn.known,
        )


_NOTHING = np.array([], dtype=np.int64)


def _in_both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one if np.array_equal(one, other) else np.intersect1d(one, other)  # nearly always the same


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedScores:
    """Scores of two arms on the examples that all their common seeds have, each of shape (seeds, examples)."""

    seeds: tuple[int, ...]
    data: str
    """The data set of both."""
    arm: np.ndarray
    reference: np.ndarray
    rows: np.ndarray
    """Row of each example, as `Drawn`."""
    clusters: np.ndarray
    """Cluster of each example, as `Drawn`."""
    known: bool

    @property
    def binary(self) -> bool:
        """Whether every example is either right or wrong."""
        return bool(np.isin(self.arm, (0, 1)).all() and np.isin(self.reference, (0, 1)).all())


def outcomes_of(records: pa.Table, parts: Iterable[pa.Table], plan: StudyPlan, split: str) -> Outcomes:
    """Return the outcomes of a study on a split.

    `records`: with the columns `OBSERVED`; `parts`: predictions with the columns `COLUMNS`, in any order.
    """
    trials = _places(records, plan)
    ids = {trial for trial, _ in trials.values()}
    wanted = pa.array(sorted(ids), pa.string())
    given = zip(*(records[name].to_pylist() for name in ("trial_id", "task", "data_digest")), strict=True)
    data_of = {trial: f"{task} {digest}" for trial, task, digest in given if trial in ids}
    numbered: dict[str, _Numbered] = {}
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for part in parts:
        here = part.filter(pc.and_(pc.equal(part["split"], split), pc.is_in(part["trial_id"], value_set=wanted)))
        for trial in pc.unique(here["trial_id"]).to_pylist():
            mine = here.filter(pc.equal(here["trial_id"], trial))
            examples = numbered.setdefault(data_of[trial], _Numbered()).of(
                mine.select(["example_id", "row_id", "cluster"])
            )
            found.setdefault(trial, []).append((examples, mine["score"].to_numpy()))
    scored = {trial: _scored(pieces) for trial, pieces in found.items()}
    return Outcomes(trials=trials, scored=scored, data_of=data_of, numbered=numbered)


def _scored(pieces: list[tuple[np.ndarray, np.ndarray]]) -> Scored:
    examples, scores = (np.concatenate(side) for side in zip(*pieces, strict=True))
    order = np.argsort(examples, kind="stable")
    return Scored(examples=examples[order], scores=scores[order])


def _places(records: pa.Table, plan: StudyPlan) -> dict[Place, tuple[str, str]]:
    columns = [records[name].to_pylist() for name in (plan.place_column, "seed", "trial_id", "status", "phase")]
    return {
        (cell.arm, cell.label, seed): (trial, status)
        for name, seed, trial, status, phase in zip(*columns, strict=True)
        if phase == "confirm" and seed in plan.seeds.confirm and (cell := plan.cells_at.get(name)) is not None
        if plan.current is None or trial in plan.current
    }
