"""Every kind of teacher passes the contract, on tiny models; and the contract catches faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from ablative.testing.teachers import NAMES
from ablative.testing.teachers import TEXTS
from ablative.testing.teachers import TeacherContract
from ablative.testing.teachers import settings_of
from ablative.trainables.config import TeacherConfig
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.teachers.words import words_of
from tests.helpers.small_folders import clip_folder
from tests.helpers.small_folders import feature_files
from tests.helpers.small_folders import siglip_folder
from tests.helpers.small_folders import two_towers
from tests.helpers.small_teachers import small_teacher

torch.set_num_threads(1)


@pytest.mark.slow
class TestOpenClip(TeacherContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> TeacherConfig:
        return small_teacher(tmp_path / "teacher")


@pytest.mark.slow
class TestClipOfTransformers(TeacherContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> TeacherConfig:
        return clip_folder(tmp_path / "teacher")


@pytest.mark.slow
class TestSiglipOfTransformers(TeacherContract):
    @pytest.fixture
    def settings(self, tmp_path: Path) -> TeacherConfig:
        return siglip_folder(tmp_path / "teacher")


@pytest.mark.slow
class TestTwoTowers(TeacherContract):
    @pytest.fixture(params=["mean", "cls", "last"])
    def settings(self, tmp_path: Path, request: pytest.FixtureRequest) -> TeacherConfig:
        return two_towers(tmp_path / "teacher", pooling=request.param)


class TestStoredFeatures(TeacherContract):
    @pytest.fixture(params=["joint", "apart"])
    def settings(self, tmp_path: Path, request: pytest.FixtureRequest) -> TeacherConfig:
        joint = request.param == "joint"
        return feature_files(tmp_path / "own", NAMES, TEXTS, widths=(6, 6 if joint else 4), joint=joint)


@pytest.mark.slow
class TestMiniDualEncoder(TeacherContract):
    """Without its alignment, which takes minutes: the towers and the projections of the control."""

    @pytest.fixture
    def settings(self) -> TeacherConfig:
        return TeacherConfig(control="untrained")

    # Tests of the bundled teacher compare the two.
    test_the_untrained_control_is_another_model_and_always_the_same = None  # type: ignore[assignment]


@pytest.mark.slow
class TestMiniSceneEncoder(TeacherContract):
    """As it is shipped."""

    @pytest.fixture
    def settings(self) -> TeacherConfig:
        return TeacherConfig(model="mini_scene_encoder")


class Bag(nn.Module):
    """Sums of hashed words and mean colours; each fault is one thing that it does wrong."""

    logit_scale = 1.0
    width = 8

    def __init__(self, fault: str, seed: int) -> None:
        super().__init__()
        self.fault = fault
        drawn = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(1009, 8, generator=drawn), requires_grad=fault == "learning")
        self.colours = torch.randn(48, 9 if fault == "widths" else 8, generator=drawn)

    def encode_images(self, images: Any) -> torch.Tensor:
        small = [torch.tensor([*image.resize((4, 4)).tobytes()], dtype=torch.float32) for image in images]
        return normalize(torch.stack(small) @ self.colours, dim=-1)

    def encode_texts(self, texts: Any) -> torch.Tensor:
        rows = torch.stack([self._states(text).sum(0) for text in texts])
        if self.fault == "batch" and len(rows) > 1:
            rows = rows - rows.mean(0)
        if self.fault == "drawing":
            rows = nn.functional.dropout(rows, 0.5) + torch.rand(())
        if self.fault == "nan":
            rows = rows / 0
        return rows if self.fault == "length" else normalize(rows, dim=-1)

    def word_features(self, texts: Any) -> list[torch.Tensor]:
        fewer = 1 if self.fault == "words" else 0
        return [normalize(self.table[: max(0, len(words_of(text)) - fewer)], dim=-1) for text in texts]

    def _states(self, text: str) -> torch.Tensor:
        places = [] if self.fault == "blind" else [sum(map(ord, word)) % 1009 for word in words_of(text)]
        return self.table[[*places, 5]]


def faulty(fault: str) -> Teacher:
    def load(config: Any, cache: Path, progress: Any) -> Any:
        return Bag(fault, 8 if config.control == "untrained" and fault != "untrained" else 7)

    gives = ("image", "text", "words")
    return Teacher(name="bag", description="Words and colours.", load=load, gives=gives)


CONTRACT = TeacherContract()
FAULTS: dict[str, Callable[[Any], None]] = {
    "length": CONTRACT.test_every_row_is_a_unit_vector,
    "nan": CONTRACT.test_every_row_is_a_unit_vector,
    "widths": CONTRACT.test_every_row_is_a_unit_vector,
    "words": CONTRACT.test_every_row_is_a_unit_vector,
    "batch": CONTRACT.test_rows_do_not_depend_on_what_stands_beside_them,
    "blind": CONTRACT.test_what_differs_has_features_that_differ,
    "drawing": CONTRACT.test_loading_it_again_gives_the_same_and_draws_nothing,
    "learning": CONTRACT.test_it_learns_nothing,
    "untrained": CONTRACT.test_the_untrained_control_is_another_model_and_always_the_same,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str) -> None:
    FAULTS[fault](settings_of(faulty("none")))  # the same teacher without the fault passes

    with pytest.raises(AssertionError):
        FAULTS[fault](settings_of(faulty(fault)))


def test_two_teachers_that_answer_to_one_model_are_caught() -> None:
    greedy = Teacher(name="greedy", description="Too much.", load=lambda *_: None, models=lambda: ["ViT-B-32"])
    with pytest.raises(AssertionError):
        CONTRACT.test_its_model_names_it_alone(settings_of(greedy).model_copy(update={"model": "ViT-B-32"}))


def test_a_gift_that_is_none_is_refused() -> None:
    with pytest.raises(PartError, match=r"test_teachers.py:\d+: teacher odd: gives 'sound'; wanted some of image, "):
        Teacher(name="odd", description="Hears.", load=lambda *_: None, gives=("sound",))  # type: ignore[arg-type]


def test_every_teacher_that_ships_has_its_contract() -> None:
    """Here, or in a file of its name."""
    here = {"features", "mini_dual_encoder", "mini_scene_encoder", "open_clip", "transformers", "two_towers"}
    files = {name: Path(__file__).with_name(f"test_{name}.py") for name in bundled().of(Teacher) if name not in here}

    assert here <= {*bundled().of(Teacher)}
    assert [name for name, file in files.items() if "TeacherContract" not in file.read_text(encoding="utf-8")] == []
