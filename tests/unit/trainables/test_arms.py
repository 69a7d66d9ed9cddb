from __future__ import annotations

from typing import Any

import pytest

from ablative.search_spaces.configuration import flatten
from ablative.search_spaces.configuration import replaced
from ablative.trainables.arms import ARMS
from ablative.trainables.arms import METHODS
from ablative.trainables.arms import SELECTIONS
from ablative.trainables.arms import SPACES
from ablative.trainables.arms import WEIGHTINGS
from ablative.trainables.config import CONTROLS
from ablative.trainables.config import DistillationConfig
from ablative.trainables.config import TermWeights
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical

BASE = TrialConfig.model_validate(
    {
        "distillation": {
            "terms": {"image": 0.5, "text": 0.25, "tokens": 2.0},
            "selection": {"score": "visual", "ratio": 0.4},
            "weighting": {"confidence": "exp_ce", "schedule": "cosine"},
        }
    }
)
SAME = {"visual_tokens", "w4_exp_ce"}
"""Arms that are the base itself, as every score and every weighting has an arm."""
OTHERS = [name for name in ARMS if name not in SAME]
GROUPS = sorted(set(DistillationConfig.model_fields) & set(TermWeights.model_fields))


def arm(name: str, base: TrialConfig = BASE) -> TrialConfig:
    return replaced(base, ARMS[name])  # type: ignore[type-var]


def options(name: str) -> dict[str, Any]:
    """Another value than the default of each option of a term's group."""
    group = getattr(DistillationConfig(), name)
    return {field: value / 2 if isinstance(value, float) else value + 1 for field, value in group}


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_differs_from_the_base_in_nothing_but_what_it_says(name: str) -> None:
    before, after = (flatten(TrialConfig, config.model_dump()) for config in (BASE, arm(name)))
    differs = {path for path in before if before[path] != after[path]}
    assert bool(differs) is (name not in SAME)
    assert differs <= ARMS[name].keys()
    assert {path: after[path] for path in ARMS[name]} == ARMS[name]


def test_no_two_arms_are_one_computation_nor_is_any_the_base() -> None:
    base = replaced(BASE, {"task.name": "vcr"})  # where there are candidates
    found = [canonical(base), *(canonical(arm(name, base)) for name in OTHERS)]
    assert all(config not in found[:place] for place, config in enumerate(found))


def test_every_arm_has_one_name_and_selections_and_weightings_change_one_option() -> None:
    tables = (CONTROLS, SELECTIONS, WEIGHTINGS, SPACES, METHODS)
    assert len(ARMS) == sum(map(len, tables))
    assert all(len(changes) == 1 for changes in (SELECTIONS | WEIGHTINGS | SPACES).values())


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_the_same_on_every_base_but_for_options_it_leaves_open(name: str) -> None:
    other = TrialConfig.model_validate(
        {"distillation": {"terms": {"crd": 1.0, "dime": 3.0}, "weighting": {"task": "kdar", "confidence": "correct"}}}
    )
    one, two = (canonical(arm(name, base)).distillation for base in (BASE, other))
    assert one.terms == two.terms
    assert one.weighting.confidence == two.weighting.confidence
    assert one.weighting.task == two.weighting.task


def test_without_any_term_or_task_weight_nothing_is_distilled() -> None:
    plain = arm("no_distillation", arm("kdar"))
    assert not plain.distillation.distils
    assert canonical(plain) == canonical(TrialConfig())


@pytest.mark.parametrize("term", TermWeights.model_fields)
def test_any_term_alone_needs_the_teacher(term: str) -> None:
    config = DistillationConfig(terms=TermWeights(**{term: 0.1}))
    assert config.distils
    assert canonical(TrialConfig(distillation=config)).distillation != DistillationConfig()


def test_a_task_weight_alone_needs_the_teacher_and_no_other_weighting() -> None:
    config = replaced(TrialConfig(), {"distillation.weighting.task": "kdar", "teacher.control": "untrained"})
    again = replaced(config, {"distillation.weighting.confidence": "teacher", "distillation.distance": "l1"})
    assert canonical(config) == canonical(again)  # type: ignore[type-var]
    assert canonical(config).teacher.control == "untrained"  # type: ignore[type-var]


