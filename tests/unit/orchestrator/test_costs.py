from __future__ import annotations

import pytest

from ablative.orchestrator.deciding.costs import expected_cost
from ablative.orchestrator.deciding.costs import owed_sequences
from ablative.orchestrator.storing.records import Record
from ablative.trainables.parts.trainable import Exposure
from tests.helpers.simulated import make_queue
from tests.helpers.simulated import make_study
from tests.helpers.simulated import run_all

STUDY = make_study(conditions={"task.data_fraction": [0.05, 1.0]}, arms={"listed": {"plain": {}}})
SECONDS = {("search", 0.05): 2.0, ("confirm", 0.05): 5.0, ("search", 1.0): 10.0, ("confirm", 1.0): 30.0}


def _records() -> list[Record]:
    found = run_all(make_queue(STUDY))
    return [r.model_copy(update={"device_seconds": SECONDS[r.phase, r.data_fraction]}) for r in found]


def test_cost_is_what_like_trials_took() -> None:
    queue = make_queue(STUDY)
    cost = expected_cost(queue.cells, queue.known, _records())
    assert cost.num_unknown == 0
    assert cost.device_seconds == pytest.approx(4 * 2 + 3 * 5 + 4 * 10 + 3 * 30)


def test_what_is_recorded_costs_nothing_more() -> None:
    records = _records()
    queue = make_queue(make_study(**{**STUDY.model_dump(mode="json"), "seeds": {"confirm": [1, 2, 3, 4]}}), records)
    cost = expected_cost(queue.cells, queue.known, records)
    assert cost.device_seconds == pytest.approx(5 + 30)


def test_trials_unlike_any_recorded_one_are_counted_as_unknown() -> None:
    queue = make_queue(STUDY)
    known = [record for record in _records() if record.data_fraction == 0.05]
    cost = expected_cost(queue.cells, queue.known, known)
    assert cost.num_unknown == 7
    assert cost.device_seconds == pytest.approx(4 * 2 + 3 * 5)


def test_the_sequences_of_what_is_owed_are_counted_and_those_of_what_is_recorded_are_not() -> None:
    queue = make_queue(STUDY, _records()[:1])
    seen = dict(zip((cell.cell.name for cell in queue.cells), (100, 1000), strict=True))
    exposures = {cell: Exposure(seen=count, sequences_each=4) for cell, count in seen.items()}
    assert owed_sequences(queue.cells, queue.known, exposures) == 4 * (6 * 100 + 7 * 1000)


def test_no_number_of_sequences_is_given_where_a_cell_does_not_say_how_many_it_takes() -> None:
    queue = make_queue(STUDY)
    exposures = {cell.cell.name: Exposure() for cell in queue.cells}
    assert owed_sequences(queue.cells, queue.known, exposures) is None
