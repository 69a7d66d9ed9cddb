"""Main effects and interactions of factorial studies, against least squares and against effects that were put in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm

from ablative.analysis.pairing.factors import levels_of_arms
from ablative.analysis.pairing.factors import terms
from ablative.analysis.pairing.observations import observe
from ablative.analysis.plan import StudyPlan
from ablative.analysis.plan import read_plan
from ablative.analysis.views.contrasts import contrasts_view
from ablative.analysis.views.contrasts import pooled_contrasts
from ablative.search_spaces.arms import build_arms
from ablative.search_spaces.fractional import columns
from ablative.search_spaces.fractional import confounded
from ablative.search_spaces.study import Arms
from ablative.trainables.config import TrialConfig
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

FACTORS: dict[str, Any] = {
    "image": {"with": {"distillation.terms.image": 1.0}},
    "tokens": {"with": {"distillation.terms.tokens": 1.0}},
    "optim.lr": [1e-2],
    "text": {"with": {"distillation.terms.text": 1.0}},
}


def factorial(effect: Any, factors: dict[str, Any], **design: Any) -> tuple[StudyResults, StudyPlan]:
    """A factorial study whose arms have the effect that `effect` gives to their names."""
    arms = Arms.model_validate({"design": "factorial", "factors": factors, **design})
    names = tuple(arm.name for arm in build_arms(arms, TrialConfig()))
    study = StudyResults(arms=names, effect={name: effect(name) for name in names}, proposals=1, control="")
    return study, read_plan({**study.stored(), "arms": arms.model_dump(mode="json")})


def two(*names: str) -> dict[str, Any]:
    return {name: FACTORS[name] for name in names}


def known(name: str) -> float:
    """Image adds 0.06, tokens 0.04 with image and 0 without."""
    return 0.06 * ("image" in name) + 0.04 * ("image" in name and "tokens" in name)


def test_levels_are_read_from_the_names_of_arms() -> None:
    _, plan = factorial(lambda name: 0.0, {**two("image"), "optim.lr": [1e-2, 1e20]})

    assert levels_of_arms(plan) == {
        "base": {},
        "optim.lr=0.01": {"optim.lr": "optim.lr=0.01"},
        "optim.lr=1e+20": {"optim.lr": "optim.lr=1e+20"},
        "with_image": {"image": "with_image"},
        "with_image+optim.lr=0.01": {"image": "with_image", "optim.lr": "optim.lr=0.01"},
        "with_image+optim.lr=1e+20": {"image": "with_image", "optim.lr": "optim.lr=1e+20"},
    }


def test_known_main_effects_and_interactions_are_recovered_and_judged() -> None:
    study, plan = factorial(known, two("image", "tokens", "optim.lr"))
    rows = contrasts_view(study.table(), plan).to_pylist()
    found = {row["contrast"]: row for row in rows if row["family"] == "pooled" and row["is_headline"]}

    expected = {"with_image": 0.08, "with_tokens": 0.02, "optim.lr=0.01": 0.0, "with_image:with_tokens": 0.04}
    for name, value in expected.items():
        assert found[name]["diff_ci_low"] < value < found[name]["diff_ci_high"], name
    assert found["with_image"]["verdict"] == found["with_tokens"]["verdict"] == "better"
    assert found["with_image:with_tokens"]["verdict"] == "higher"
    assert found["optim.lr=0.01"]["verdict"] == "no difference shown"
    assert found["with_image"]["comparisons"] == 3 and found["with_image"]["planned"] == 8 * 4 * 6


def test_estimates_are_those_of_least_squares_with_a_column_for_each_block() -> None:
    study, plan = factorial(known, two("image", "tokens", "optim.lr"))
    found = {item.term.name: item for item, _ in pooled_contrasts(observe(study.table(), plan), plan)}
    levels = levels_of_arms(plan)
    arms = list(levels)
    units = found["with_image"].units
    signs = np.array([[1.0 if name in levels[arm] else -1.0 for name in plan.designed.factors] for arm in arms])
    products = np.stack([signs[:, a] * signs[:, b] for a, b in ((0, 1), (0, 2), (1, 2))], axis=1)
    design = np.tile(np.hstack([signs, products, signs.prod(axis=1, keepdims=True)]), (len(units), 1))
    blocks = np.repeat(np.eye(len(units)), len(arms), axis=0)
    values = dict(zip(found["with_image"].arms, found["with_image"].values, strict=True))
    response = [values[arm][number] for number in range(len(units)) for arm in arms]

    fitted = sm.OLS(response, np.hstack([design, blocks])).fit().params

    names = ["with_image", "with_tokens", "optim.lr=0.01"]
    pairs = ["with_image:with_tokens", "with_image:optim.lr=0.01", "with_tokens:optim.lr=0.01"]
    assert [np.mean(found[name].differences) for name in names] == pytest.approx(2 * fitted[:3])
    assert [np.mean(found[name].differences) for name in pairs] == pytest.approx(4 * fitted[3:6])


@pytest.mark.parametrize("resolution", [3, 4])
def test_terms_that_a_fraction_confounds_are_named_as_such(resolution: int) -> None:
    _, plan = factorial(lambda name: 0.0, FACTORS, design="fractional", resolution=resolution)
    label = {"image": "with_image", "tokens": "with_tokens", "optim.lr": "optim.lr=0.01", "text": "with_text"}

    groups = {
        frozenset(tuple(sorted(name.removeprefix("-").split(":"))) for name in (term.name, *term.aliases))
        for term in terms(plan)
        if term.aliases
    }

    assert groups == {
        frozenset(tuple(sorted(label[factor] for factor in name.split(":"))) for name in group)
        for group in confounded(columns(4, resolution), sorted(FACTORS))
    }


def test_a_main_effect_that_is_confounded_takes_the_interaction_with_its_sign() -> None:
    """At resolution 3, text is confounded with image x lr; what the interaction does is seen there, and said."""
    interaction = 0.1
    study, plan = factorial(
        lambda name: interaction * ("image" in name and "optim.lr" in name), FACTORS, design="fractional", resolution=3
    )
    rows = contrasts_view(study.table(), plan).to_pylist()
    (row,) = (
        row for row in rows if row["contrast"] == "with_text" and row["is_headline"] and row["family"] == "pooled"
    )

    assert row["aliases"] == ["-with_image:optim.lr=0.01"]
    assert row["difference"] == pytest.approx(-interaction / 2, abs=0.01)


def test_a_failed_trial_leaves_its_block_out_of_every_term_and_is_counted() -> None:
    study, plan = factorial(known, two("image", "tokens"))
    one = next(record for record in study.records() if record.phase == "confirm" and record.arm == "with_image")
    table = study.table(lambda record: as_failed(record) if record.trial_id == one.trial_id else record)

    rows = contrasts_view(table, plan).to_pylist()

    found = [row for row in rows if row["kind"] != "arms" and row["family"] == "pooled" and row["is_headline"]]
    assert len(found) == 3
    for row in found:
        assert (row["n_pairs"], row["failed"], row["missing"]) == (11, 1, 0)
        assert "1 of 12 blocks left out" in row["note"]


def test_designs_that_change_one_factor_at_a_time_have_no_terms() -> None:
    _, plan = factorial(lambda name: 0.0, two("image", "tokens"), design="add_one")

    assert terms(plan) == ()
