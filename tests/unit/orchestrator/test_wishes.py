"""Running drivers heed what is said through the store: pause, resume, cancel, of a study or some of its cells."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.deciding.summary import Summary
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing import wishes
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.storing.wishes import NOTHING
from ablative.orchestrator.storing.wishes import Heeded
from ablative.orchestrator.storing.wishes import Held
from ablative.orchestrator.storing.wishes import Wishes
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

STUDY = make_study(conditions={}, seeds={"search": [0], "confirm": list(range(1, 9))})
NOW = datetime(2026, 11, 30, tzinfo=UTC)
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wishes, "LOOKED_EVERY_S", 0.05)


def _begin(pool: ThreadPoolExecutor, store: Store) -> Future[Summary]:
    executor = InlineExecutor(run_trial=SimulatedTrainable(seconds=0.1), resources=STUDY.resources, cache=Path())
    return pool.submit(run_study, make_experiment(STUDY), Store.open(store.uri), executor, QuietDisplay())


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def _say(store: Store, *words: str) -> str:
    said = CliRunner().invoke(ablate, [*words, "--store", store.uri])
    assert said.exit_code == 0, said.output
    return said.output


def _count(store: Store, arm: str | None = None) -> int:
    records = store.records(STUDY.study) if STUDY.study in store.studies() else []
    return sum(arm in (None, record.arm) for record in records)


def test_a_paused_study_starts_nothing_until_it_is_resumed_and_then_ends_complete(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with ThreadPoolExecutor(1) as pool:
        run = _begin(pool, store)
        _until(lambda: _count(store) > 2)
        assert "ablate resume" in _say(store, "pause", STUDY.study)
        time.sleep(0.5)  # one that was under way ends
        held = _count(store)
        time.sleep(0.7)
        assert _count(store) == held and not run.done()
        _say(store, "resume", STUDY.study)
        summary = run.result(PATIENCE_S)

    assert summary.owed == 0 and held < _count(store)


def test_a_cancelled_study_ends_and_a_later_run_owes_the_rest(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with ThreadPoolExecutor(1) as pool:
        first = _begin(pool, store)
        _until(lambda: _count(store) > 2)
        _say(store, "cancel", STUDY.study)
        owed = first.result(PATIENCE_S).owed
        assert owed > 0
        assert _begin(pool, store).result(PATIENCE_S).owed == 0


def test_a_cancelled_arm_is_left_out_and_the_others_are_completed(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with ThreadPoolExecutor(1) as pool:
        run = _begin(pool, store)
        _until(lambda: _count(store) > 2)
        arms = [cell.arm for cell in store.plan(STUDY.study) or []]
        _say(store, "cancel", STUDY.study, "--cell", arms[-1])
        summary = run.result(PATIENCE_S)
        counts = {arm: _count(store, arm) for arm in arms}
        assert summary.owed > 0
        assert counts.pop(arms[-1]) < min(counts.values())
        assert len(set(counts.values())) == 1
        assert _begin(pool, store).result(PATIENCE_S).owed == 0


def test_a_paused_arm_waits_while_the_others_are_run(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with ThreadPoolExecutor(1) as pool:
        run = _begin(pool, store)
        _until(lambda: _count(store) > 2)
        *others, last = [cell.arm for cell in store.plan(STUDY.study) or []]
        _say(store, "pause", STUDY.study, "--cell", last)
        time.sleep(0.3)
        before = _count(store, last)
        _until(lambda: min(_count(store, arm) for arm in others) >= STUDY.search.trials + 8)
        time.sleep(0.3)
        assert _count(store, last) <= before + 1 and not run.done()
        _say(store, "resume", STUDY.study, "--cell", last)
        assert run.result(PATIENCE_S).owed == 0


def test_an_unknown_cell_is_told_with_those_that_there_are_and_nothing_is_written(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    with ThreadPoolExecutor(1) as pool:
        _begin(pool, store).result(PATIENCE_S)
    said = CliRunner().invoke(ablate, ["pause", STUDY.study, "--cell", "nobody", "--store", store.uri])

    assert said.exit_code == 2
    assert "nobody" in said.output and "use one of" in said.output
    assert store.wishes(STUDY.study) == Wishes()


def test_a_driver_heeds_no_cancelling_from_before_it_began() -> None:
    said = Wishes().with_cancelled(["*"], NOW)

    assert Heeded(lambda: said, NOW - timedelta(seconds=1))() == Held(cancelled=frozenset("*"))
    assert Heeded(lambda: said, NOW + timedelta(seconds=1))() == NOTHING


def test_a_store_that_does_not_answer_changes_nothing() -> None:
    times = iter(range(100))
    answers = iter([Wishes(paused=("a",)), None])

    def read() -> Wishes:
        found = next(answers)
        if found is None:
            raise StoreError("no answer")
        return found

    heeded = Heeded(read, NOW, clock=lambda: float(next(times)))
    assert heeded() == heeded() == Held(paused=frozenset("a"))


def test_resuming_everything_lifts_each_pause() -> None:
    paused = Wishes().with_paused(["a", "b"]).with_paused(["a"])

    assert paused.paused == ("a", "b")
    assert paused.with_resumed(["a"]).paused == ("b",)
    assert paused.with_resumed(["*"]).paused == ()


def test_damaged_wishes_are_left_out(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path / "store"))
    store.write_wishes("study", Wishes(paused=("*",)))
    (path,) = (tmp_path / "store").rglob("wishes.json")
    path.write_text("{")

    assert store.wishes("study") == Wishes()
    assert "wishes.json" in store.problems[0]
