from __future__ import annotations

import json
from itertools import pairwise
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.search_spaces.arms import Arm
from ablative.search_spaces.arms import build_arms
from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import cells
from ablative.search_spaces.space import reduced
from ablative.search_spaces.space import searched
from ablative.search_spaces.study import Arms
from ablative.search_spaces.study import Study
from ablative.trainables.config import TrialConfig
from ablative.trainables.config import canonical

BASE = TrialConfig()
# Alternatives to the base, one field a factor.
ALTERNATIVES: dict[str, list[Any]] = {
    "optim.epochs": [3, 5, 7],
    "student.dropout": [0.0, 0.2],
    "distillation.distance": ["l1", "mse", "smooth_l1"],
    "distillation.terms.image": [0.5, 2.0],
    "teacher.model": ["ViT-B-32"],
}
VALUES = st.dictionaries(
    st.sampled_from(sorted(ALTERNATIVES)), st.integers(min_value=1, max_value=3), min_size=1, max_size=4
).map(lambda counts: {path: ALTERNATIVES[path][:count] for path, count in counts.items()})
FORMS = {"add_one": "with", "leave_one_out": "without", "ladder": "with", "factorial": "without"}


def arms_of(design: str, levels: dict[str, list[Any]]) -> tuple[Arm, ...]:
    """Factors with one alternative in the design's own form, others by their values."""
    factors = {
        (path if len(values) > 1 else f"f{number}"): (
            values if len(values) > 1 else {FORMS[design]: {path: values[0]}}
        )
        for number, (path, values) in enumerate(levels.items())
    }
    return build_arms(Arms.model_validate({"design": design, "factors": factors}), BASE)


def differences(one: Arm, other: Arm) -> int:
    """Number of factors in which two arms differ."""
    levels = [{level.factor: level.label for level in arm.levels} for arm in (one, other)]
    return sum(levels[0].get(factor) != levels[1].get(factor) for factor in levels[0].keys() | levels[1].keys())


@given(st.permutations(sorted(ALTERNATIVES)), st.integers(3, 5))
def test_a_fraction_is_the_same_in_whatever_order_its_factors_are_written(order: list[str], resolution: int) -> None:
    def fraction(paths: list[str]) -> set[str]:
        factors = {path: ALTERNATIVES[path][:1] for path in paths}
        arms = Arms.model_validate({"design": "fractional", "resolution": resolution, "factors": factors})
        return {json.dumps(arm.changes, sort_keys=True) for arm in build_arms(arms, BASE)}

    assert fraction(order) == fraction(sorted(ALTERNATIVES))


@given(VALUES)
def test_a_factorial_holds_every_combination_once(levels: dict[str, list[Any]]) -> None:
    arms = arms_of("factorial", levels)
    found = [tuple(value_at(replaced(BASE, arm.changes), path) for path in levels) for arm in arms]
    wanted = list(product(*([value_at(BASE, path), *values] for path, values in levels.items())))
    assert sorted(map(json.dumps, found)) == sorted(map(json.dumps, wanted))


@pytest.mark.parametrize("design", ["add_one", "leave_one_out"])
@given(levels=VALUES)
def test_ablation_arms_differ_from_the_base_in_exactly_one_factor(design: str, levels: dict[str, list[Any]]) -> None:
    base, *arms = arms_of(design, levels)
    assert base.changes == {}
    assert all(differences(base, arm) == 1 and len(arm.changes) == 1 for arm in arms)
    assert sorted(str(arm.changes) for arm in arms) == sorted(
        str({path: value}) for path, values in levels.items() for value in values
    )


@given(VALUES)
def test_successive_arms_of_a_ladder_differ_in_exactly_one_factor(levels: dict[str, list[Any]]) -> None:
    arms = arms_of("ladder", levels)
    assert all(differences(lower, upper) == 1 for lower, upper in pairwise(arms))
    assert len(arms) == 1 + sum(map(len, levels.values()))
    assert arms[-1].changes == {path: values[-1] for path, values in levels.items()}


@pytest.mark.parametrize("design", FORMS)
@given(levels=VALUES)
def test_arms_have_names_of_their_own(design: str, levels: dict[str, list[Any]]) -> None:
    names = [arm.name for arm in arms_of(design, levels)]
    assert len(set(names)) == len(names)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=3, max_size=3))
def test_relabelling_arms_changes_nothing_else(labels: list[str]) -> None:
    def built(names: list[str]) -> list[Any]:
        changes: list[dict[str, Any]] = [{}, {"distillation.terms.image": 1.0}, {"optim.epochs": 3}]
        listed = dict(zip(names, changes, strict=True))
        study = Study.model_validate(
            {
                "study": "s",
                "question": "q",
                "base": {},
                "arms": {"listed": listed},
                "conditions": {"task.name": ["vqa", "vcr"]},
                "search": {"trials": 2, "space": {"distillation.distance": {"choice": ["l1", "mse"]}}},
            }
        )
        return list(cells(study, TrialConfig, canonical))

    for before, after in zip(built(["x", "y", "z"]), built(labels), strict=True):
        assert (before.condition, before.config, before.space) == (after.condition, after.config, after.space)
        assert (before.is_reference, before.is_control) == (after.is_reference, after.is_control)
        assert before.name.partition("|")[2] == after.name.partition("|")[2]


DOMAINS: dict[str, Any] = {
    "distillation.terms.image": {"choice": [0.0, 1.0]},
    "distillation.terms.tokens": {"choice": [0.0, 0.5]},
    "distillation.selection.score": {"choice": ["all", "random", "visual", "visual_semantic"]},
    "distillation.selection.ratio": {"choice": [0.2, 0.6]},
    "distillation.selection.visual_share": {"choice": [0.1, 0.2]},
    "distillation.weighting.confidence": {"choice": ["none", "sigmoid", "clipped_ratio"]},
    "distillation.weighting.temperature": {"choice": [0.2, 0.4]},
}
CONFIGS = st.fixed_dictionaries(
    {
        "distillation.terms.tokens": st.sampled_from([0.0, 1.0]),
        "distillation.selection.score": st.sampled_from(["all", "visual", "visual_semantic"]),
        "distillation.selection.draw": st.sampled_from(["top_k", "sampled"]),
        "distillation.selection.ratio": st.sampled_from([0.3, 0.7]),
        "distillation.weighting.temperature": st.sampled_from([0.1, 0.3]),
        "teacher.control": st.sampled_from(["none", "shuffled"]),
    }
)


@settings(max_examples=40, deadline=None)
@given(CONFIGS, st.lists(st.sampled_from(sorted(DOMAINS)), unique=True, max_size=3))
def test_a_cell_computes_what_its_written_configuration_computes(changes: dict[str, Any], paths: list[str]) -> None:
    """Neither dropping parameters from a cell's space nor reducing its configuration changes any result."""
    study = Study.model_validate(
        {"study": "s", "question": "q", "base": {}, "search": {"space": {path: DOMAINS[path] for path in paths}}}
    )
    config, space = replaced(BASE, changes), tuple(study.search.space.items())
    kept = searched(space, config, canonical)
    small = reduced(config, kept, canonical)
    for values in product(*(DOMAINS[path]["choice"] for path in paths)):
        setting = dict(zip(paths, values, strict=True))
        chosen = {path: setting[path] for path, _ in kept}
        assert canonical(replaced(small, chosen)) == canonical(replaced(config, setting))
