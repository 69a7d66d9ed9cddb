"""InfoNCE against its definition, the training pictures' promises, and that alignment aligns."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import normalize

from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.teachers.alignment import AlignmentData
from ablative.trainables.teachers.alignment import align
from ablative.trainables.teachers.alignment import info_nce
from ablative.trainables.teachers.alignment_pictures import composed_pictures
from ablative.trainables.teachers.alignment_pictures import draw
from ablative.trainables.teachers.alignment_pictures import is_held_out
from ablative.trainables.teachers.alignment_pictures import sentences
from ablative.trainables.teachers.alignment_pictures import single_pictures
from ablative.trainables.teachers.alignment_pictures import subjects
from ablative.trainables.teachers.recipe import RECIPE
from ablative.trainables.teachers.recipe import recipe_digest
from ablative.trainables.teachers.retrieval import area_under_curve
from ablative.trainables.teachers.retrieval import recall

FEWER = RECIPE.model_copy(update={"composed": 120})


def slow_info_nce(images, texts, scale, also_true):
    count, total = len(images), 0.0
    for i in range(count):
        to_texts = [j for j in range(count) if j == i or not also_true[i][j]]
        to_images = [j for j in range(count) if j == i or not also_true[j][i]]
        own = scale * float(images[i] @ texts[i])
        total += math.log(sum(math.exp(scale * float(images[i] @ texts[j])) for j in to_texts)) - own
        total += math.log(sum(math.exp(scale * float(images[j] @ texts[i])) for j in to_images)) - own
    return total / (2 * count)


def test_info_nce_is_its_definition_without_the_pairs_that_are_true_too():
    generator = torch.Generator().manual_seed(0)
    images, texts = (normalize(torch.randn(6, 5, generator=generator, dtype=torch.float64), dim=-1) for _ in range(2))
    also_true = torch.rand(6, 6, generator=generator) < 0.3
    found = info_nce(images, texts, torch.tensor(7.0, dtype=torch.float64), also_true)
    assert float(found) == pytest.approx(slow_info_nce(images, texts, 7.0, also_true.tolist()), rel=1e-9)


def toy_data() -> AlignmentData:
    """Twenty subjects whose pictures and sentences are noisy linear views of one hidden vector."""
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(20, 8, generator=generator)
    to_image, to_text = torch.randn(8, 40, generator=generator), torch.randn(8, 24, generator=generator)
    pooled = (hidden @ to_image).repeat(3, 1)
    return AlignmentData(
        pooled=pooled + 0.1 * torch.randn(pooled.shape, generator=generator),
        shown=[(i,) for i in range(20)] * 3,
        sentences=[(row @ to_text)[None] + 0.1 * torch.randn(2, 24, generator=generator) for row in hidden],
    )


def test_alignment_finds_matching_projections_and_is_repeatable():
    data, recipe = toy_data(), RECIPE.model_copy(update={"batch_size": 20, "epochs": 20})
    first, second = (align(data, recipe, lambda *_: None) for _ in range(2))
    assert torch.equal(first.image, second.image) and torch.equal(first.text, second.text)
    images = normalize(data.pooled[:20] @ first.image.T, dim=-1)
    texts = normalize(torch.stack([rows[0] for rows in data.sentences]) @ first.text.T, dim=-1)
    assert recall(images @ texts.T)["recall_at_1"] > 0.9


def test_no_picture_or_label_of_the_alignment_shows_what_the_teacher_must_not_know():
    hidden = [concept for concept in by_name().values() if not concept.teacher_sees]
    assert hidden
    words = {word for subject in subjects() for text in sentences(subject, RECIPE) for word in text.split()}
    assert not words & {form for concept in hidden for form in (concept.noun, concept.plural)}
    assert not {subject.code for subject in subjects()} & {concept.code for concept in hidden}


def test_every_other_concept_of_the_benchmark_is_seen_under_its_own_name():
    names = {subject.labels[0] for subject in subjects() if subject.in_world}
    assert names == {concept.name for concept in by_name().values() if concept.teacher_sees}


def test_no_picture_of_the_alignment_can_be_a_scene_of_the_benchmark():
    composed = list(composed_pictures(FEWER))
    assert len(composed) == FEWER.composed
    in_world = [sum(subjects()[place].in_world for place in picture.shown) for picture in composed]
    assert max(in_world) == 1
    assert 0.4 < sum(in_world) / len(in_world) < 0.6


def test_emoji_kept_out_for_retrieval_are_in_no_training_picture():
    trained = {
        place for p in [*single_pictures(RECIPE, held_out=False), *composed_pictures(RECIPE)] for place in p.shown
    }
    kept_out = {place for picture in single_pictures(RECIPE, held_out=True) for place in picture.shown}
    assert len(kept_out) > 50 and not trained & kept_out
    assert not any(subjects()[place].in_world for place in kept_out)
    assert all(is_held_out(subjects()[place], RECIPE) for place in kept_out)


def test_a_picture_is_drawn_the_same_every_time():
    first, second = (next(composed_pictures(RECIPE)) for _ in range(2))
    assert draw(first).tobytes() == draw(second).tobytes()


def test_the_digest_follows_the_recipe():
    assert recipe_digest(RECIPE) == recipe_digest(RECIPE.model_copy())
    assert recipe_digest(RECIPE) != recipe_digest(RECIPE.model_copy(update={"epochs": 41}))


def test_recall_counts_ties_as_misses():
    similarity = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0], [3.0, 2.0, 1.0]])
    assert recall(similarity)["recall_at_1"] == pytest.approx(1 / 3)


def test_the_area_under_the_curve_counts_pairs_in_the_right_order():
    positive, negative = torch.tensor([3.0, 1.0]).numpy(), torch.tensor([2.0, 1.0, 0.0]).numpy()
    assert area_under_curve(positive, negative) == pytest.approx((3 + 1.5) / 6)
