from __future__ import annotations

import pytest

from tests.helpers.study_text import HEAD
from tests.helpers.study_text import load
from tests.helpers.study_text import mistakes

TEXT = (
    HEAD
    + """\
arms:
  design: leave_one_out
  factors:
    selection: {without: {distillation.selection.score: all}}
conditions: {task.name: [snli_ve, vqa]}
search:
  trials: 4
  batch: 2
  space:
    optim.lr: {loguniform: [1e-4, 1e-3]}
"""
)


def test_overrides_address_the_places_of_the_study_file() -> None:
    study = load(
        TEXT,
        "search.trials=8",
        "seeds.confirm=[7, 8]",
        "base.task.data=/data/vcr",
        "base.optim.lr=1e-4",
        "storage=s3://bucket/a=b",
    )
    assert study.search.trials == 8
    assert study.seeds.confirm == (7, 8)
    assert study.base["task"] == {"data": "/data/vcr"}
    assert study.base["optim"] == {"lr": 1e-4}
    assert study.storage == "s3://bucket/a=b"


def test_overrides_reach_keys_that_are_dotted_paths() -> None:
    study = load(
        TEXT,
        "conditions.task.name=[vqa]",
        "conditions.task.data_fraction=[0.1]",
        "search.space.optim.lr.loguniform=[1e-5, 1e-2]",
        "search.space.distillation.selection.ratio={uniform: [0.1, 0.9]}",
        "search.space.distillation.selection.ratio.when.distillation.selection.score={not: all}",
        "arms.factors.selection.without.distillation.selection.score=random",
        "arms.listed.half.optim.epochs=4",
    )
    assert study.conditions == {"task.name": ("vqa",), "task.data_fraction": (0.1,)}
    assert study.search.space["optim.lr"].low == 1e-5
    assert study.search.space["distillation.selection.ratio"].when == {"distillation.selection.score": {"not": "all"}}
    assert study.arms.factors["selection"].without == {"distillation.selection.score": "random"}
    assert study.arms.listed == {"half": {"optim.epochs": 4}}


def test_later_overrides_win() -> None:
    assert load(TEXT, "search.trials=8", "search.trials=9").search.trials == 9


def test_an_override_removes_what_it_empties() -> None:
    assert load(TEXT, "conditions={}", "search={}", "arms={}").conditions == {}


@pytest.mark.parametrize(
    ("override", "path", "found", "expected"),
    [
        ("search.trials", "", "search.trials", "path=value"),
        ("=8", "", "=8", "path=value"),
        ("search.trails=8", "search.trails", "unknown key", "trials"),
        ("search.trials=0", "search.trials", "0", "at least 1 and at most"),
        ("seeds.confirm=[1", "", "[ that is not closed", "closed by ]"),
        ("search.trials.most=8", "search.trials.most", "search.trials that is not a map", "search.trials as a whole"),
        ("conditions.task.nme=[vqa]", "conditions.task.nme", "unknown field", "task.name"),
    ],
)
def test_a_bad_override_is_named_instead_of_a_line(override: str, path: str, found: str, expected: str) -> None:
    (mistake,) = mistakes(TEXT, override)
    assert mistake.file == f"override {override}"
    assert (mistake.line, mistake.path) == (None, path)
    assert found in mistake.found
    assert expected in mistake.expected


def test_an_override_can_put_a_mistake_of_the_file_right() -> None:
    assert mistakes(TEXT.replace("trials: 4", "trials: 0")) != ()
    assert mistakes(TEXT.replace("trials: 4", "trials: 0"), "search.trials=4") == ()


def test_an_override_without_base_is_told_the_whole_path_under_its_own_name() -> None:
    (mistake,) = mistakes(HEAD, "optim.lr=0.1")
    assert (mistake.file, mistake.expected) == ("override optim.lr=0.1", "base.optim.lr")


def test_fewer_trials_than_the_files_batch_make_the_batch_smaller() -> None:
    text = HEAD + "search: {trials: 4, batch: 3, space: {optim.lr: {loguniform: [1e-4, 1e-3]}}}\n"
    assert load(text, "search.trials=2").search.batch == 2
    assert load(text, "search.trials=8").search.batch == 3
    assert [mistake.path for mistake in mistakes(text, "search.trials=2", "search.batch=3")] == ["search.batch"]
