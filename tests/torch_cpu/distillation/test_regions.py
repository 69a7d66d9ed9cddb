"""Image-side tokens: which regions are distilled, from what of the teacher's patches, and what learns from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablative.testing.batches import SIZES
from ablative.testing.batches import made_student
from ablative.testing.batches import made_teacher
from ablative.testing.terms import built
from ablative.trainables.config import DistillationConfig
from ablative.trainables.distillation.canonical import canonical_distillation
from ablative.trainables.distillation.objective import Objective
from ablative.trainables.distillation.scores import SCORES
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.region_features import centre_crop
from ablative.trainables.teachers.region_features import padded
from ablative.trainables.teachers.region_features import pooled_regions
from ablative.trainables.teachers.region_features import whole_picture
from ablative.trainables.terms.features import PARTS

[REGIONS] = [part for part in PARTS if part.name == "regions"]
REGION_MASK = made_teacher().region_mask
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])


def distil(**settings: object) -> DistillationConfig:
    return DistillationConfig.model_validate({"terms": {"regions": 1.0}, **settings})


def test_the_loss_is_the_weighted_distance_of_the_regions_nearest_to_the_sentence() -> None:
    term, student, teacher = built(REGIONS, {"selection": {"ratio": 0.5}}), made_student(), made_teacher()
    found_B = term(student, teacher)
    for b, mask_R in enumerate(teacher.region_mask):
        places = mask_R.nonzero().flatten().tolist()
        if not places:
            assert found_B[b] == 0
            continue
        cosines = np.array([float(teacher.regions[b, j] @ teacher.text[b]) for j in places])
        prior = np.exp((cosines - cosines.mean()) / cosines.std())
        chosen = sorted(np.argsort(-cosines)[: max(1, round(0.5 * len(places)))])
        expected = 0.0
        for i in chosen:
            x = term.module(student.regions[b, places[i]])
            away = 1 - torch.cosine_similarity(x, teacher.regions[b, places[i]], dim=0)
            expected += away.item() * prior[i] / prior[chosen].sum()
        assert found_B[b].item() == pytest.approx(expected, abs=1e-6)


def test_the_region_that_the_sentence_speaks_of_is_the_one_that_learns() -> None:
    teacher, student = made_teacher(), made_student()
    spoken_of = 2
    with torch.no_grad():
        teacher.regions[0, spoken_of] = teacher.text[0]
        teacher.region_mask[0] = True
    built(REGIONS, {"selection": {"count": 1}})(student, teacher)[0].backward()

    slopes_RS = student.regions.grad[0]
    assert slopes_RS[spoken_of].any()
    assert not slopes_RS[torch.arange(len(slopes_RS)) != spoken_of].any()
    assert not student.regions.grad[1:].any()


@pytest.mark.parametrize("score", ["random", "all"])
def test_a_score_without_relevance_ranks_no_region(score: str) -> None:
    term, student = built(REGIONS, {"selection": {"score": score}}), made_student()
    term(student, made_teacher()).sum().backward()
    learned_BR = student.regions.grad.any(dim=-1)
    assert not (learned_BR & ~REGION_MASK).any()
    assert (learned_BR == REGION_MASK).all() == (score == "all")


def test_with_weight_0_the_objective_is_the_one_without_the_term() -> None:
    task_loss, student, teacher = torch.tensor(1.5), made_student(), made_teacher()

    def minimised(**weights: float) -> tuple[torch.Tensor, set[str]]:
        config = DistillationConfig.model_validate(
            {"terms": {"image": 1.0, **weights}, "weighting": {"confidence": "none"}}
        )
        widths = [(SIZES.teacher_width, 1.0)]
        objective = Objective(config, SIZES.student_width, widths, num_examples=4, seed=3).double()
        total, _ = objective(task_loss, student, [teacher], progress=0.0)
        return total, {name for name, _ in objective.named_parameters()}

    without, off, on = minimised(), minimised(regions=0.0), minimised(regions=2.0)
    assert torch.equal(off[0], without[0]) and off[1] == without[1]
    assert on[0] > without[0] and len(on[1]) == len(without[1]) + 2


@pytest.mark.parametrize("score", SCORES)
def test_scores_that_rank_regions_alike_are_one_configuration(score: str) -> None:
    alone = canonical_distillation(distil(selection={"score": score, "visual_share": 0.9, "features": "isolated"}))
    scored = SCORES[score].relevance is not None
    assert alone.selection.score == ("visual_semantic" if scored else score)
    assert alone.selection.visual_share == 0.5 and alone.selection.features == "contextual"
    beside_words = canonical_distillation(
        distil(terms={"regions": 1.0, "tokens": 1.0}, selection={"score": score, "features": "isolated"})
    )
    assert (beside_words.selection.score, beside_words.selection.features) == (score, "isolated")


SIDES = st.integers(min_value=1, max_value=900)


@given(width=SIDES, height=SIDES, side=st.integers(min_value=1, max_value=9), seed=st.integers(0, 99))
def test_the_whole_of_what_a_teacher_sees_is_the_mean_of_its_patches(
    width: int, height: int, side: int, seed: int
) -> None:
    patches_PD = np.random.default_rng(seed).normal(size=(side * side, 5)) + 0.3
    mean_D = patches_PD.mean(axis=0) / np.linalg.norm(patches_PD.mean(axis=0))
    for window in (whole_picture((width, height)), centre_crop((width, height))):
        seen = np.array([window]).clip(0, 1)
        assert pooled_regions(patches_PD, seen, window)[0] == pytest.approx(mean_D, abs=1e-5)


def test_a_region_is_found_where_the_teacher_sees_it() -> None:
    """A film frame of 2:1, in quarters from left to right, and a teacher of 4 x 4 patches."""
    quarters = np.array([[i / 4, 0.0, (i + 1) / 4, 1.0] for i in range(4)])
    columns = np.tile(np.eye(4), (4, 1))  # patch p of the grid says in which column it is

    whole = pooled_regions(columns, quarters, whole_picture((800, 400)))
    assert whole == pytest.approx(np.eye(4))
    cropped = pooled_regions(columns, quarters, centre_crop((800, 400)))
    assert not cropped[[0, 3]].any()
    assert cropped[1] == pytest.approx([0.5**0.5, 0.5**0.5, 0, 0])
    assert cropped[2] == pytest.approx([0, 0, 0.5**0.5, 0.5**0.5])
    rows = np.repeat(np.eye(4), 4, axis=0)  # in which row it is: the outer ones are padding
    assert pooled_regions(rows, WHOLE, padded((800, 400)))[0] == pytest.approx([0, 0.5**0.5, 0.5**0.5, 0])


def test_patches_in_no_square_grid_are_refused() -> None:
    with pytest.raises(TeacherError, match="6 patches are no square grid"):
        pooled_regions(np.ones((6, 2)), WHOLE, whole_picture((1, 1)))
