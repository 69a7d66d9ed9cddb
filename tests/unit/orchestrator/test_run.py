from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from typing import NoReturn

import pytest

from ablative.orchestrator.deciding.queue import TrialQueue
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.driving.executor import Finish
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.preparing import owed_configs
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.display import PlainDisplay
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.standing import standing
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.errors import Hindered
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.simulated import SimulatedTrainable as Simulated
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import executions
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

SPACE = make_study().model_dump(mode="json")["search"]["space"]
STUDY = make_study(
    conditions={}, search={"trials": 2, "batch": 2, "space": SPACE}, seeds={"search": [0], "confirm": [1, 2]}
)
ALL = 12


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    (tmp_path / "ledger").mkdir()
    return tmp_path / "ledger"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(str(tmp_path / "store"))


def _run(store: Store, ledger: Path, study: Study = STUDY, retry: bool = False, **accidents: Any) -> Summary:
    executor = _executor(ledger, **accidents)
    return run_study(make_experiment(study), store, executor, QuietDisplay(), retry_failed=retry)


def _executor(ledger: Path, **accidents: Any) -> InlineExecutor:
    run_trial = SimulatedTrainable(ledger=str(ledger), **accidents)
    return InlineExecutor(run_trial=run_trial, resources=STUDY.resources, cache=ledger)


def test_a_run_records_everything_with_curves_and_predictions(store: Store, ledger: Path) -> None:
    summary = _run(store, ledger)

    assert (summary.ran, summary.recorded, summary.num_failed) == (ALL, 0, 0)
    assert store.table(STUDY.study).num_rows == ALL
    assert len(set(store.curves(STUDY.study)["trial_id"].to_pylist())) == ALL
    assert len(set(store.predictions(STUDY.study)["trial_id"].to_pylist())) == 6
    assert {record.host for record in store.records(STUDY.study)} == {"simulated"}


def test_a_second_run_runs_nothing(store: Store, ledger: Path) -> None:
    _run(store, ledger)
    summary = _run(store, ledger)

    assert (summary.ran, summary.recorded) == (0, ALL)
    assert set(executions(ledger).values()) == {1}


def test_failed_trials_are_counted_and_run_again_only_on_demand(store: Store, ledger: Path) -> None:
    first = _run(store, ledger, raises_for=(2,))
    assert (first.ran, first.num_failed) == (ALL, 3)
    assert first.causes == {"trainable_error": 3}
    assert set(first.failed) == {"plain", "naive", "tokens"}

    assert _run(store, ledger).num_failed == 3
    again = _run(store, ledger, retry=True)
    assert (again.ran, again.num_failed) == (3, 0)


def test_a_cell_whose_search_fails_is_named(store: Store, ledger: Path) -> None:
    summary = _run(store, ledger, non_finite_for=(0,))
    assert summary.cells_without_result == ("plain", "naive", "tokens")
    assert summary.causes == {"non_finite": 6}
    assert {cell.state for cell in standing(store, STUDY.study).cells} == {"failed"}


def test_another_study_takes_the_trials_that_are_there(store: Store, ledger: Path) -> None:
    _run(store, ledger)
    other = STUDY.model_copy(update={"study": "second"})
    summary = _run(store, ledger, other)

    assert (summary.ran, summary.taken) == (0, ALL)
    assert set(executions(ledger).values()) == {1}
    assert {record.source_study for record in store.records("second")} == {STUDY.study}
    assert store.curves("second").num_rows == store.curves(STUDY.study).num_rows
    assert (_run(store, ledger, other).recorded, store.table("second").num_rows) == (ALL, ALL)


def test_an_interrupted_run_keeps_what_ran_and_goes_on(store: Store, ledger: Path) -> None:
    class Interrupted(InlineExecutor):
        def run(self, queue: TrialQueue, finish: Finish) -> None:
            def stopping(*arguments: Any) -> Any:
                finish(*arguments)
                if len(executions(ledger)) == 5:
                    raise KeyboardInterrupt

            super().run(queue, stopping)

    executor = Interrupted(run_trial=SimulatedTrainable(ledger=str(ledger)), resources=STUDY.resources, cache=ledger)
    with pytest.raises(KeyboardInterrupt):
        run_study(make_experiment(STUDY), store, executor, QuietDisplay())
    assert len(store.records(STUDY.study)) == 5
    assert _run(store, ledger).ran == ALL - 5
    assert set(executions(ledger).values()) == {1}


def test_nothing_is_prepared_for_trials_that_can_never_run(store: Store, ledger: Path) -> None:
    class TooSmall(InlineExecutor):
        def open(self, queue: TrialQueue) -> NoReturn:
            raise ClusterError("a trial of this study needs 64 CPU; the cluster has 2")

    prepared: list[TrialConfig] = []
    experiment = replace(make_experiment(STUDY), prepare=lambda configs, progress: prepared.extend(configs))
    executor = TooSmall(run_trial=SimulatedTrainable(ledger=str(ledger)), resources=STUDY.resources, cache=ledger)
    with pytest.raises(ClusterError, match="64 CPU"):
        run_study(experiment, store, executor, QuietDisplay())
    assert prepared == []


