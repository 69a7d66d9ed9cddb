"""Where an effect lives: whether it varies between conditions, how far, and what is likely in each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects

from ablative import analysis
from ablative.analysis.numbers.heterogeneity import borrowed
from ablative.analysis.numbers.heterogeneity import fixed_interval
from ablative.analysis.numbers.heterogeneity import spread
from ablative.analysis.numbers.heterogeneity import varies
from ablative.analysis.numbers.heterogeneity import vary_jointly
from ablative.analysis.showing.answer import answer
from ablative.analysis.showing.findings import findings
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults

BCG = (
    *((-0.8893, 0.3256), (-1.5854, 0.1946), (-1.3481, 0.4154), (-1.4416, 0.0200), (-0.2175, 0.0512)),
    *((-0.7861, 0.0069), (-1.6209, 0.2230), (0.0120, 0.0040), (-0.4694, 0.0564), (-1.3713, 0.0730)),
    *((-0.3394, 0.0124), (0.4459, 0.5325), (-0.0173, 0.0714)),
)
"""Log relative risk and its variance in 13 trials of BCG (Colditz et al. 1994), as in metafor's `dat.bcg`."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_spread_of_the_bcg_trials_is_metafors() -> None:
    """metafor: tau^2 .3181 by Paule and Mandel, its Q-profile interval .1197 to 1.1115."""
    found = spread(*zip(*BCG, strict=True))

    assert found is not None
    assert found.sd**2 == pytest.approx(0.3181, abs=2e-4)
    assert (found.low**2, found.high**2) == pytest.approx((0.1197, 1.1115), abs=2e-4)


def test_effects_that_scatter_no_more_than_their_noise_have_no_spread() -> None:
    found = spread([0.010, 0.011, 0.009, 0.010], [0.0001] * 4)

    assert found is not None and (found.sd, found.low) == (0.0, 0.0)
    assert spread([0.01], [0.0001]) is None
    assert spread([0.01, 0.02], [0.0001, 0.0]) is None


def test_an_estimate_that_borrows_lies_between_its_own_and_the_mean_and_errs_less() -> None:
    draw, wins = rng(), 0
    for _ in range(200):
        true = draw.normal(0.01, 0.01, 8)
        variances = np.full(8, 0.012**2)
        seen = draw.normal(true, 0.012)
        tau = spread(seen, variances)
        assert tau is not None
        drawn = np.array([estimate for estimate, _ in borrowed(seen, variances, tau.sd)])
        mean = combine_effects(seen, variances, method_re="iterated").mean_effect_re
        assert np.all(np.abs(drawn - mean) <= np.abs(seen - mean) + 1e-12)
        wins += ((drawn - true) ** 2).sum() < ((seen - true) ** 2).sum()
    assert wins > 150


def test_one_effect_everywhere_varies_as_rarely_as_alpha_and_one_in_a_single_condition_is_found() -> None:
    draw, nulls, found = rng(), 0, 0
    for _ in range(400):
        levels = draw.normal(0.5, 1.0, (8, 1))  # what all conditions of a seed share
        noise = draw.standard_t(3, (8, 5))
        nulls += (varies(levels + noise) or 1.0) <= 0.05
        found += (varies(levels + noise + np.array([0, 0, 0, 0, 5.0])) or 1.0) <= 0.05
    assert nulls <= stats.binom.ppf(0.9999, 400, 0.05)
    assert found > 300


def test_tasks_that_are_fixed_do_not_widen_the_interval_by_their_difference() -> None:
    """Two tasks alike in scatter: the pooled t-interval of each around its own mean, by Welch's formula."""
    one, other = rng().normal(0.10, 0.01, 6), rng().normal(0.10, 0.01, 6)
    near, far = fixed_interval([one, other], [1, 1]), fixed_interval([one, other - 0.2], [1, 1])

    assert near is not None and far is not None
    assert far[1] - far[0] == pytest.approx(near[1] - near[0])
    welch = stats.ttest_ind(one, -other, equal_var=False).confidence_interval()
    assert near == pytest.approx((welch.low / 2, welch.high / 2))
    assert fixed_interval([one, other[:1]], [1, 1]) is None


