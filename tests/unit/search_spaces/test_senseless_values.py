"""Values that no study can mean are refused with the range that makes sense; what someone might mean is a warning."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ablative.search_spaces.domains import QUniform
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.initial_settings import value_at_share
from ablative.search_spaces.load import load_study
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import load
from tests.helpers.study_text import loaded
from tests.helpers.study_text import mistakes
from tests.helpers.study_text import subjects

SENSELESS = {
    "no data": ("base.task.data=''", "text that is not empty"),
    "blank data": ("base.task.data='  '", "without spaces at either end"),
    "no student": ("base.student.init=''", "text that is not empty"),
    "no vocabulary": ("base.student.vocabulary=''", "text that is not empty"),
    "no teacher": ("base.teacher.model=''", "text that is not empty"),
    "no checkpoint": ("base.teacher.checkpoint=''", "text that is not empty"),
    "no store": ("storage=''", "text that is not empty"),
    "a name of two lines": (r'base.student.trunk_model="a\nb"', "text on one line"),
    "a share of nothing": ("base.task.data_fraction=1e-300", "at least 1e-6 and at most 1"),
    "a ratio of nothing": ("base.distillation.selection.ratio=1e-300", "at least 0.001 and at most 1"),
    "cold": ("base.distillation.selection.temperature=1e-300", "at least 0.0001 and at most 10000"),
    "a rate beyond all": ("base.optim.lr=1e300", "at least 1e-9 and at most 100"),
    "a rate beyond use": ("base.optim.lr=1e10", "at least 1e-9 and at most 100"),
    "a rate of nothing": ("base.optim.lr=1e-300", "at least 1e-9 and at most 100"),
    "a weight of nothing": ("base.distillation.terms.image=1e-300", "0, or at least 1e-9"),
    "examples": ("base.optim.batch_size=99999999999", "at least 1 and at most 65536"),
    "steps": ("base.optim.max_steps=99999999999", "at least 1 and at most 10000000"),
    "epochs": ("base.optim.epochs=99999999999", "at least 1 and at most 100000"),
    "workers": ("resources.workers=99999999999", "at least 1 and at most 10000"),
    "a share of a GPU": ("resources.gpus_per_worker=1e-300", "at least 0.0001"),
    "time": ("resources.time_limit_s=1e-300", "at least 1 and at most 1e9"),
    "alpha": ("comparisons.alpha=1e-300", "at least 1e-6 and at most 0.5"),
    "bounds": ("search.space.optim.lr={loguniform: [1e-300, 1e300]}", "at least 1e-9 and at most 100"),
    "ends that round to one value": ("search.space.optim.lr={uniform: [0.1, 0.1000003]}", "first four digits"),
    "steps without number": ("search.space.optim.lr={quniform: [0.0, 1.0, 1e-9]}", "at most 100000 multiples"),
    "steps beyond all": ("search.space.optim.lr={quniform: [1e300, 1.1e300, 1e299]}", "at least 1e-9 and at most 100"),
    "a step too fine for its bounds": ("search.space.optim.lr={quniform: [1.0, 1.1, 1e-300]}", "at most 100000"),
    "a whole number beyond all": (f"base.optim.epochs={'9' * 60}", "a number that a field can take"),
    "steps that contradict": ("base.optim.min_steps=5000", "at most optim.max_steps (1600)"),
    "parts of no whole": ("base.optim.accumulation=7", "a divisor of optim.batch_size (64)"),
    "compiled twice": (
        "base.optim={compiled: true, gradient_checkpointing: true}",
        "false with optim.compiled",
    ),
    "compiled in parts": ("base.optim={compiled: true, sharding: full}", "none with optim.compiled"),
    "parts of examples that stay together": ("base.optim={batch_tokens: 4000, accumulation: 3}", "a divisor of 8"),
    "patches as tokens": (
        "base={student: {visual_input: patches}, optim: {batch_tokens: 4000}}",
        "none, as patches of a picture are not counted",
    ),
    "half a character": (r'base.student.init="\uD800"', "text without this character"),
    "a sign that moves the cursor": (r'question="\e[2J"', "text without this character"),
}


@pytest.mark.parametrize("case", SENSELESS)
def test_what_no_study_can_mean_is_refused_with_what_makes_sense(case: str) -> None:
    override, expected = SENSELESS[case]
    told = mistakes(HEAD, override)
    assert told
    assert all(expected in mistake.expected for mistake in told)


def test_a_contradiction_is_told_where_it_is_written() -> None:
    steps = "search: {trials: 4, space: {optim.min_steps: {randint: [100, 3000]}}}\n"
    assert [mistake.path for mistake in mistakes(HEAD + steps)] == ["search.space.optim.min_steps"]
    arm = "arms: {listed: {short: {optim.max_steps: 100, optim.min_steps: 110}, plain: {}}}\n"
    assert [mistake.path for mistake in mistakes(HEAD + arm)] == ["arms.listed.short"]
    crossed = "conditions: {optim.min_steps: [100, 2000]}\n"
    assert [mistake.path for mistake in mistakes(HEAD + crossed)] == ["conditions.optim.min_steps"]


WARNED = {
    "a large rate": ("", "base.optim.lr=3.0", "base.optim.lr", "at most 1, because training with larger steps"),
    "a large searched rate": (
        "search: {trials: 4, space: {optim.lr: {loguniform: [0.001, 10.0]}}}",
        "",
        "search.space.optim.lr.loguniform[1]",
        "at most 1",
    ),
    "the split that chose": ("", "evaluate=[val]", "evaluate", "val, test"),
    "two arms with one objective": (
        "arms: {listed: {angle: {distillation.distance: cosine}, square: {distillation.distance: mse}}}",
        "",
        "arms.listed.square",
        "only the weight of the terms differs",
    ),
    "two levels with one objective": (
        "arms: {design: factorial, factors: {distillation.distance: [cosine, mse]}}",
        "",
        "arms.factors.distillation.distance",
        "only the weight of the terms differs",
    ),
    "two conditions with one objective": (
        "conditions: {distillation.distance: [cosine, mse]}",
        "",
        "conditions.distillation.distance",
        "only the weight of the terms differs",
    ),
    "two choices with one objective": (
        "search: {trials: 4, space: {distillation.distance: {choice: [l1, cosine, mse]}}}",
        "",
        "search.space.distillation.distance.choice[2]",
        "only the weight of the terms differs",
    ),
    "a third level": (
        "arms: {design: factorial, factors: {distillation.distance: [l1, smooth_l1]}}\nseeds: {confirm: 1-9}",
        "",
        "arms.factors.distillation.distance",
        "a level too",
    ),
}


@pytest.mark.parametrize("case", WARNED)
def test_what_someone_might_mean_is_a_warning_with_its_reason(case: str) -> None:
    text, override, path, expected = WARNED[case]
    found = loaded(HEAD + text, *[override] * bool(override)).warnings
    assert [(warning.path, expected in warning.expected) for warning in found if "pairs" not in warning.found] == [
        (path, True)
    ]


UNLIKE = """\
arms: {{controls: [no_distillation, naive_distillation]}}
search:
  trials: {trials}
  sampler: {sampler}
  space:
    optim.lr: {{choice: [1e-4, 3e-4, 1e-3]}}
    distillation.selection.ratio: {{choice: [0.1, 0.3]}}
    distillation.terms.tokens: {{choice: [0.5, 1.0]}}
