from __future__ import annotations

from pathlib import Path

import pytest

from ablative import analysis
from ablative.analysis.views.two_runs import compared_runs
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults


def _other_data(record: Record) -> Record:
    other = record.arm == "clip_td" and record.data_fraction == 0.01
    return record.model_copy(update={"data_digest": "f" * 64}) if other else record


def test_arms_that_saw_other_data_are_not_compared_unless_asked_for_and_then_it_is_said(tmp_path: Path) -> None:
    made = StudyResults()
    made.write(str(tmp_path), _other_data)

    with pytest.raises(analysis.IncomparableError, match=r"task\.data_fraction=0\.01: other data.*f{12} in clip_td"):
        _ = analysis.load(str(tmp_path), "lowshot").effects
    allowed = analysis.load(str(tmp_path), "lowshot", mixed=True)
    assert allowed.effects.num_rows > 0
    assert sum("other data" in problem for problem in allowed.problems) == 2  # both tasks at 1 %


def test_unlike_trials_are_still_shown_one_by_one(tmp_path: Path) -> None:
    StudyResults().write(str(tmp_path), _other_data)

    assert analysis.load(str(tmp_path), "lowshot").arrow("trials").num_rows == StudyResults().table().num_rows


def test_search_trials_and_trials_of_an_earlier_plan_mix_nothing(tmp_path: Path) -> None:
    StudyResults().write(
        str(tmp_path),
        lambda record: record.model_copy(update={"data_digest": "e" * 64}) if record.phase == "search" else record,
    )

    assert analysis.load(str(tmp_path), "lowshot").effects.num_rows > 0


@pytest.mark.slow
def test_two_runs_on_other_data_are_not_compared_unless_asked_for(tmp_path: Path) -> None:
    places = [str(tmp_path / name) for name in ("first", "second")]
    StudyResults().write(places[0])
    StudyResults().write(places[1], lambda record: record.model_copy(update={"identity_version": 99}))
    names = ("lowshot", "lowshot")

    with pytest.raises(analysis.IncomparableError, match="another version of what a trial is"):
        compared_runs(*(analysis.load(place, "lowshot") for place in places), names)
    first, second = (analysis.load(place, "lowshot", mixed=True) for place in places)
    assert compared_runs(first, second, names).num_rows == len(StudyResults().arms)
    assert any("another version" in problem for problem in first.problems)


def test_a_view_or_an_answer_is_a_data_frame_in_one_line_and_shown_in_a_notebook(tmp_path: Path) -> None:
    StudyResults(question="Does <b>it</b> help?").write(str(tmp_path))
    results = analysis.load(str(tmp_path))

    arrow = results.arrow("effects")
    assert results.pandas("effects").shape == results.polars("effects").shape == (arrow.num_rows, arrow.num_columns)
    assert results.pandas("select arm, n from effects where n > 0").columns.tolist() == ["arm", "n"]
    page = results._repr_html_()
    assert "Does &lt;b&gt;it&lt;/b&gt; help?" in page
    assert "clip_td" in page


def test_results_that_cannot_be_compared_show_themselves_in_a_notebook_and_say_why(tmp_path: Path) -> None:
    StudyResults().write(str(tmp_path), _other_data)
    results = analysis.load(str(tmp_path), "lowshot")

    page = results._repr_html_()

    assert "Does distillation help when little is labelled?" in page
    assert "other data" in page
    assert repr(results).startswith("Results of lowshot in ")
