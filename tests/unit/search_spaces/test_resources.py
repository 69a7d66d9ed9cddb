"""Resources that differ between the trials of one study."""

from __future__ import annotations

import pytest

from ablative.search_spaces.study import Resources
from ablative.trainables.config import TrialConfig
from tests.helpers.study_text import HEAD
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
