"""Resources that differ between the trials of one study."""

from __future__ import annotations

import pytest

from ablative.search_spaces.study import Resources
from ablative.trainables.config import TrialConfig
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import load
from tests.helpers.study_text import mistakes

RESOURCES = {
    "workers": 1,
    "custom": {"licence": 1.0},
    "max_concurrent": 3,
    "where": [
        {"when": {"task.name": "vcr", "optim.lr": 0.5}, "workers": 4},
        {"when": {"task.name": {"in": ["vcr", "vqa"]}}, "workers": 2, "gpus_per_worker": 0.5, "custom": {}},
    ],
}


def config(task: str, lr: float = 0.1) -> TrialConfig:
    return TrialConfig.model_validate({"task": {"name": task}, "optim": {"lr": lr}})


def test_the_first_exception_whose_requirements_hold_counts() -> None:
    resources = Resources.model_validate(RESOURCES)
    assert resources.of(config("vcr", lr=0.5)).workers == 4
    assert resources.of(config("vcr")).workers == 2
    assert resources.of(config("snli_ve")).workers == 1


def test_an_exception_leaves_alone_what_it_does_not_name() -> None:
    resources = Resources.model_validate(RESOURCES)
    narrow, wide = resources.of(config("vcr", lr=0.5)), resources.of(config("vqa"))
    assert (narrow.custom, narrow.gpus_per_worker, narrow.max_concurrent) == ({"licence": 1.0}, 0.0, 3)
    assert (wide.custom, wide.gpus_per_worker, wide.max_concurrent) == ({}, 0.5, 3)


def test_what_trials_may_occupy_is_known_before_a_searched_value_is() -> None:
    resources = Resources.model_validate(RESOURCES)
    assert [shape.workers for shape in resources.possible(config("vcr"), ["optim.lr"])] == [4, 2]
    assert [shape.workers for shape in resources.possible(config("vqa"), ["optim.lr"])] == [2]
    assert [shape.workers for shape in resources.possible(config("snli_ve"), ["optim.lr", "task.name"])] == [4, 2, 1]


WHERE = "resources: {{where: [{{{}}}]}}\n"


@pytest.mark.parametrize(
    ("entry", "place", "found", "remedy"),
    [
        ("when: {task.nam: vcr}, workers: 2", "when.task.nam", "an unknown field task.nam", "task.name"),
        ("when: {task: vcr}, workers: 2", "when.task", "task, which is a group", "task.name"),
        ("when: {task.name: vcrr}, workers: 2", "when.task.name", '"vcrr"', "vcr"),
        ("when: {}, workers: 2", "when", "{}", "at least one entry"),
        ("workers: 2", "when", "nothing", "given"),
        ("when: {task.name: vcr}, gpus_per_worker: 1.5", "gpus_per_worker", "1.5", "below 1 or a whole number"),
        ("when: {task.name: vcr}, worker: 2", "worker", "an unknown key", "workers"),
        ("when: {task.name: vcr}, workers: 0", "workers", "0", "at least 1 and at most"),
    ],
)
def test_a_mistake_in_an_exception_is_told_with_its_place_value_and_remedy(
    entry: str, place: str, found: str, remedy: str
) -> None:
    (mistake,) = mistakes(HEAD + WHERE.format(entry))
    assert mistake.path == f"resources.where[0].{place}"
    assert mistake.file.endswith("tiny.yaml") and mistake.line == 5
    assert found in mistake.found
    assert remedy in mistake.expected


SEARCHED = HEAD + "search: {trials: 2, space: {optim.epochs: {choice: [1, 2]}}}\n"


def test_a_requirement_may_name_a_searched_value_but_none_that_is_never_chosen() -> None:
    assert mistakes(SEARCHED + WHERE.format("when: {optim.epochs: 2}, workers: 2")) == ()
    (mistake,) = mistakes(SEARCHED + WHERE.format("when: {optim.epochs: 3}, workers: 2"))
    assert "never chooses" in mistake.found


NOTHING_DRAWN = ("base.student.dropout=0", "base.optim.batch_size=64")


def with_workers(written: str) -> str:
    return HEAD + f"resources: {{workers: {written}}}\n"


def test_a_range_of_workers_counts_those_that_share_a_batch_evenly() -> None:
    resources = load(with_workers("{min: 2, max: 12}"), "base.student.dropout=0", "base.optim.batch_size=48").resources

    assert (resources.most_workers, resources.fewer_workers) == (12, (6, 4, 3, 2))
    assert (Resources(workers=3).most_workers, Resources(workers=3).fewer_workers) == (3, ())


@pytest.mark.parametrize("range_", ["{min: 3, max: 8}", "{min: 8, max: 8}", "{min: 8, max: 2}"])
def test_a_range_whose_ends_share_no_batch_evenly_is_a_mistake(range_: str) -> None:
    (mistake,) = mistakes(with_workers(range_))

    assert mistake.path == "resources.workers"
    assert "a min below max that divides it" in mistake.expected


def test_a_number_that_is_no_range_is_told_its_bounds() -> None:
    (mistake,) = mistakes(with_workers("0"))

    assert (mistake.path, mistake.expected) == ("resources.workers", "at least 1 and at most 10000")


@pytest.mark.parametrize(
    ("override", "place", "remedy"),
    [
        ("base.student.dropout=0.1", "base.student.dropout", "0 with elastic resources.workers: each worker draws"),
        ("base.student.preset=clip_vil_base", "base.student.preset", "without batch statistics"),
        ("base.optim.batch_size=66", "base.optim.batch_size", "shared evenly by 8 workers"),
        ("base.optim.sharding=full", "base.optim.sharding", "none with elastic"),
        ("base.distillation.terms.rkd_angle=1", "base.distillation.terms.rkd_angle", "compares the examples"),
        ("base.distillation.selection.draw=sampled", "base.distillation.selection.draw", "one that draws nothing"),
        ("base.distillation.selection.score=random", "base.distillation.selection.score", "one that draws nothing"),
    ],
)
def test_a_study_whose_results_would_depend_on_the_number_of_workers_may_not_change_it(
    override: str, place: str, remedy: str
) -> None:
    elastic = with_workers("{min: 2, max: 8}")
    assert mistakes(elastic, *NOTHING_DRAWN) == ()
    assert mistakes(with_workers("8"), *NOTHING_DRAWN, override) == ()

    (mistake,) = mistakes(elastic, *NOTHING_DRAWN, override)

    assert f"base.{mistake.path.removeprefix('base.')}" == place
    assert remedy in mistake.expected


def test_a_trainable_that_promises_nothing_keeps_its_number_of_workers() -> None:
    text = "study: tiny\nquestion: Does it?\ntrainable: simulated\nbase: {}\n"
    assert mistakes(text + "resources: {workers: 2}\n") == ()

    (mistake,) = mistakes(text + "resources: {workers: {min: 1, max: 2}}\n")

    assert "does not promise the same results" in mistake.expected


def test_a_range_and_exceptions_do_not_go_together() -> None:
    where = "where: [{when: {task.name: vcr}, gpus_per_worker: 1}]"
    (mistake,) = mistakes(HEAD + f"resources: {{workers: {{min: 2, max: 8}}, {where}}}\n", *NOTHING_DRAWN)

    assert (mistake.path, mistake.expected) == ("resources.workers", "a number beside resources.where")
