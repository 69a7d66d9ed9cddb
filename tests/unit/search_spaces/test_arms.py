from __future__ import annotations

import pytest

from ablative.search_spaces.arms import spelled
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import cells_of

WITHOUT = """\
  factors:
    tokens: {without: {distillation.terms.tokens: 0.0}}
    confidence: {without: {distillation.weighting.confidence: none}}
"""
WITH = """\
  factors:
    normal: {with: {distillation.weighting.normalise: false}}
    score: {levels: {visual: {distillation.selection.score: visual}, all: {distillation.selection.score: all}}}
    distillation.distance: [cosine, l1]
"""
NONE, TOKENS = "without_confidence", "without_tokens"


@pytest.mark.parametrize(
    ("design", "factors", "expected"),
    [
        ("leave_one_out", WITHOUT, ["base", TOKENS, NONE]),
        ("ladder", WITHOUT, ["base", TOKENS, f"{TOKENS}+{NONE}"]),
        ("factorial", WITHOUT, ["base", NONE, TOKENS, f"{TOKENS}+{NONE}"]),
        ("add_one", WITH, ["base", "with_normal", "score=visual", "score=all", "distillation.distance=l1"]),
        (
            "ladder",
            WITH,
            [
                "base",
                "with_normal",
                "with_normal+score=visual",
                "with_normal+score=all",
                "with_normal+score=all+distillation.distance=l1",
            ],
        ),
    ],
)
def test_an_arm_is_named_after_what_differs_from_the_base(design: str, factors: str, expected: list[str]) -> None:
    assert list(cells_of(f"{HEAD}arms:\n  design: {design}\n{factors}")) == expected


def test_the_base_is_the_reference_unless_another_arm_is_named() -> None:
    text = f"{HEAD}arms:\n  design: leave_one_out\n  base: full\n  controls: [no_distillation]\n{WITHOUT}"
    assert [cell.name for cell in cells_of(text).values() if cell.is_reference] == ["full"]
    named = cells_of(text, "arms.reference=no_distillation")
    assert [cell.name for cell in named.values() if cell.is_reference] == ["no_distillation"]


def test_the_first_listed_arm_is_the_reference_of_a_list() -> None:
    cells = cells_of(HEAD + "arms: {listed: {no_distillation: , full: {}}, controls: [shuffled_teacher]}")
    assert [(cell.arm, cell.is_reference, cell.is_control) for cell in cells.values()] == [
        ("no_distillation", True, False),
        ("full", False, False),
        ("shuffled_teacher", False, True),
    ]


def test_a_study_without_arms_has_the_base_alone() -> None:
    assert list(cells_of(HEAD)) == ["base"]


def test_listed_arms_and_controls_come_beside_a_design() -> None:
    text = f"{HEAD}arms:\n  design: leave_one_out\n  listed: {{hot: {{optim.lr: 0.1}}}}\n  controls: [text_only]\n"
    assert list(cells_of(text + WITHOUT)) == ["base", TOKENS, NONE, "hot", "text_only"]


def test_groups_of_changes_stand_for_their_fields() -> None:
    nested = "arms: {listed: {a: {distillation: {terms: {image: 0.0}, distance: l1}}}}"
    spread = "arms: {listed: {a: {distillation.terms.image: 0.0, distillation.distance: l1}}}"
    assert cells_of(HEAD + nested) == cells_of(HEAD + spread)


def test_cells_are_named_after_arm_and_condition() -> None:
    cells = cells_of(HEAD + "conditions: {task.name: [vcr, vqa], task.data_fraction: [0.01, 1.0]}")
    assert list(cells) == [
        "base|task.name=vcr,task.data_fraction=0.01",
        "base|task.name=vcr,task.data_fraction=1.0",
        "base|task.name=vqa,task.data_fraction=0.01",
        "base|task.name=vqa,task.data_fraction=1.0",
    ]
    last = cells["base|task.name=vqa,task.data_fraction=1.0"]
    assert last.condition == (("task.name", "vqa"), ("task.data_fraction", 1.0))


def test_values_in_names_cannot_be_mistaken_for_others() -> None:
    assert [spelled(value) for value in ("a/b", "a,b", "", True, None, 0.1)] == [
        "a/b",
        '"a,b"',
        '""',
        "true",
        "null",
        "0.1",
    ]
