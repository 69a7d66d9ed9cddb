from __future__ import annotations

from pathlib import Path

import pytest

from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.checkpoints import Checkpoints
from ablative.orchestrator.storing.checkpoints import StoredLink
from ablative.orchestrator.storing.store import Store
from ablative.trainables.config import TrialConfig
from ablative.trainables.errors import Hindered
from ablative.trainables.job import TrialJob


def link(uri: str, trial_id: str, *, keeps: bool = False) -> StoredLink:
    job = TrialJob(
        trial_id=trial_id,
        config=TrialConfig(),
        seed=0,
        evaluate=("val",),
        cache="",
        checkpoints=uri,
        keep_student=keeps,
    )
    return StoredLink(job)


def test_a_checkpoint_is_replaced_found_and_removed(tmp_path: Path) -> None:
    checkpoints = Store.open(str(tmp_path)).checkpoints("little")
    assert checkpoints.load("t") is None
    assert checkpoints.trials() == []
    checkpoints.save("t", b"one")
    checkpoints.save("t", b"two")
    assert checkpoints.load("t") == b"two"
    assert checkpoints.trials() == ["t"]
    checkpoints.remove("t")
    checkpoints.remove("t")
    assert checkpoints.load("t") is None


def test_a_link_keeps_its_trials_checkpoint_from_any_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    uri = Store.open("store").checkpoints_uri("little")
    monkeypatch.chdir("/")
    link(uri, "t").save(b"state")
    assert link(uri, "t").load() == b"state"
    assert link(uri, "u").load() is None
    assert Checkpoints(uri).trials() == ["t"]


def test_without_a_place_nothing_is_kept() -> None:
    nowhere = link("", "t")
    nowhere.save(b"state")
    assert nowhere.load() is None
    assert not nowhere.stop_requested()


def test_options_of_a_uri_stay_behind_its_path() -> None:
    store = Store.open("s3://bucket/results?region=eu-west-1&endpoint_override=127.0.0.1:9")
    expected = "s3://bucket/results/studies/little/checkpoints?region=eu-west-1&endpoint_override=127.0.0.1:9"
    assert store.checkpoints_uri("little") == expected


def test_a_checkpoint_that_cannot_be_written_is_the_stores_error(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write"):
        Store.open(str(tmp_path)).checkpoints("little").save("t", b"state")


def test_a_trial_whose_checkpoint_cannot_be_kept_has_not_failed_but_is_hindered(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file where a folder should be")
    kept = link(Store.open(str(tmp_path)).checkpoints_uri("little"), "t")
    with pytest.raises(Hindered, match="cannot write"):
        kept.save(b"state")


def test_a_trained_student_is_kept_only_where_its_study_keeps_some(tmp_path: Path) -> None:
    store = Store.open(str(tmp_path))
    uri, students = store.checkpoints_uri("little"), store.students("little")
    link(uri, "none").keep(b"12345")
    assert students.sizes() == {}

    link(uri, "t", keeps=True).keep(b"12345")
    link(uri, "t", keeps=True).keep(b"54321")  # trained again: in place of its own

    assert students.sizes() == {"t": 5}
    assert students.load("t") == b"54321"
    assert store.checkpoints("little").trials() == []
    students.remove("t")
    assert students.sizes() == {}


def test_a_student_that_cannot_be_kept_hinders_the_run_and_fails_no_trial(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("a file where a folder should be")
    with pytest.raises(Hindered, match="cannot write"):
        link(Store.open(str(tmp_path)).checkpoints_uri("little"), "t", keeps=True).keep(b"12345")
