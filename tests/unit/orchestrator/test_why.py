"""`ablate why`: one sentence for each way in which a trial may stand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ablative.orchestrator.deciding.earlier import Present
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.why_answer import WhyAnswer
from ablative.orchestrator.showing.why_answer import why_answer
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Study
from tests.helpers.answers import checked_answer
from tests.helpers.results import as_failed
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

ARMS = {"listed": {"plain": {}, "wet": {"student.dropout": 0.2}}}
STUDY = make_study(arms=ARMS, conditions={})
RECORDS = run_all(make_queue(STUDY))
CONFIRMED = next(record for record in RECORDS if record.phase == "confirm")
SEARCHED = next(record for record in RECORDS if record.phase == "search")


def ask(
    trial_id: str,
    records: list[Record] = RECORDS,
    study: Study = STUDY,
    find: Callable[[str], Record | None] = lambda _: None,
) -> WhyAnswer:
    queue = make_queue(STUDY, records=RECORDS) if study is STUDY else make_queue(study)
    known = {record.trial_id: record for record in records}
    answer = why_answer(study, trial_id, queue.plan(), known, find, Present(make_inputs(), study, queue.cells))
    assert checked_answer("why", answer.model_dump_json()) == answer.model_dump(mode="json")
    return answer


def changed(record: Record, **fields: Any) -> list[Record]:
    return [record.model_copy(update=fields)]


def test_a_recorded_confirm_trial_counts_and_says_where_it_stands() -> None:
    answer = ask(CONFIRMED.trial_id)
    assert answer.state == "counts"
    assert STUDY.headline in answer.reason
    assert [(place.arm, place.phase, place.seed) for place in answer.places] == [
        (CONFIRMED.arm, "confirm", CONFIRMED.seed)
    ]


def test_a_search_trial_is_seen_by_its_search_alone() -> None:
    assert ask(SEARCHED.trial_id).state == "searched"


def test_a_trial_without_a_record_is_owed() -> None:
    answer = ask(CONFIRMED.trial_id, [])
    assert (answer.state, answer.remedy, answer.record) == ("owed", "ablate run", None)


def test_a_trial_that_another_study_has_run_is_taken_and_one_that_failed_there_is_owed() -> None:
    elsewhere = CONFIRMED.model_copy(update={"study": "another"})
    answer = ask(CONFIRMED.trial_id, [], find=lambda _: elsewhere)
    assert (answer.state, answer.reason.split(",")[0]) == ("taken", "study another has run it")
    answer = ask(CONFIRMED.trial_id, [], find=lambda _: as_failed(elsewhere))
    assert (answer.state, "in another it failed: non_finite" in answer.reason) == ("owed", True)
    taken = ask(CONFIRMED.trial_id, changed(CONFIRMED, source_study="another"))
    assert (taken.state, taken.reason.split(";")[0]) == ("taken", "study another ran it")


def test_a_failed_and_a_stopped_trial_say_what_ended_them() -> None:
    failed = ask(CONFIRMED.trial_id, [as_failed(CONFIRMED)])
    assert (failed.state, failed.reason) == ("failed", "non_finite: loss is nan at step 40")
    assert failed.remedy == "ablate run --retry-failed"
    stopped = ask(SEARCHED.trial_id, changed(SEARCHED, status="stopped", cause="asha"))
    assert (stopped.state, stopped.reason.split(",")[0]) == ("stopped", "by asha")


@pytest.mark.parametrize("metrics", [{}, {STUDY.headline: float("nan")}])
def test_a_completed_trial_without_a_finite_headline_does_not_count(metrics: dict[str, float]) -> None:
    answer = ask(CONFIRMED.trial_id, changed(CONFIRMED, metrics=metrics))
    assert answer.state == "does not count"
    assert STUDY.headline in answer.reason


def test_an_outdated_record_names_the_field_that_was_edited() -> None:
    edited = make_study(arms=ARMS, conditions={}, base={**STUDY.base, "optim": {"batch_size": 48}})
    answer = ask(CONFIRMED.trial_id, study=edited)
    assert (answer.state, answer.places) == ("outdated", ())
    assert "differ in optim.batch_size (" in answer.reason and "-> 48)" in answer.reason


def test_without_the_data_the_last_plan_is_asked() -> None:
    answer = why_answer(STUDY, CONFIRMED.trial_id, [], {CONFIRMED.trial_id: CONFIRMED}, lambda _: None, None)
    assert answer.state == "outdated"
    assert "because the data is missing" in answer.reason


def test_an_id_may_be_shortened_as_long_as_it_is_one() -> None:
    assert ask(CONFIRMED.trial_id[:10]).trial_id == CONFIRMED.trial_id
    with pytest.raises(StoreError, match=r"\d+ ids begin so, .*; give more digits"):
        ask("")
    with pytest.raises(StoreError, match=f"study '{STUDY.study}' has no trial id that begins so"):
        ask("no-such")