seeds: {{confirm: 1-9}}
"""


def test_arms_that_search_spaces_of_different_size_with_few_settings_are_warned_of() -> None:
    (warning,) = loaded(HEAD + UNLIKE.format(trials=12, sampler="tpe")).warnings
    assert warning.path == "search.trials"
    assert warning.found == "base searches 3 parameters with 12 settings, no_distillation 1"
    assert "30 settings (10 a parameter)" in warning.expected


def test_a_search_that_is_alike_or_long_enough_or_covers_its_grids_is_not_warned_of() -> None:
    for trials, sampler in ((30, "tpe"), (12, "grid")):
        assert loaded(HEAD + UNLIKE.format(trials=trials, sampler=sampler)).warnings == ()
    alike = UNLIKE.replace("distillation.selection.ratio", "optim.weight_decay")
    alike = alike.replace("distillation.terms.tokens", "optim.label_smoothing").replace("[0.5, 1.0]", "[0.0, 0.1]")
    assert loaded(HEAD + alike.format(trials=2, sampler="tpe")).warnings == ()


def test_a_third_level_names_the_bases() -> None:
    (warning, *_) = loaded(HEAD + WARNED["a third level"][0]).warnings
    assert warning.found == '["l1", "smooth_l1"] beside the base\'s "cosine"'


def test_fine_steps_give_every_multiple() -> None:
    fine = QUniform(quniform=(0.1, 0.1000003, 1e-7))
    assert fine.values() == (0.1, 0.1000001, 0.1000002, 0.1000003)
    assert [value_at_share(fine, share) for share in (0.0, 0.3, 0.6, 0.9)] == list(fine.values())
    assert all(fine.contains(value) for value in fine.values()) and not fine.contains(0.10000005)


def test_the_halves_of_a_surrogate_pair_are_one_character() -> None:
    assert load(HEAD, r'question="\uD83D\uDE00?"').question == "\U0001f600?"


def test_a_study_is_read_from_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, HEAD.encode())
    os.close(writing)
    loaded_study = load_study(f"/dev/fd/{reading}", subjects=subjects(), default="clip_td")
    os.close(reading)
    assert loaded_study.study.study == "tiny"


@pytest.mark.parametrize("name", ["x" * 5000, "~nobody/a.yaml", "a\0b", "./" + "y" * 300 + ".yaml"])
def test_a_name_that_no_file_can_have_is_no_study(name: str) -> None:
    with pytest.raises(StudyError, match="no such study"):
        load_study(name, subjects=subjects(), default="clip_td")
