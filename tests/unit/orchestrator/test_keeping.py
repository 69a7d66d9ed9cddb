"""Which trained students a run keeps, and that none of them is lost."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.commands.composition import students_lines
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

SPACE = make_study().model_dump(mode="json")["search"]["space"]
STUDENT_BYTES = 1000


def study(students: str, name: str = "little", **keep: Any) -> Study:
    return make_study(
        study=name,
        conditions={},
        search={"trials": 2, "batch": 2, "space": SPACE},
        seeds={"search": [0], "confirm": [1, 2, 3]},
        keep={"students": students, **keep},
    )


@dataclass(frozen=True)
class Keeping:
    """A simulated trial that also hands out a student, whose content is its trial's id."""

    simulated: SimulatedTrainable
    killed: int = 0
    """How many students are handed out until the process dies; 0: it lives."""
    size: int = STUDENT_BYTES

    def __call__(self, job: TrialJob, link: Link) -> TrialOutcome:
        outcome = self.simulated(job, link)
        link.keep(job.trial_id.encode().ljust(self.size))
        if self.killed and sum(executions(Path(self.simulated.ledger)).values()) == self.killed:
            raise KeyboardInterrupt
        return outcome


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "ledger").mkdir()
    return tmp_path / "ledger"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


class Told(QuietDisplay):
    """Remembers the lines that it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def run(
    store: Store,
    ledger: Path,
    of: Study,
    *,
    retrain: bool = False,
    killed: int = 0,
    size: int = STUDENT_BYTES,
    told: Told | None = None,
) -> Summary:
    trainable = Keeping(SimulatedTrainable(ledger=str(ledger)), killed, size)
    uri = store.checkpoints_uri(of.study)
    executor = InlineExecutor(run_trial=trainable, resources=of.resources, cache=ledger, checkpoints=uri)
    return run_study(make_experiment(of), store, executor, told or Told(), retrain_students=retrain)


def confirmed(store: Store, of: Study) -> list[Record]:
    return [record for record in store.records(of.study) if record.phase == "confirm"]


def best(store: Store, of: Study) -> set[str]:
    cells: dict[str, list[Record]] = {}
    for record in confirmed(store, of):
        cells.setdefault(record.cell, []).append(record)
    return {max(cell, key=lambda one: (one.metrics[of.target.metric], -one.seed)).trial_id for cell in cells.values()}


def lines(store: Store, of: Study) -> list[str]:
    return students_lines(make_experiment(of).queue(store, adopt=False), store)


def test_no_student_is_kept_unless_a_study_says_so(store: Store, ledger: Path) -> None:
    run(store, ledger, study("none"))

    assert store.students("little").sizes() == {}
    assert lines(store, study("none")) == []


def test_all_confirmed_students_are_kept_whole_and_none_of_the_search(store: Store, ledger: Path) -> None:
    of = study("confirmed")
    run(store, ledger, of)

    wanted = {record.trial_id for record in confirmed(store, of)}
    assert store.students("little").sizes() == dict.fromkeys(wanted, STUDENT_BYTES)
    assert all(store.student(trial) == trial.encode().ljust(STUDENT_BYTES) for trial in wanted)
    assert len(wanted) == 9


def test_the_best_student_of_each_cell_is_kept(store: Store, ledger: Path) -> None:
    of = study("best")
    run(store, ledger, of)

    assert set(store.students("little").sizes()) == best(store, of)
    assert len(best(store, of)) == 3


def test_what_is_kept_changes_no_trial(store: Store, ledger: Path) -> None:
    run(store, ledger, study("none"))

    assert run(store, ledger, study("confirmed")).ran == 0


def test_students_survive_compaction_and_go_along_when_a_study_takes_trials(store: Store, ledger: Path) -> None:
    of, other = study("confirmed"), study("best", name="second")
    run(store, ledger, of)
    store.compact(of.study)
    taken = run(store, ledger, other)

    assert (taken.ran, taken.taken) == (0, 15)
    assert len(store.students(of.study).sizes()) == 9
    assert set(store.students(other.study).sizes()) == best(store, other)
    assert len(lines(store, other)) == 1


def test_a_student_of_another_study_is_found_where_none_was_kept(store: Store, ledger: Path) -> None:
    run(store, ledger, study("confirmed"))
    run(store, ledger, study("none", name="second"))

    assert lines(store, study("confirmed", name="second"))[1:] == []


@pytest.mark.parametrize(("students", "owed"), [("best", 3), ("confirmed", 9)])
def test_trials_that_were_recorded_without_their_student_run_again_on_demand_alone(
    store: Store, ledger: Path, students: str, owed: int
) -> None:
    of = study(students)
    run(store, ledger, study("none"))
    before = {record.trial_id: record.metrics for record in store.records("little")}
    told = f"students: {owed} recorded trials were run without keeping theirs; to train them again: ablate run"

    assert lines(store, of)[1].startswith(told)
    assert run(store, ledger, of).ran == 0
    store.compact("little")
    assert run(store, ledger, of, retrain=True).ran == owed
    assert {record.trial_id: record.metrics for record in store.records("little")} == before
    assert len(store.students("little").sizes()) == owed
    assert lines(store, of)[1:] == []
    assert run(store, ledger, of, retrain=True).ran == 0


def test_a_run_that_is_killed_with_a_student_handed_out_goes_on_and_lacks_none(store: Store, ledger: Path) -> None:
    of = study("confirmed")
    with pytest.raises(KeyboardInterrupt):
        run(store, ledger, of, killed=4)
    run(store, ledger, of)

    assert set(store.students("little").sizes()) == {record.trial_id for record in confirmed(store, of)}


def test_the_plan_says_when_not_all_students_will_fit(store: Store) -> None:
    assert lines(store, study("confirmed", gigabytes=1e-3))[1] == (
        "students: not all of them will fit; to keep all, set keep.gigabytes=1"
    )
    assert lines(store, study("confirmed"))[1:] == []


FULL = "students: keep.gigabytes=0.001 is full; not kept: that of "


def test_students_beyond_their_room_are_not_kept_their_trials_succeed_and_one_line_says_so(
    store: Store, ledger: Path
) -> None:
    of, told = study("confirmed", gigabytes=1e-3), Told()
    ran = run(store, ledger, of, size=300_000, told=told)

    assert (ran.failed, len(confirmed(store, of))) == ({}, 9)
    assert all(record.completed for record in confirmed(store, of))
    assert list(store.students("little").sizes().values()) == [300_000] * 3
    assert [line[: len(FULL)] for line in told.lines] == [FULL]
    assert "6 recorded trials are without theirs, and keep.gigabytes=0.001 is full" in lines(store, of)[2]

    again = Told()
    assert run(store, ledger, of, retrain=True, size=300_000, told=again).ran == 0
    assert again.lines == ["students: keep.gigabytes=0.001 is full; none is trained again"]
    assert run(store, ledger, study("confirmed"), retrain=True, size=300_000).ran == 6
    assert len(store.students("little").sizes()) == 9


def test_the_best_students_fit_though_a_better_one_comes_while_a_worse_one_is_there(
    store: Store, ledger: Path
) -> None:
    of, told = study("best", gigabytes=1e-3), Told()
    run(store, ledger, of, size=330_000, told=told)

    assert set(store.students("little").sizes()) == best(store, of)
    assert told.lines == []


def test_of_the_best_students_those_stay_that_fit(store: Store, ledger: Path) -> None:
    of, told = study("best", gigabytes=1e-3), Told()
    run(store, ledger, of, size=400_000, told=told)

    assert len(store.students("little").sizes()) == 2
    assert set(store.students("little").sizes()) < best(store, of)
    assert [line[: len(FULL)] for line in told.lines] == [FULL]


@pytest.mark.parametrize(("students", "size", "kept"), [("best", 330_000, 3), ("confirmed", 300_000, 3)])
def test_a_study_takes_as_many_students_along_as_it_has_room_for(
    store: Store, ledger: Path, students: str, size: int, kept: int
) -> None:
    run(store, ledger, study("confirmed"), size=size)
    of, told = study(students, name="second", gigabytes=1e-3), Told()
    ran = run(store, ledger, of, size=size, told=told)

    assert (ran.ran, ran.taken) == (0, 15)
    assert list(store.students("second").sizes().values()) == [size] * kept
    assert (students == "best") == (set(store.students("second").sizes()) == best(store, of))
    assert len(told.lines) == (students == "confirmed")
