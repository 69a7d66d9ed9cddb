"""Every kind of student passes the contract, one brought along by a file too; and the contract catches faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ablative.testing.students import StudentContract
from ablative.testing.students import settings_of
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.part import PartError
from ablative.trainables.parts.sources import catalogue
from ablative.trainables.parts.student import Preset
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.student import students_by_preset
from ablative.trainables.students.student import StudentModule

GRU_FILE = Path(__file__).parents[2] / "docs" / "examples" / "gru_student.py"

torch.set_num_threads(1)


class TestUniter(StudentContract):
    @pytest.fixture(params=["regions", "both"])
    def settings(self, part: Student, request: pytest.FixtureRequest) -> Any:
        return settings_of(part, visual_input=request.param)

    @pytest.fixture
    def part(self) -> Student:
        return bundled().of(Student)["uniter"]


@pytest.mark.slow
class TestClipVil(StudentContract):
    @pytest.fixture
    def part(self) -> Student:
        return bundled().of(Student)["clip_vil"]


class TestVLBert(StudentContract):
    @pytest.fixture
    def settings(self, part: Student) -> Any:
        return settings_of(part, init="scratch")

    @pytest.fixture
    def part(self) -> Student:
        return bundled().of(Student)["vl_bert"]


class TestGruOfAFile(StudentContract):
    @pytest.fixture
    def part(self) -> Student:
        return catalogue([GRU_FILE]).of(Student)["gru"]


class Bag(nn.Module):
    """The sum of words and regions; each fault is one thing that it does wrong."""

    width = 8

    def __init__(self, region_width: int, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.words, self.regions = nn.Embedding(30522, self.width), nn.Linear(region_width, self.width)
        if fault == "unused":
            self.spare = nn.Linear(2, 2)
        if fault == "batch":
            self.norm = nn.BatchNorm1d(self.width, track_running_stats=False)
        if fault == "shared":
            self.again = nn.Embedding(30522, self.width)
            self.again.weight = self.words.weight

    def forward(self, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
        seen_BRS = self.regions(batch.regions_BRF)
        mask_BR1 = torch.ones_like(seen_BRS) if self.fault == "padding" else batch.region_mask_BR.unsqueeze(-1)
        words_BLS = self.words(batch.ids_BL) * batch.text_mask_BL.unsqueeze(-1)
        whole_BS = words_BLS.sum(1) + (0 if self.fault == "blind" else (seen_BRS * mask_BR1).sum(1))
        if self.fault == "batch":
            whole_BS = self.norm(whole_BS)
        if self.fault == "drawing":
            whole_BS = nn.functional.dropout(whole_BS, 0.5)
        if self.fault == "nan":
            whole_BS = whole_BS / 0
        if self.fault == "late" and self.training:
            self.late = nn.Parameter(torch.zeros(3))
        return torch.cat([whole_BS.unsqueeze(1), words_BLS[:, 1:]], dim=1), seen_BRS


def faulty(fault: str) -> Student:
    def build(settings: Any, head: Callable[[int], nn.Module], region_width: int) -> nn.Module:
        return StudentModule(Bag(region_width, fault), head(Bag.width))

    presets = {"bag_small": Preset(description="8 wide")}
    return Student(name="bag", description="A bag of words and regions.", presets=presets, build=build)


CONTRACT = StudentContract()
FAULTS: dict[str, Callable[[Any, Path], None]] = {
    "padding": lambda settings, folder: CONTRACT.test_padding_does_not_matter(settings),
    "batch": lambda settings, folder: CONTRACT.test_examples_do_not_influence_each_other(settings),
    "unused": lambda settings, folder: CONTRACT.test_a_gradient_reaches_every_parameter(settings),
    "drawing": lambda settings, folder: CONTRACT.test_one_seed_gives_one_student_and_evaluation_draws_nothing(
        settings
    ),
    "nan": lambda settings, folder: CONTRACT.test_it_gives_logits_and_states_with_every_head(settings, "independent"),
    "blind": lambda settings, folder: CONTRACT.test_what_it_says_depends_on_words_and_picture(settings),
    "late": lambda settings, folder: CONTRACT.test_training_and_evaluation_have_the_same_parameters(settings),
    "shared": lambda settings, folder: CONTRACT.test_its_weights_go_to_a_file_and_back(settings, folder),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault: str, tmp_path: Path) -> None:
    FAULTS[fault](settings_of(faulty("none")), tmp_path)  # the same student without the fault passes

    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        FAULTS[fault](settings_of(faulty(fault)), tmp_path)


def test_what_is_built_must_be_a_student_module() -> None:
    part = faulty("none")
    part = Student(name="bare", description="No head.", presets=part.presets, build=lambda *_: nn.Linear(2, 2))

    with pytest.raises(
        PartError, match=r"test_students\.py:\d+: student bare: build returned Linear; wanted a Student"
    ):
        CONTRACT.test_padding_does_not_matter(settings_of(part))


def test_an_encoder_that_does_not_say_its_width_is_named_when_the_student_is_built() -> None:
    with pytest.raises(TypeError, match=r"Linear\.width is None; wanted the width of its states"):
        StudentModule(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))


def test_two_students_with_one_preset_are_named() -> None:
    bag = faulty("none")
    rival = Student(
        name="rival", description="Another.", presets={"uniter_tiny": bag.presets["bag_small"]}, build=bag.build
    )

    with pytest.raises(PartError, match=r"student rival: preset 'uniter_tiny' already exists, in student uniter"):
        settings_of(rival)


def test_presets_that_are_none_are_refused_where_they_stand() -> None:
    with pytest.raises(PartError, match=r"test_students\.py:\d+: student bag: presets is \{'a': 3\}; wanted"):
        Student(name="bag", description="A bag.", presets={"a": 3}, build=faulty("none").build)  # type: ignore[dict-item]


def test_each_shipped_preset_has_its_student() -> None:
    found = {preset: student.name for preset, student in students_by_preset(bundled()).items()}

    assert {name for preset, name in found.items() if preset.startswith("uniter")} == {"uniter"}
    assert {name for preset, name in found.items() if preset.startswith("clip_vil")} == {"clip_vil"}


@pytest.mark.parametrize("preset", [name for name in students_by_preset(bundled()) if name != "clip_vil_base"])
def test_presets_say_about_how_many_parameters_they_have(preset: str) -> None:
    from ablative.trainables.students.student import empty_student

    part = students_by_preset(bundled())[preset]
    settings = settings_of(part, preset=preset)
    with torch.device("meta" if part.name == "uniter" else "cpu"):
        student = empty_student(settings, head="exclusive", num_classes=3, region_width=2048)
    found = sum(value.numel() for value in student.parameters())

    assert found == pytest.approx(part.presets[preset].parameters, rel=0.15)
