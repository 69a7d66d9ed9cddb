"""One finished study in a store, shared by the tests that only read it."""

from __future__ import annotations

import pytest

from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

HOSTILE = "<script>alert('arm')</script>"
TRACEBACK = "ValueError: <img src=x onerror=alert(1)>\n  File step.py, line 3"


@pytest.fixture(scope="session")
def small_study() -> StudyResults:
    """Three arms, one of them named to do harm, under two data fractions."""
    return StudyResults(
        study="small",
        question="Is <b>this</b> & that safe?",
        arms=("no_distillation", "clip_td", HOSTILE),
        effect={"clip_td": 0.05},
        control=HOSTILE,
        conditions={"task.data_fraction": [0.01, 0.05]},
        confirm=(1, 2, 3, 4, 5, 6, 7),
        proposals=1,
    )


@pytest.fixture(scope="session")
def store_uri(tmp_path_factory: pytest.TempPathFactory, small_study: StudyResults) -> str:
    """A store with `small_study`, one of its confirm trials failed, and an unfinished study."""

    def fail_one(record: Record) -> Record:
        one = record.arm == HOSTILE and record.seed == 7 and record.data_fraction == 0.05
        return as_failed(record, error=TRACEBACK) if one else record

    uri = str(tmp_path_factory.mktemp("store"))
    small_study.write(uri, fail_one)
    unfinished = StudyResults(study="unfinished", conditions={}, confirm=(1, 2), proposals=1)
    unfinished.write(uri, lambda record: record if record.phase == "search" else None)
    return uri
