"""After an edit the plan says which field made the earlier records others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ablative.orchestrator.deciding.earlier import earlier_lines
from ablative.orchestrator.storing.records import Record
from ablative.search_spaces.study import Study
from tests.helpers.simulated import make_inputs
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

ARMS = {"listed": {"plain": {}, "wet": {"student.dropout": 0.2}}}
STUDY = make_study(arms=ARMS, conditions={})
RECORDS = run_all(make_queue(STUDY))


def _told(changed: Study, records: list[Record] = RECORDS) -> list[str]:
    queue = make_queue(changed)
    return earlier_lines(make_inputs(), changed, queue.cells, records, {trial.id for trial in queue.trials()})


def _changed(**base: Any) -> Study:
    return make_study(arms=ARMS, conditions={}, base={**STUDY.base, **base})


def test_a_field_that_was_edited_is_named_with_both_values() -> None:
    (line,) = _told(_changed(optim={"batch_size": 48}))

    default = json.loads(RECORDS[0].config)["optim"]["batch_size"]
    assert line == (
        f"of {len(RECORDS)} earlier records of this study {len(RECORDS)} differ in optim.batch_size ({default} -> 48)"
    )


def test_two_fields_are_named_together_and_searched_values_are_not() -> None:
    (line,) = _told(_changed(optim={"batch_size": 48, "grad_clip": 0.5}))

    assert "optim.batch_size (" in line and "optim.grad_clip (" in line
    assert "optim.lr" not in line


def test_an_unchanged_study_has_no_earlier_records() -> None:
    queue = make_queue(STUDY, records=RECORDS)
    assert earlier_lines(make_inputs(), STUDY, queue.cells, RECORDS, {trial.id for trial in queue.trials()}) == []


def test_other_studies_are_not_looked_at() -> None:
    assert _told(_changed(optim={"batch_size": 48}).model_copy(update={"study": "another"})) == []


@pytest.mark.parametrize("name", ["data_digest", "teacher_digest", "student_digest"])
def test_other_data_teachers_and_students_are_named(name: str) -> None:
    others = [record.model_copy(update={name: "other", "trial_id": record.trial_id[::-1]}) for record in RECORDS]
    assert all(f"differ in {name} (other -> " in line for line in _told(STUDY, others))


def test_records_of_another_trainable_are_said_to_be_its() -> None:
    others = [record.model_copy(update={"trainable": "toy"}) for record in RECORDS]
    queue = make_queue(STUDY)
    (line,) = earlier_lines(make_inputs(), STUDY, queue.cells, others, ())
    assert line.endswith("were recorded by the trainable toy")


def test_an_arm_that_is_gone_is_no_field_that_differs() -> None:
    queue = make_queue(make_study(arms={"listed": {"plain": {}, "new": {"student.dropout": 0.3}}}, conditions={}))
    of_wet = [record for record in RECORDS if record.arm == "wet"]

    assert earlier_lines(make_inputs(), STUDY, queue.cells, of_wet, ()) == [
        f"of {len(of_wet)} earlier records of this study {len(of_wet)} belong to arms or conditions that the study "
        "no longer has"
    ]


def test_a_seed_that_is_gone_is_told() -> None:
    fewer = make_study(arms=ARMS, conditions={}, seeds={"search": [0], "confirm": [1, 2]})
    queue = make_queue(fewer, records=RECORDS)
    (line,) = earlier_lines(make_inputs(), fewer, queue.cells, RECORDS, {trial.id for trial in queue.trials()})

    gone = sum(record.phase == "confirm" and record.seed not in (1, 2) for record in RECORDS)
    assert line == f"of {gone} earlier records of this study {gone} have seeds that are no longer in seeds.confirm"


def test_thousands_of_records_that_share_configurations_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [
        record.model_copy(update={"trial_id": f"{copy}-{record.trial_id}"})
        for copy in range(300)
        for record in RECORDS
    ]
    reads: list[str] = []
    monkeypatch.setattr(
        "ablative.orchestrator.deciding.earlier.json.loads",
        lambda text: reads.append(text) or json.JSONDecoder().decode(text),
    )
    _told(_changed(optim={"batch_size": 48}), many)

    assert len(reads) == len({record.config for record in RECORDS}) < len(many)


def test_records_of_other_code_are_told_as_such() -> None:
    others = [
        record.model_copy(update={"identity_version": 0, "trial_id": record.trial_id[::-1]}) for record in RECORDS
    ]
    assert _told(STUDY, others) == [
        f"of {len(others)} earlier records of this study {len(others)} were recorded by different code, "
        "whose results may differ"
    ]
