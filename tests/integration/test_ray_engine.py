"""What the engine does with trials that pause, are cancelled, or find no room on the disk; on real Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ablative.orchestrator.driving.executor import Executor
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.search_spaces.study import Resources
from ablative.search_spaces.study import Study
from ablative.trainables.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study
from tests.integration.hindering import Hindering

pytestmark = pytest.mark.ray

SPACE = {"optim.lr": {"loguniform": [1e-5, 1e-2]}}
ARMS = {"listed": {"plain": {}, "distilled": {"distillation.terms.image": 1.0}}}


def study(stop: dict[str, Any] | None = None, **changes: Any) -> Study:
    search: dict[str, Any] = {"trials": 8, "batch": 4, "sampler": "random", "space": SPACE}
    if stop is not None:
        search["stop"] = stop
    sections = {"arms": ARMS, "conditions": {}, "search": search, "seeds": {"search": [0], "confirm": [1, 2]}}
    return make_study(**{**sections, **changes})


def run(of: Study, executor: Executor, store: Store) -> list[Record]:
    run_study(make_experiment(of), store, executor, QuietDisplay())
    return store.records(of.study)


def on_ray(of: Study, store: Store, run_trial: Any, **resources: Any) -> list[Record]:
    from ablative.cluster.executor import RayExecutor

    executor = RayExecutor(
        address="local",
        resources=Resources(**{"max_concurrent": 2, **resources}),
        cache=Path("/nowhere"),
        checkpoints=store.checkpoints_uri(of.study),
        run_trial=run_trial,
    )
    return run(of, executor, store)


def told(records: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    return {record.trial_id: (record.status, record.cause, record.metrics) for record in records}


def test_halving_on_ray_gives_the_records_of_a_plain_loop(ray_cluster: None, tmp_path: Path) -> None:
    of = study({"halving": {"grace": 1, "reduction": 2}})
    store = Store.open(str(tmp_path / "ray"))
    records = on_ray(of, store, SimulatedTrainable())
    assert {record.status for record in records if record.phase == "confirm"} == {"completed"}

    inline = InlineExecutor(run_trial=SimulatedTrainable(), resources=of.resources, cache=tmp_path)
    assert told(records) == told(run(of, inline, Store.open(str(tmp_path / "inline"))))
    search = [record for record in records if record.phase == "search"]
    assert sum(record.status == "stopped" for record in search) == 12
    assert store.checkpoints(of.study).trials() == []


def test_asynchronous_halving_cancels_trials_and_their_groups_go_on(ray_cluster: None, tmp_path: Path) -> None:
    of = study({"asynchronous_halving": {"grace": 1, "reduction": 2}})
    run_trial = SimulatedTrainable(seconds=0.8, sleeps=True)
    records = on_ray(of, Store.open(str(tmp_path)), run_trial, max_concurrent=1)
    assert sum(record.status == "completed" for record in records if record.phase == "confirm") == 4

    stopped = [record for record in records if record.status == "stopped"]
    assert stopped
    assert {record.cause for record in stopped} == {"asynchronous_halving"}
    starts = sorted(record.started_at for record in records)
    for record in stopped:  # the group takes its next trial within a second
        following = [start for start in starts if start > record.started_at]
        assert not following or (following[0] - record.finished_at).total_seconds() < 1.0


def test_what_hinders_every_trial_ends_the_run_and_no_trial_has_failed(ray_cluster: None, tmp_path: Path) -> None:
    of = study(arms={"listed": {"plain": {}}}, seeds={"search": [0], "confirm": [1, 2, 3, 4]}, search={})
    store = Store.open(str(tmp_path / "store"))
    with pytest.raises(StoreError, match="/cache: No space left on device; free some space there"):
        on_ray(of, store, Hindering(seed=2), max_concurrent=1)

    assert all(record.completed for record in store.records(of.study))
    assert 2 not in {record.seed for record in store.records(of.study)}
