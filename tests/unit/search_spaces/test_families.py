"""What a study can show, before it costs anything."""

from __future__ import annotations

import pytest

from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.load import LoadedStudy
from ablative.search_spaces.shipped import FOLDER
from ablative.search_spaces.shipped import shipped
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import loaded

ARMS = "arms: {controls: [no_distillation, random_tokens, shuffled_teacher]}\n"
CONDITIONS = "conditions: {task.name: [vqa, snli_ve], task.data_fraction: [0.01, 0.1]}\n"
HOLM = "comparisons: {correction: holm}\n"
CLAIMS = """\
comparisons:
  correction: holm
  claims:
    gain: {arm: base, against: no_distillation}
    of_vqa: {arm: base, against: no_distillation, where: {task.name: [vqa]}}
"""


def seeds(count: int) -> str:
    return f"seeds: {{confirm: 1-{count}}}\n"


def counted(study: LoadedStudy) -> dict[str, tuple[int, set[int], int]]:
    return {family.name: (len(family.pairs), set(family.pairs), family.needed) for family in study.families}


def test_each_family_counts_its_comparisons_its_pairs_and_the_pairs_that_it_takes() -> None:
    assert counted(loaded(HEAD + ARMS + CONDITIONS + CLAIMS + seeds(6))) == {
        "claims": (2, {12, 6}, 7),
        "primary": (3, {12}, 7),
        "cells": (12, {6}, 9),
        "contrasts": (6, {12}, 8),
    }


def test_a_family_whose_pairs_do_not_suffice_for_holm_gets_max_t_and_the_others_stay() -> None:
    """Two claims with 12 and 6 pairs, and single conditions with 6: six pairs can decide any number of comparisons."""
    study = loaded((HEAD + ARMS + CONDITIONS + CLAIMS + seeds(6)).replace("correction: holm", "correction: auto"))
    assert counted(study) == {
        "claims": (2, {12, 6}, 6),
        "primary": (3, {12}, 7),
        "cells": (12, {6}, 6),
        "contrasts": (6, {12}, 8),
    }
    assert study.warnings == ()
    assert loaded(HEAD + ARMS).study.comparisons.correction == "auto"
    assert counted(loaded(HEAD + ARMS + seeds(5)))["primary"] == (3, {5}, 6), "nor can max-T with five"


@pytest.mark.parametrize(
    ("margins", "correction", "needed"),
    [
        (("at_least", "at_least"), "holm", 7),
        (("equivalent_within", "equivalent_within"), "holm", 6),  # one-sided
        (("at_least", "equivalent_within"), "holm", 7),
        (("at_least", "at_least"), "max_t", 6),
        (("at_least", "equivalent_within"), "max_t", 7),  # each kind has half of alpha
        (("equivalent_within", "equivalent_within"), "none", 5),
    ],
)
def test_claims_with_their_own_margin_need_what_their_tests_take(
    margins: tuple[str, str], correction: str, needed: int
) -> None:
    text = (HEAD + ARMS + CONDITIONS + CLAIMS + seeds(6)).replace("correction: holm", f"correction: {correction}")
    for claim, margin in zip(("gain: {", "of_vqa: {"), margins, strict=True):
        text = text.replace(claim, f"{claim}{margin}: 0.01, ")

    assert counted(loaded(text))["claims"] == (2, {12, 6}, needed)


def test_one_arm_compares_nothing() -> None:
    assert loaded(HEAD).families == ()


def test_a_path_confirms_one_arm_at_each_step() -> None:
    path = "arms: {design: path, factors: {student.dropout: [0.2], distillation.distance: [l1], optim.epochs: [4]}}\n"
    assert counted(loaded(HEAD + path + seeds(8)))["primary"] == (3, {8}, 7)


def test_without_correction_each_comparison_stands_alone() -> None:
    alone = "comparisons: {correction: none}\n"
    assert counted(loaded(HEAD + ARMS + alone))["contrasts"] == (6, {6}, 6)


def test_the_last_look_has_its_part_of_alpha_only() -> None:
    looks = "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], sequential: {looks: [9]}}\n"
    assert counted(loaded(HEAD + ARMS + seeds(12)))["primary"][2] == 7
    assert counted(loaded(HEAD + ARMS + looks))["primary"][2] > 7


@pytest.mark.parametrize(("count", "warned"), [(6, True), (7, False)])
def test_a_study_with_too_few_pairs_for_its_primary_comparisons_is_warned_of(count: int, warned: bool) -> None:
    found = loaded(HEAD + ARMS + HOLM + seeds(count)).warnings
    assert [warning.path for warning in found] == ["seeds.confirm"] * warned
    assert all("6 pairs" in warning.found and "at least 7 pairs" in warning.expected for warning in found)


def test_a_claim_that_cannot_be_answered_is_named_and_what_is_no_claim_is_not() -> None:
    study = loaded(HEAD + ARMS + CONDITIONS + CLAIMS + seeds(6))
    (warning,) = study.warnings  # nor do single conditions have the pairs that they would need
    assert warning.path == "comparisons.claims.of_vqa"
    assert "6 pairs" in warning.found and "at least 7 pairs, which takes 7 confirm seeds" in warning.expected
    assert [family.name for family in study.families if family.short] == ["claims", "cells"]


def test_a_strict_study_refuses_what_is_a_warning_otherwise() -> None:
    with pytest.raises(StudyError, match=r"warning: seeds\.confirm: found 5 pairs"):
        loaded(HEAD + ARMS + "strict: true\n" + seeds(5))
    assert loaded(HEAD + ARMS + "strict: true\n" + seeds(7)).warnings == ()


def test_a_warning_says_that_it_is_one() -> None:
    (warning,) = loaded(HEAD + ARMS + seeds(5)).warnings
    assert " warning: seeds.confirm: found 5 pairs" in str(warning)


@pytest.mark.parametrize("name", shipped())
def test_shipped_studies_can_answer_their_question_and_their_primary_comparisons(name: str) -> None:
    study = loaded((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert study.warnings == ()
    assert [family.name for family in study.families[:2] if family.short] == []


def test_where_a_block_is_a_seed_a_seed_is_one_pair_whatever_its_tasks() -> None:
    arms = "arms: {listed: {a: {}, b: {student.dropout: 0.3}}}"
    several = f"{HEAD}\nconditions: {{task.name: [snli_ve, vqa]}}\n{arms}\n"
    apart, joined = loaded(several), loaded(several, "comparisons.blocks=seed")
    assert [family.pairs for family in apart.families if family.name == "primary"] == [(12,)]
    assert [family.pairs for family in joined.families if family.name == "primary"] == [(6,)]
