"""The teacher of each kind of text tower against open_clip itself and a plain reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import normalize

from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.words import Passage

pytestmark = pytest.mark.slow
KINDS = ("plain", "custom", "class_token", "bert")
TEXTS = ["a red fox", "there is a cat left of the dog", "cat"]


@pytest.fixture(scope="module", params=KINDS)
def teacher(request: pytest.FixtureRequest, small_models: dict[str, str]) -> DualEncoder:
    return untrained(small_models[request.param])


@pytest.fixture(scope="module")
def plain(small_models: dict[str, str]) -> DualEncoder:
    return untrained(small_models["plain"])


def untrained(model: str) -> DualEncoder:
    return load_teacher(TeacherConfig(model=model, control="untrained"), Path("unused"))


def pictures(count: int) -> list[Image.Image]:
    rng = np.random.default_rng(3)
    return [Image.fromarray(rng.integers(0, 255, (40, 32, 3), dtype=np.uint8)) for _ in range(count)]


def test_sentences_are_what_open_clip_encodes_in_the_order_given(teacher):
    expected = normalize(teacher.model.encode_text(teacher.tokenizer(TEXTS)), dim=-1)
    torch.testing.assert_close(teacher.encode_texts(TEXTS), expected)


def test_images_are_what_open_clip_encodes_in_the_order_given(teacher):
    images = pictures(6)  # more than one batch on a CPU
    pixels = torch.stack([teacher.preprocess(image) for image in images])
    expected = normalize(teacher.model.encode_image(pixels), dim=-1)
    torch.testing.assert_close(teacher.encode_images(images), expected)


def test_every_word_has_one_unit_vector(teacher):
    for kind in ("contextual", "isolated"):
        features = teacher.word_features(TEXTS, kind)
        assert [len(rows) for rows in features] == [3, 8, 1]
        for rows in features:
            torch.testing.assert_close(rows.norm(dim=-1), torch.ones(len(rows)))


def test_isolated_words_are_encoded_as_sentences_of_their_own(teacher):
    found = teacher.word_features(["the cat"], "isolated")[0]
    torch.testing.assert_close(found, teacher.encode_texts(["the", "cat"]))


def test_a_word_in_context_differs_from_the_word_alone_and_between_contexts(teacher):
    first, second = teacher.word_features(["the red fox", "a blue fox"])
    assert not torch.allclose(first[2], second[2], atol=1e-3)


def test_contextual_words_of_plain_clip_are_the_mean_states_of_their_byte_pairs(plain):
    model, text = plain.model, "an unbelievablest cat"
    ids = plain.tokenizer([text])
    states = model.token_embedding(ids) + model.positional_embedding
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask))[0] @ model.text_projection
    last = len(plain.tokenizer.encode(text))
    expected = torch.stack([states[1], states[2:last].mean(0), states[last]])
    torch.testing.assert_close(plain.word_features([text])[0], normalize(expected, dim=-1))


def test_contextual_words_of_a_bert_are_its_projected_last_states(small_models):
    teacher = untrained(small_models["bert"])
    ids = teacher.tokenizer(["red fox"])
    tower = teacher.model.text
    states = tower.transformer(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state[0]
    expected = normalize(tower.proj(states[1:3]), dim=-1)
    torch.testing.assert_close(teacher.word_features(["red fox"])[0], expected)


def test_words_cut_off_by_the_context_have_their_isolated_vector(teacher):
    query = " ".join(f"one{i}" for i in range(30))
    whole = Passage(query=query, response="the cat")
    features = teacher.read([whole])
    rows = features.words[0]
    assert len(rows) == 32
    torch.testing.assert_close(rows[29], teacher.encode_texts(["one29"])[0])
    assert not torch.allclose(rows[31], teacher.encode_texts(["cat"])[0], atol=1e-3)
    assert not torch.allclose(features.sentences_BD, teacher.encode_texts([query]), atol=1e-3)


def test_a_text_without_words_has_a_sentence_and_no_word(teacher):
    features = teacher.read([Passage(query="?!"), Passage(query="cat")])
    assert features.sentences_BD.shape == (2, 16)
    assert [len(rows) for rows in features.words] == [0, 1]


def test_no_texts_give_no_rows(plain):
    assert plain.encode_texts([]).shape[0] == 0


def test_an_unknown_kind_of_word_features_is_refused(plain):
    with pytest.raises(ValueError, match="contextual or isolated, found 'pooled'"):
        plain.word_features(["cat"], "pooled")


def test_the_teacher_stays_in_eval_mode_and_frozen_inside_a_training_model(plain):
    outer = torch.nn.ModuleDict({"teacher": plain, "student": torch.nn.Linear(16, 16)})
    outer.train()
    assert outer["student"].training
    assert not any(module.training for module in plain.modules())
    assert not any(parameter.requires_grad for parameter in plain.parameters())
    before = [parameter.clone() for parameter in plain.parameters()]
    optimizer = torch.optim.SGD(outer.parameters(), lr=1.0)
    target = plain.encode_texts(["cat"])
    (outer["student"](torch.ones(1, 16)) - target).square().sum().backward()
    optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(before, plain.parameters(), strict=True))


def test_pooled_features_are_refused_where_they_do_not_determine_the_embedding(plain):
    with pytest.raises(TypeError, match="VisionTransformer"):
        plain.encode_pooled(torch.zeros(1, 32))
