"""The study is sound; run by `pytest` in this folder."""

from pathlib import Path

import ablative

STUDY = Path(__file__).parent / "starter.yaml"


def test_the_study_has_no_mistakes_and_no_warnings() -> None:
    checked = ablative.check(STUDY)

    assert checked.warnings == ()
    assert checked.study == "starter"