def only_in_one_condition(record: Record) -> Record:
    place = (record.arm, record.phase, record.task, record.data_fraction)
    if place != ("clip_td", "confirm", "vqa", 0.05):
        return record
    return record.model_copy(update={"metrics": {name: value - 0.3 for name, value in record.metrics.items()}})


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder: Path = tmp_path_factory.mktemp("study")
    StudyResults(noise=0.02, proposals=0, confirm=tuple(range(1, 9))).write(str(folder), only_in_one_condition)
    return list(analysis.load(str(folder)).heterogeneity.to_pylist())


def test_the_view_finds_the_arm_whose_effect_lives_in_one_condition(rows: list[dict[str, Any]]) -> None:
    p_values = {row["arm"]: row["p_varies"] for row in rows}
    spreads = {row["arm"]: (row["spread_ci_low"], row["spread"]) for row in rows}

    assert p_values["clip_td"] == 2.0**-7 == min(p_values.values())
    assert spreads["clip_td"][0] > 0.05 and max(sd for arm, (_, sd) in spreads.items() if arm != "clip_td") < 0.03
    assert {row["conditions"] for row in rows} == {4}
    assert len(rows) == 4 * len(p_values)


def test_tasks_fixed_and_tasks_as_noise_stand_beside_each_other(rows: list[dict[str, Any]]) -> None:
    [low] = {row["fixed_ci_low"] for row in rows if row["arm"] == "clip_td"}
    [high] = {row["fixed_ci_high"] for row in rows if row["arm"] == "clip_td"}

    assert high - low < 0.05, "the two tasks differ by 0.15, which is in no scatter of seeds"


def _differences(seeds: int, arms: int, conditions: int, draw: np.random.Generator) -> list[np.ndarray]:
    reference, shared = draw.normal(size=(seeds, conditions)), draw.normal(size=(seeds, 1))
    return [draw.normal(size=(seeds, conditions)) - reference + shared for _ in range(arms)]


def test_one_test_of_all_arms_keeps_its_error_and_finds_the_arm_that_varies() -> None:
    draw, wrong, found = rng(), 0, 0
    for _ in range(300):
        arms = _differences(8, 3, 4, draw)
        null = vary_jointly(arms)
        assert null is not None
        wrong += null <= 0.05
        arms[0] = arms[0] + 2 * np.linspace(-1, 1, 4)
        p_value = vary_jointly(arms)
        assert p_value is not None
        found += p_value <= 0.05
    assert wrong / 300 <= 0.08
    assert found / 300 >= 0.6


def test_of_one_arm_it_is_the_test_of_that_arm() -> None:
    (arm,) = _differences(7, 1, 5, rng())

    assert vary_jointly([arm]) == varies(arm)
    assert vary_jointly([arm, arm]) == varies(arm)
    assert vary_jointly([arm[:, :1]]) is None


def _said(folder: Path, effects: Any, seeds: int = 8) -> str:
    study = StudyResults(
        effect={"clip_td": 0.05},
        noise=0.004,
        confirm=tuple(range(1, seeds + 1)),
        arms=("no_distillation", "clip_td"),
        control="",
        random_seed=1,
    )

    def moved(record: Record) -> Record:
        if record.arm != "clip_td" or record.phase != "confirm":
            return record
        more = effects(record)
        return record.model_copy(update={"metrics": {name: value + more for name, value in record.metrics.items()}})

    study.write(str(folder), moved)
    return " ".join(answer(findings(analysis.load(str(folder)), "lowshot")))


def test_the_answer_says_whether_differences_vary_between_conditions(tmp_path: Path) -> None:
    opposed = _said(tmp_path / "opposed", lambda record: -0.1 if record.task == "vqa" else 0.0)
    assert "Differences to no_distillation vary between the 4 conditions more than by chance (p 0.0" in opposed
    assert ", and so they do between the 2 tasks (p 0.0" in opposed
    assert "most of all for clip_td: -0.0" in opposed

    by_share = _said(tmp_path / "by_share", lambda record: -0.1 if record.data_fraction == 0.01 else 0.0)
    assert ", which was not shown between the 2 tasks (p 0." in by_share

    alike = _said(tmp_path / "alike", lambda record: 0.0)
    assert "Differences to no_distillation are not shown to vary between the 4 conditions" in alike

    nothing = _said(tmp_path / "nothing", lambda record: -0.05)
    assert "vary between" not in nothing, "nothing is shown, so that nothing can vary that matters"
