"""What was once written must keep its identity, and stay readable."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ablative.orchestrator.storing.records import RECORD_VERSION
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.trials import trial_ids
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.trainable import Digests
from tests.golden.how_made import DIGESTS
from tests.golden.how_made import FOLDER
from tests.golden.how_made import IDS
from tests.golden.how_made import ids

VERSIONS = sorted(FOLDER.glob("record_v*.parquet"))


def test_trial_ids_are_those_of_earlier_releases() -> None:
    assert ids() == json.loads(IDS.read_text())


UNSCALED_TAGS = {"uniter_tiny": "22fad3a961d6e9af450a", "uniter_base": "0941cce59de1f79a79c7"}
"""Trials of VCR by preset, from when a region's vector drowned the word that names it."""


@pytest.mark.parametrize("preset", UNSCALED_TAGS)
def test_trials_with_unscaled_tags_keep_their_ids_under_the_setting_that_says_so_and_the_default_has_others(
    preset: str,
) -> None:
    def identity(**student: str) -> str:
        given = {"task": {"name": "vcr"}, "student": {"preset": preset, "init": _INIT[preset], **student}}
        config = canonical(TrialConfig.model_validate(given))
        return trial_ids(CLIP_TD, config, (3,), ("val", "test"), DIGESTS, {})[0]

    assert identity(tags="unscaled") == UNSCALED_TAGS[preset]
    assert UNSCALED_TAGS[preset] not in (identity(), identity(tags="scaled"), identity(tags="none"))
    assert identity() == identity(tags={"uniter_tiny": "scaled", "uniter_base": "none"}[preset])


_INIT = {"uniter_tiny": "pretrained", "uniter_base": "scratch"}


def test_how_tags_are_read_changes_no_trial_of_a_task_without_any() -> None:
    ids = {
        trial_ids(CLIP_TD, canonical(TrialConfig.model_validate({"student": student})), (3,), ("val",), DIGESTS, {})
        for student in ({}, {"tags": "unscaled"}, {"tags": "none"}, {"tags": "scaled"})
    }
    assert len(ids) == 1


PREDICTIONS = sorted(FOLDER.glob("predictions_v*.parquet"))


def test_predictions_have_their_golden_files_since_version_4() -> None:
    assert [path.stem for path in PREDICTIONS] == [
        f"predictions_v{version}" for version in range(4, RECORD_VERSION + 1)
    ]


@pytest.mark.parametrize("golden", PREDICTIONS, ids=lambda path: path.stem)
def test_predictions_of_every_version_are_read_and_older_ones_know_no_clusters(golden: Path, tmp_path: Path) -> None:
    compacted = tmp_path / "studies" / "simulated" / "compacted"
    compacted.mkdir(parents=True)
    shutil.copy(golden, compacted / "predictions.parquet")
    shutil.copy(golden.with_name(golden.name.replace("predictions", "record")), compacted / "trials.parquet")
    store = Store.open(str(tmp_path))

    table = store.predictions("simulated")

    assert store.problems == [] and table.num_rows == pq.read_table(golden).num_rows > 0
    clusters = set(table["cluster"].to_pylist())
    assert clusters == ({None} if golden.stem == "predictions_v4" else {"0.png", "1.png"})


def test_every_record_version_has_its_golden_file() -> None:
    assert [path.stem for path in VERSIONS] == [f"record_v{version}" for version in range(1, RECORD_VERSION + 1)]


@pytest.mark.parametrize("golden", VERSIONS, ids=lambda path: path.stem)
def test_records_of_every_version_are_read(golden: Path, tmp_path: Path) -> None:
    written = pq.read_table(golden)
    compacted = tmp_path / "studies" / "simulated" / "compacted" / "trials.parquet"
    compacted.parent.mkdir(parents=True)
    shutil.copy(golden, compacted)
    store = Store.open(str(tmp_path))

    records = store.records("simulated")

    assert store.problems == []
    assert [record.trial_id for record in records] == sorted(written["trial_id"].to_pylist())
    assert all(record.completed and record.metrics["val/accuracy"] > 0 for record in records)
    assert {(record.commit, record.dirty) for record in records} == {(None, None)}, "none of them knew its commit"
    assert store.table("simulated", columns=["trial_id", "dirty"])["dirty"].null_count == len(records)
    for record in records:  # what was recorded is still what the program would call by that id, had no result changed
        as_then = replace(CLIP_TD, identity_version=record.identity_version)
        config = TrialConfig.model_validate_json(record.config)
        digests = Digests(data=record.data_digest, teacher=record.teacher_digest, student=record.student_digest)
        (again,) = trial_ids(as_then, config, (record.seed,), record.evaluate, digests, {})
        assert again == record.trial_id
