from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from ablative.trainables.benchmark.relations import relation
from ablative.trainables.config import StudentConfig
from ablative.trainables.students.checkpoint import save_encoder
from ablative.trainables.students.pretrain import NO_LABEL
from ablative.trainables.students.pretrain import Questions
from ablative.trainables.students.pretrain import pretrain
from ablative.trainables.students.pretrain_scenes import CaptionedScenes
from ablative.trainables.students.pretrain_scenes import captioned_scenes
from ablative.trainables.students.pretrain_scenes import turned
from ablative.trainables.students.student import build_student
from ablative.trainables.students.vocabulary import MASK
from ablative.trainables.students.vocabulary import tokenizer
from ablative.trainables.students.word_vectors import minilm_word_vectors
from ablative.trainables.vision.regions import REGION_WIDTH
from ablative.trainables.vision.regions import RegionFeatures
from ablative.trainables.vision.regions import build_regions
from ablative.trainables.vision.regions import open_regions

pytestmark = pytest.mark.slow

COUNT = 12


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[CaptionedScenes, RegionFeatures]:
    cache = tmp_path_factory.mktemp("cache")
    scenes = captioned_scenes(COUNT, cache / "pictures", lambda what, done, total: None)
    build_regions(scenes.split, cache, lambda what, done, total: None)
    return scenes, open_regions(cache, scenes.split.image_folder)


def test_a_mask_does_not_tell_whether_a_caption_matches(material: tuple[CaptionedScenes, RegionFeatures]) -> None:
    questions = Questions(*material, minilm_word_vectors(), seed=0)
    asked = [questions.draw(np.arange(COUNT)) for _ in range(20)]

    for one in asked:
        masked_B = (one.inputs.ids_BL == MASK).any(dim=1)
        blanked_B = ((one.inputs.regions_BRF == 0).all(dim=-1) & one.inputs.region_mask_BR).any(dim=1)
        assert not (one.matching_B & (masked_B | blanked_B)).any()
        assert bool((one.matched_B[~one.matching_B] == 1).all()), "masks are filled in for true captions only"
    shares = torch.cat([one.matched_B[one.matching_B] for one in asked]).float().mean()
    assert 0.3 < float(shares) < 0.7


def test_labels_stand_where_the_words_were_masked(material: tuple[CaptionedScenes, RegionFeatures]) -> None:
    questions = Questions(*material, minilm_word_vectors(), seed=1)
    asked = [questions.draw(np.arange(COUNT)) for _ in range(5)]

    assert sum(int((one.words_BL >= 0).sum()) for one in asked) > 0
    for one in asked:
        assert torch.equal(one.words_BL >= 0, one.inputs.ids_BL == MASK)


def test_every_box_has_its_class_and_the_whole_image_none(material: tuple[CaptionedScenes, RegionFeatures]) -> None:
    scenes, _ = material
    questions = Questions(*material, minilm_word_vectors(), seed=2)
    classes_BR = questions.draw(np.arange(COUNT)).classes_BR
    names = list(questions.class_of)

    assert bool((classes_BR[:, 0] == NO_LABEL).all())
    for row, labels in enumerate(scenes.labels(i) for i in range(COUNT)):
        assert [names[c] for c in classes_BR[row, 1 : 1 + len(labels)]] == labels


def test_only_words_of_true_captions_are_placed_and_at_the_one_thing_they_name(
    material: tuple[CaptionedScenes, RegionFeatures],
) -> None:
    scenes, _ = material
    questions = Questions(*material, minilm_word_vectors(), seed=3)
    placed = 0
    for asked in (questions.draw(np.arange(COUNT)) for _ in range(5)):
        assert not ((asked.named_BL >= 0) & (asked.matched_B == 0)[:, None]).any()
        for row, column in (asked.named_BL >= 0).nonzero().tolist():
            placed += 1
            nouns = [name.split()[-1] for name in scenes.labels(row)]
            said = nouns[int(asked.named_BL[row, column]) - 1]  # row 0 is the whole image
            if asked.inputs.references_BL[row, column] >= 0:
                assert asked.named_BL[row, column] == asked.inputs.references_BL[row, column]
            else:
                assert tokenizer().id_to_token(int(asked.inputs.ids_BL[row, column])) in said
                assert nouns.count(said) == 1
    assert placed > COUNT


def test_nothing_stands_where_it_stood_in_a_turned_scene(material: tuple[CaptionedScenes, RegionFeatures]) -> None:
    scenes, _ = material
    rng = np.random.default_rng(0)
    said = 0
    for one in scenes.scenes:
        other = turned(one, rng)
        assert [thing.concept for thing in other.things] == [thing.concept for thing in one.things]
        for a, b in itertools.permutations(range(len(one.things)), 2):
            side = relation(one.things[a].box, one.things[b].box)
            if side:
                said += 1
                assert relation(other.things[a].box, other.things[b].box) not in (side, None)
    assert said > COUNT


def test_what_pretraining_writes_is_what_a_student_starts_from(
    material: tuple[CaptionedScenes, RegionFeatures], tmp_path: Path
) -> None:
    encoder, final = pretrain(*material, steps=2, batch_size=6, lr=1e-3, seed=0)
    save_encoder(encoder, tmp_path / "encoder.safetensors", {})
    config = StudentConfig(init=str(tmp_path / "encoder.safetensors"))
    student = build_student(config, head="exclusive", num_classes=3, region_width=REGION_WIDTH)

    assert set(final) == {"loss", "off_place", "words", "regions", "matching"}
    for name, value in student.encoder.state_dict().items():
        assert torch.equal(value, encoder.state_dict()[name].half().float()), name