@pytest.mark.parametrize("name", GROUPS)
def test_options_of_a_term_matter_where_it_is_on_and_nowhere_else(name: str) -> None:
    for weight, matters in ((1.0, True), (0.0, False)):
        terms = {"terms": {"image": 1.0, name: weight}}
        plain = TrialConfig.model_validate({"distillation": terms})
        for field, value in options(name).items():
            changed = TrialConfig.model_validate({"distillation": {**terms, name: {field: value}}})
            assert (canonical(changed) != canonical(plain)) is matters, field


def test_the_distance_matters_to_matching_terms_alone() -> None:
    for term in TermWeights.model_fields:
        terms = {"terms": {term: 1.0}}
        plain, other = (
            canonical(TrialConfig.model_validate({"distillation": {**terms, **more}}))
            for more in ({}, {"distance": "l1"})
        )
        assert (plain != other) is (term in ("image", "text", "tokens", "regions")), term


def test_which_candidates_are_distilled_matters_to_tasks_with_candidates_and_to_what_distils() -> None:
    for task, matters in (("vcr", True), ("snli_ve", False), ("vqa", False)):
        changes = {"task.name": task, "distillation.candidates": "all"}
        plain, every = (replaced(BASE, {"task.name": task}), replaced(BASE, changes))
        assert (canonical(plain) != canonical(every)) is matters, task
    kdar = {"task.name": "vcr", "distillation.weighting.task": "kdar"}
    without, every = (replaced(TrialConfig(), {**kdar, **more}) for more in ({}, {"distillation.candidates": "all"}))
    assert canonical(without) == canonical(every)


def selected(**selection: object) -> TrialConfig:
    return canonical(TrialConfig.model_validate({"distillation": {"terms": {"tokens": 1.0}, "selection": selection}}))


def test_what_cannot_matter_beside_a_count_is_cleared() -> None:
    assert selected(count=2, ratio=0.9) == selected(count=2)
    assert selected(count=1, weights="uniform") == selected(count=1)
    assert selected(count=1, temperature=0.2) == selected(count=1)
    assert selected(count=1, temperature=0.2, draw="sampled") != selected(count=1, draw="sampled")
    assert selected(count=2, score="all") == selected(score="all")
    assert selected(score="keyword", visual_share=0.1) == selected(score="keyword")
    assert selected(count=2) != selected(count=3) != selected()


def test_what_cannot_matter_without_weights_is_cleared() -> None:
    def weighted(**weighting: object) -> TrialConfig:
        config = {"distillation": {"terms": {"image": 1.0}, "weighting": {"confidence": "none", **weighting}}}
        return canonical(TrialConfig.model_validate(config))

    assert weighted(uniform=True, normalise=False) == weighted()


@pytest.mark.parametrize(
    ("reads", "distillation"),
    [
        (set(), {"terms": {"image": 1.0, "rkd_angle": 1.0, "crd": 1.0}, "selection": {"score": "keyword"}}),
        ({"words", "cosines"}, {"terms": {"attention": 1.0}, "selection": {"score": "leave_one_out"}}),
        ({"words", "cosines"}, {"terms": {"tokens": 1.0}, "selection": {"score": "semantic"}}),
        ({"words"}, {"terms": {"tokens": 1.0}, "selection": {"score": "leave_one_out"}}),
        ({"words"}, {"terms": {"tokens": 1.0}, "selection": {"score": "keyword"}}),
        ({"words"}, {"terms": {"tokens": 1.0}, "selection": {"score": "content"}}),
        ({"probabilities"}, {"terms": {"logits": 1.0}}),
        ({"probabilities"}, {"terms": {"mixed_labels": 1.0}}),
    ],
)
def test_only_what_an_arm_reads_is_read(reads: set[str], distillation: dict[str, Any]) -> None:
    config = DistillationConfig.model_validate(distillation)
    parts = ("words", "cosines", "probabilities")
    assert {part for part in parts if getattr(config, f"reads_{part}")} == reads