def test_preparation_gets_every_configuration_that_is_owed(store: Store, ledger: Path) -> None:
    prepared: list[TrialConfig] = []

    def prepare(configs: Sequence[TrialConfig], progress: Any) -> None:
        progress("features", 1, 1)
        prepared.extend(configs)

    experiment = replace(make_experiment(STUDY), prepare=prepare)
    run_study(experiment, store, _executor(ledger), QuietDisplay())
    assert {config.distillation.terms.tokens for config in prepared} == {0.0, 1.0}
    prepared.clear()
    run_study(experiment, store, _executor(ledger), QuietDisplay())
    assert prepared == [], "a study that owes nothing prepares nothing"


def test_every_option_of_a_searched_choice_is_prepared() -> None:
    space = {"teacher.model": {"choice": ["ViT-B-32", "ViT-B-16"]}}
    arms = {"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}}
    study = make_study(arms=arms, conditions={}, search={"trials": 1, "batch": 1, "space": space})
    models = {config.teacher.model for config in owed_configs(make_queue(study))}
    assert models == {"mini_dual_encoder", "ViT-B-32", "ViT-B-16"}


def test_status_needs_the_store_alone(store: Store, ledger: Path) -> None:
    _run(store, ledger, raises_for=(2,))
    found = standing(store, STUDY.study)

    assert [cell.cell for cell in found.cells] == ["plain", "naive", "tokens"]
    assert {(cell.search_done, cell.search_total, cell.confirm_done) for cell in found.cells} == {(2, 2, 2)}
    assert len(found.failed) == 3
    assert found.num_superseded == 0
    queue = make_queue(STUDY, store.records(STUDY.study))
    assert [cell.best for cell in found.cells] == [progress.best for progress in queue.progress()]


def test_a_changed_study_leaves_its_old_records_out_of_the_answer(store: Store, ledger: Path) -> None:
    _run(store, ledger)
    changed = STUDY.model_copy(
        update={"arms": make_study(arms={"listed": {"plain": {}, "wet": {"student.dropout": 0.2}}}).arms}
    )
    summary = _run(store, ledger, changed)

    assert summary.ran == 4
    assert set(store.table(STUDY.study)["arm"].to_pylist()) == {"plain", "wet"}
    assert standing(store, STUDY.study).num_superseded == 8


def test_the_plain_display_writes_one_line_a_trial(store: Store, ledger: Path) -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, clock=lambda: 0.0)
    run_study(make_experiment(STUDY), store, _executor(ledger, raises_for=(2,)), display)

    lines = stream.getvalue().splitlines()
    assert lines[0] == "simulated: 3 cells, 0 trials recorded, 12 owed"
    assert len(lines) == 1 + ALL
    assert "val/accuracy" in lines[1]
    assert sum("failed: trainable_error" in line for line in lines) == 3
    assert lines[-1].endswith("[0 owed]")


def test_a_warm_start_from_a_study_that_is_not_there_is_told(store: Store, ledger: Path) -> None:
    search = {**STUDY.model_dump(mode="json")["search"], "warm_start": "pilot"}
    with pytest.raises(StoreError, match="no study 'pilot'"):
        run_study(make_experiment(make_study(search=search)), store, _executor(ledger), QuietDisplay())


def test_a_paused_trial_is_recorded_once_and_leaves_no_checkpoint(store: Store, tmp_path: Path) -> None:
    stop = {"halving": {"grace": 1, "reduction": 2}}
    study = make_study(search={**STUDY.model_dump(mode="json")["search"], "stop": stop}, conditions={})
    uri = store.checkpoints_uri(study.study)
    run_trial = Simulated(seconds=8.0)
    executor = InlineExecutor(run_trial=run_trial, resources=study.resources, cache=tmp_path, checkpoints=uri)
    summary = run_study(make_experiment(study), store, executor, QuietDisplay())

    records = store.records(study.study)
    assert summary.ran == len(records)
    stopped = [record for record in records if record.status == "stopped"]
    assert summary.stopped == len(stopped) > 0
    # what ran up to a rung and on is counted once
    assert {record.seconds for record in stopped} <= {2.0, 4.0}
    assert {record.seconds for record in records if record.completed} == {8.0}
    assert store.checkpoints(study.study).trials() == []
    assert set(summary.spent) == {"search", "confirm", "stopped"}


def test_what_hinders_every_trial_ends_the_run_and_no_trial_has_failed(store: Store) -> None:
    def hindered(job: TrialJob, link: Link) -> TrialOutcome:
        raise Hindered("/cache: No space left on device; free some space there")

    executor = InlineExecutor(run_trial=hindered, resources=STUDY.resources, cache=Path())
    with pytest.raises(Hindered, match="free some space there"):
        run_study(make_experiment(STUDY), store, executor, QuietDisplay())
    assert store.records(STUDY.study) == []


def test_a_checkpoint_that_came_after_its_trials_record_is_removed_and_no_other(store: Store, ledger: Path) -> None:
    _run(store, ledger)
    recorded = store.records(STUDY.study)[0].trial_id
    for trial_id in (recorded, "of-a-trial-that-is-still-owed"):
        store.checkpoints(STUDY.study).save(trial_id, b"what a worker that was cut off has left")
    _run(store, ledger)
    assert store.checkpoints(STUDY.study).trials() == ["of-a-trial-that-is-still-owed"]
