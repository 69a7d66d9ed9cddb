"""The method trains, and the same trial gives the same; run by `pytest` in this folder."""

from pathlib import Path

import pytest

import ablative

HERE = Path(__file__).parent


def test_the_study_has_no_mistakes_and_no_warnings() -> None:
    assert ablative.check(HERE / "starter.yaml", with_=HERE / "starter.py").warnings == ()


def test_its_trials_are_completed_and_repeat_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = []
    for store in ("one", "other"):
        results = ablative.run(
            HERE / "starter.yaml", with_=HERE / "starter.py", executor="inline", store=store, quiet=True
        )
        asked = 'select status, arm, seed, "test/accuracy" as value from trials order by arm, phase, proposal, seed'
        found.append(results.arrow(asked).to_pylist())

    assert {row["status"] for row in found[0]} == {"completed"}
    assert found[0] == found[1]
