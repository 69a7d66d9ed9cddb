from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.preparing import Beside
from ablative.orchestrator.driving.preparing import Rest
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.showing.display import Trials
from ablative.orchestrator.storing.store import Store
from ablative.progress import Progress
from ablative.trainables.config import TrialConfig
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.teachers.errors import TeacherError
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study

STUDY = make_study(
    arms={"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}},
    conditions={},
    search={},
    seeds={"confirm": [1, 2, 3]},
)


def _is_distilled(config: TrialConfig) -> bool:
    return config.distillation.terms.image > 0


def _run(store: Store, tmp_path: Path, compute: Callable[[Progress], None], run: Any = None) -> None:
    def prepare(configs: Sequence[TrialConfig], progress: Progress) -> Rest:
        return Rest(compute=compute, is_read_by=_is_distilled)

    executor = InlineExecutor(run_trial=run or SimulatedTrainable(), resources=STUDY.resources, cache=tmp_path)
    run_study(replace(make_experiment(STUDY), prepare=prepare), store, executor, QuietDisplay())


def test_trials_that_read_nothing_of_the_rest_run_before_it_is_computed(tmp_path: Path) -> None:
    store, plain_ran, computed = Store.open(str(tmp_path / "store")), threading.Event(), threading.Event()
    order: list[bool] = []

    def compute(progress: Progress) -> None:
        assert plain_ran.wait(60), "the plain student's trials wait for features that they do not read"
        progress("features", 1, 1)
        computed.set()

    def run(job: TrialJob, link: Link) -> TrialOutcome:
        order.append(_is_distilled(job.config))
        if order.count(False) == 3:
            plain_ran.set()
        if order[-1]:
            assert computed.is_set(), "a distilled trial started before its features were there"
        return SimulatedTrainable()(job, link)

    _run(store, tmp_path, compute, run)
    assert order == [False] * 3 + [True] * 3
    assert {record.status for record in store.records(STUDY.study)} == {"completed"}


def test_what_computing_the_rest_raises_ends_the_run_and_keeps_its_records(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))

    def compute(progress: Progress) -> None:
        while len(store.records(STUDY.study)) < 3:
            time.sleep(0.01)
        raise TeacherError("features/images: the file is damaged")

    with pytest.raises(TeacherError, match="the file is damaged"):
        _run(store, tmp_path, compute)
    assert [record.arm for record in store.records(STUDY.study)] == ["plain"] * 3
    _run(store, tmp_path, lambda progress: None)
    assert len(store.records(STUDY.study)) == 6


def test_a_run_that_ends_early_stops_computing_at_the_next_block(tmp_path: Path) -> None:
    store, blocks = Store.open(str(tmp_path / "store")), []

    def compute(progress: Progress) -> None:
        for block in range(1000):
            blocks.append(block)
            time.sleep(0.01)
            progress("features", block, 1000)

    def run(job: TrialJob, link: Link) -> TrialOutcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(store, tmp_path, compute, run)
    count = len(blocks)
    assert count < 1000
    time.sleep(0.1)
    assert len(blocks) == count


def test_the_line_of_a_run_says_what_is_computed_and_not_that_another_driver_runs() -> None:
    queue = make_queue(STUDY)
    began, goes_on = threading.Event(), threading.Event()

    def compute(progress: Progress) -> None:
        progress("teacher: images", 40, 100)
        began.set()
        goes_on.wait(60)

    with Beside(Rest(compute=compute, is_read_by=lambda config: True), queue) as beside:
        queue.await_prepared(beside.unprepared)
        assert began.wait(60)
        assert queue.next() is None
        assert queue.waits and not queue.done
        line = Trials(queue, waits_for=beside.told).line()
        assert "teacher: images 40/100" in line
        assert "another driver" not in line
        assert beside.left() is None, "a stage that has just begun"
        goes_on.set()
    assert queue.next() is not None
    assert beside.told() == ""
    assert beside.left() == 0.0


def test_between_two_stages_the_rest_is_not_over() -> None:
    began, goes_on = threading.Event(), threading.Event()

    def compute(progress: Progress) -> None:
        for done in range(3):
            time.sleep(0.01)
            progress("teacher: images", done, 2)
        began.set()
        goes_on.wait(60)

    with Beside(Rest(compute=compute, is_read_by=lambda config: True), make_queue(STUDY)) as beside:
        assert began.wait(60)
        assert beside.left() is None
        goes_on.set()
