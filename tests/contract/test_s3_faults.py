"""A study whose store is on a server that fails in every way ends complete, and as it does where nothing fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.driving.run import run_study
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.display import QuietDisplay
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from ablative.places import TIMEOUT
from ablative.places import inside
from tests.helpers import s3
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_experiment
from tests.helpers.simulated import make_study

pytestmark = pytest.mark.slow

STUDY = make_study(seeds={"search": [0], "confirm": [1, 2, 3]})
"""42 trials."""


def run(uri: str) -> None:
    store = Store.open(uri)
    executor = InlineExecutor(run_trial=SimulatedTrainable(), resources=STUDY.resources, cache=Path())
    with store.claims(STUDY.study) as claims:
        run_study(make_experiment(STUDY), store, executor, QuietDisplay(), claims=claims)


def measured(uri: str) -> dict[str, tuple[str, dict[str, float]]]:
    """What a store holds, read anew; nothing in it may be damaged."""
    store = Store.open(uri)
    found: list[Record] = store.records(STUDY.study)
    curves, predictions = store.curves(STUDY.study), store.predictions(STUDY.study)
    store.check(STUDY.study)
    assert store.problems == []
    assert set(curves["trial_id"].to_pylist()) == {record.trial_id for record in found}
    confirmed = {record.trial_id for record in found if record.phase == "confirm"}
    assert set(predictions["trial_id"].to_pylist()) >= confirmed
    return {record.trial_id: (record.status, record.metrics) for record in found}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, dict[str, float]]]:
    folder = str(tmp_path_factory.mktemp("store"))
    run(folder)
    return measured(folder)


def test_errors_throttling_stalls_and_cut_lines_cost_time_and_nothing_else(
    expected: dict[str, tuple[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TIMEOUT, "1")
    faults = s3.Faults(stall_s=5)
    with s3.faulty_server(faults) as query:
        uri = inside(s3.new_bucket(query), "store")
        vars(faults).update(errors=0.05, throttled=0.05, stalled=0.01, cut=0.05)
        run(uri)
        assert min(faults.told[kind] for kind in ("errors", "throttled", "stalled", "cut")) > 0
        assert measured(uri) == expected
        vars(faults).update(errors=0.0, throttled=0.0, stalled=0.0, cut=0.0)
        assert measured(uri) == expected


def test_expired_credentials_end_the_run_in_a_line_and_the_same_command_goes_on(
    expected: dict[str, tuple[str, dict[str, float]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = s3.Faults()

    def expires(job: object, link: object) -> object:
        faults.expired = faults.told["requests"] > 100 and not faults.told["expired"]
        return SimulatedTrainable()(job, link)  # type: ignore[arg-type]

    with s3.faulty_server(faults) as query:
        uri = inside(s3.new_bucket(query), "store")
        store = Store.open(uri)
        executor = InlineExecutor(run_trial=expires, resources=STUDY.resources, cache=Path())  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="renew the credentials, then run the same command again") as told:
            run_study(make_experiment(STUDY), store, executor, QuietDisplay())
        assert "\n" not in str(told.value)
        faults.expired = False
        assert 0 < len(measured(uri)) < len(expected)
        run(uri)
        assert measured(uri) == expected
