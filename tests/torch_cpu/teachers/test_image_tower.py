"""Patch features of each kind of image tower against its definition."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn.functional import normalize

from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.image_tower import read_patches
from ablative.trainables.teachers.loading import load_teacher
from tests.torch_cpu.teachers.test_teacher import pictures


def untrained(model: str):
    return load_teacher(TeacherConfig(model=model, control="untrained"), Path("unused"))


def pixels_of(teacher, count: int = 2):
    return torch.stack([teacher.preprocess(image) for image in pictures(count)])


@torch.no_grad()
def test_patches_of_a_vision_transformer_are_its_projected_last_states(small_models):
    teacher = untrained(small_models["plain"])
    visual, seen = teacher.model.visual, []
    hook = visual.ln_post.register_forward_hook(lambda _m, _i, output: seen.append(output))
    pixels = pixels_of(teacher)
    embedded = teacher.model.encode_image(pixels)
    hook.remove()
    patches = read_patches(teacher.model, pixels)
    assert patches.shape == (2, 4, 16)
    torch.testing.assert_close(patches, seen[0][:, 1:] @ visual.proj)
    torch.testing.assert_close(embedded, seen[0][:, 0] @ visual.proj)


@torch.no_grad()
def test_patches_of_an_averaging_trunk_have_the_feature_of_the_image_as_their_mean(small_models):
    teacher = untrained(small_models["averaged"])
    pixels = pixels_of(teacher)
    patches = read_patches(teacher.model, pixels)
    assert patches.shape == (2, 4, 16)  # a map of 2 x 2 cells
    torch.testing.assert_close(patches.mean(1), teacher.model.encode_image(pixels))


@torch.no_grad()
def test_patches_of_a_resnet_are_what_attention_to_that_patch_alone_gives(small_models):
    teacher = untrained(small_models["resnet"])
    pool, maps = teacher.model.visual.attnpool, []
    hook = pool.register_forward_pre_hook(lambda _m, inputs: maps.append(inputs[0]))
    pixels = pixels_of(teacher)
    teacher.model.encode_image(pixels)
    hook.remove()
    patches = read_patches(teacher.model, pixels)
    assert patches.shape == (2, 4, 16)
    one = maps[0][1, :, 1, 0] + pool.positional_embedding[3]  # second row, first column: the third patch
    torch.testing.assert_close(patches[1, 2], pool.c_proj(pool.v_proj(one)))


def test_a_teacher_gives_unit_vectors_patch_by_patch_in_the_order_given(small_models):
    teacher = untrained(small_models["plain"])
    images = pictures(6)  # more than one batch on a CPU
    rows = teacher.encode_patches(images)
    expected = normalize(read_patches(teacher.model, pixels_of(teacher, 6)), dim=-1)
    torch.testing.assert_close(torch.stack(rows), expected)


def test_a_tower_whose_patches_have_no_place_in_the_joint_space_is_refused(small_models):
    teacher = untrained(small_models["plain"])
    teacher.model.visual.pool_type = "none"
    with pytest.raises(TeacherError, match="type VisionTransformer gives no patch features"):
        teacher.encode_patches(pictures(1))
