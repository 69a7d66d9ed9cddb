"""The contract of students, as tests: subclass `StudentContract`, give your student, and pytest runs them.

    class TestGru(StudentContract):
        @pytest.fixture
        def part(self) -> Student:
            return GRU

Its first preset is built, with its options at their defaults; override `settings` for others. B sequences, L tokens,
R regions (the whole image first), S student width.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from safetensors.torch import save_file

from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.student import Student
from ablative.trainables.parts.task import Head
from ablative.trainables.students.single_stream import StudentBatch
from ablative.trainables.students.student import StudentModule
from ablative.trainables.students.student import build_student

REGION_WIDTH = 1280
TOKENS, REGIONS = (6, 4, 3, 5), (3, 2, 4, 1)
"""Of each sequence of a batch; all four are of one picture size, so that any head fits."""
HEADS: dict[Head, tuple[int, int]] = {"candidates": (0, 2), "exclusive": (3, 3), "independent": (5, 5)}
"""Kind of head -> classes, and the logits that its head gives a sequence."""


class StudentContract:
    """The tests of one student."""

    @pytest.fixture
    def part(self) -> Student:
        """The student; a subclass gives it."""
        raise NotImplementedError("write a fixture `part` that returns your student")

    @pytest.fixture
    def settings(self, part: Student) -> Any:
        """A trial's settings `student`."""
        return settings_of(part)

    @pytest.mark.parametrize("head", HEADS)
    def test_it_gives_logits_and_states_with_every_head(self, settings: Any, head: Head) -> None:
        """Outputs are finite and have the shapes that the objective and the head's loss expect."""
        student = built(settings, head)
        states = student(batch())
        assert states.logits.shape == (len(TOKENS), HEADS[head][1]), "logits: one row a sequence"
        assert states.text_BLS.shape == (len(TOKENS), max(TOKENS), student.width), "text_BLS: one state a token"
        assert states.regions_BRS.dim() == 3 and states.regions_BRS.shape[::2] == (len(TOKENS), student.width)
        for name in ("logits", "text_BLS", "regions_BRS"):
            assert torch.isfinite(getattr(states, name)).all(), f"{name} is not finite"

    def test_what_it_says_depends_on_words_and_picture(self, settings: Any) -> None:
        """If a student used only one of them, the controls would compare it with itself."""
        student, one = built(settings), batch()
        said = logits(student, one)
        assert one.pixels_I3HW is not None
        other_picture = replace(one, regions_BRF=one.regions_BRF + 1, pixels_I3HW=255 - one.pixels_I3HW)
        assert not torch.equal(said, logits(student, replace(one, ids_BL=one.ids_BL + one.text_mask_BL * 7)))
        assert not torch.equal(said, logits(student, other_picture))

    def test_padding_does_not_matter(self, settings: Any) -> None:
        """Padded words and regions change neither the logits nor the states of real words."""
        student, one = built(settings), batch()
        with torch.inference_mode():
            short, long = student(one), student(padded(one))
        torch.testing.assert_close(long.logits, short.logits, atol=1e-5, rtol=1e-4)
        mask_BL1 = one.text_mask_BL.unsqueeze(-1)
        wanted = short.text_BLS * mask_BL1
        torch.testing.assert_close(long.text_BLS[:, : max(TOKENS)] * mask_BL1, wanted, atol=1e-5, rtol=1e-4)

    def test_examples_do_not_influence_each_other(self, settings: Any) -> None:
        """In evaluation mode, the other sequences of a batch do not affect a sequence's logits."""
        student, one = built(settings), batch()
        alone = torch.cat([logits(student, row(one, number)) for number in range(len(TOKENS))])
        torch.testing.assert_close(logits(student, one), alone, atol=1e-5, rtol=1e-4)

    def test_one_seed_gives_one_student_and_evaluation_draws_nothing(self, settings: Any) -> None:
        """Otherwise a trial could not be repeated."""
        first, second = built(settings, seed=3), built(settings, seed=3)
        tensors = second.state_dict()
        assert all(torch.equal(value, tensors[name]) for name, value in first.state_dict().items())
        assert torch.equal(logits(first, batch()), logits(first, batch()))

    def test_a_gradient_reaches_every_parameter(self, settings: Any) -> None:
        """The task's loss alone must reach each one: DDP waits forever for a parameter without a gradient."""
        student = built(settings).train()
        loss_of(student).backward()
        without = [name for name, value in student.named_parameters() if value.requires_grad and value.grad is None]
        assert not without, f"no gradient reaches {', '.join(without)}; use or freeze them"
        slopes = [value.grad for value in student.parameters() if value.grad is not None]
        assert all(torch.isfinite(slope).all() for slope in slopes), "a gradient is not finite"

    def test_it_learns_a_batch_by_heart(self, settings: Any) -> None:
        """Twenty steps on four examples lower the loss."""
        student = built(settings).train()
        optimizer = torch.optim.AdamW(student.parameters(), lr=2e-3)
        losses = []
        for _ in range(20):
            optimizer.zero_grad()
            loss = loss_of(student)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        assert sum(losses[-3:]) < sum(losses[:3]), f"the loss went from {losses[0]:.3f} to {losses[-1]:.3f}"

    def test_training_and_evaluation_have_the_same_parameters(self, settings: Any) -> None:
        """Training adds no parameter, and evaluation changes none."""
        student = built(settings)
        before = {name: value.clone() for name, value in student.state_dict().items()}
        logits(student, batch())
        after = student.state_dict()
        assert before.keys() == after.keys() and all(torch.equal(after[name], value) for name, value in before.items())
        student.train()(batch())
        assert {name: value.shape for name, value in student.state_dict().items()} == {
            name: value.shape for name, value in before.items()
        }

    def test_its_weights_go_to_a_file_and_back(self, settings: Any, tmp_path: Path) -> None:
        """Saved as safetensors, it comes back bit for bit; no two tensors share memory."""
        student, other = built(settings, seed=3), built(settings, seed=4)
        save_file({name: value.contiguous() for name, value in student.state_dict().items()}, tmp_path / "kept")
        other.load_state_dict(load_file(tmp_path / "kept"))
        assert torch.equal(logits(student, batch()), logits(other, batch()))

    def test_settings_that_have_no_effect_are_one_student(self, part: Student, settings: Any) -> None:
        """The canonical form is its own, and keeps the preset and the options."""
        plain = part.canonical(settings)
        assert part.canonical(plain) == plain
        assert plain.preset == settings.preset
        assert part.options is None or getattr(plain, part.name) == getattr(settings, part.name)


def settings_of(part: Student, **changes: Any) -> Any:
    """Settings `student` of the part's first preset, with these changes."""
    catalogue = bundled()
    if part not in catalogue.of(Student).values():
        catalogue = catalogue.joined([(part, Origin(place="a test", identity="test"))])
    student = type(trial_config(catalogue)().student)
    return student.model_validate({"preset": next(iter(part.presets)), "dropout": 0.0, **changes})


def built(settings: Any, head: Head = "exclusive", *, seed: int = 0) -> StudentModule:
    """A student in evaluation mode."""
    torch.manual_seed(seed)
    return build_student(settings, head=head, num_classes=HEADS[head][0], region_width=REGION_WIDTH).eval()


def logits(student: StudentModule, one: StudentBatch) -> torch.Tensor:
    """(B, K) without gradients."""
    with torch.inference_mode():
        found: torch.Tensor = student(one).logits
    return found


def loss_of(student: StudentModule) -> torch.Tensor:
    """Binary cross-entropy of a batch with classes that differ."""
    said = student(batch()).logits
    wanted = torch.eye(said.shape[1])[torch.arange(len(said)) % said.shape[1]]
    return torch.nn.functional.binary_cross_entropy_with_logits(said, wanted)


def batch() -> StudentBatch:
    """Four sequences about four pictures, with different numbers of words and regions."""
    generator = torch.Generator().manual_seed(5)
    count, length, regions = len(TOKENS), max(TOKENS), max(REGIONS)
    text_mask = torch.arange(length) < torch.tensor(TOKENS)[:, None]
    region_mask = torch.arange(regions) < torch.tensor(REGIONS)[:, None]
    ids = torch.randint(1000, 2000, (count, length), generator=generator) * text_mask
    ids[:, 0] = 101  # [CLS]
    references = torch.full((count, length), -1)
    references[0, 2] = 1
    corners = torch.rand(count, regions, 2, 2, generator=generator).sort(dim=2).values.flatten(2)
    sizes = corners[..., 2:] - corners[..., :2]
    boxes = torch.cat([corners, sizes, sizes.prod(dim=-1, keepdim=True)], dim=-1)
    return StudentBatch(
        ids_BL=ids,
        segments_BL=torch.zeros(count, length, dtype=torch.long),
        references_BL=references,
        text_mask_BL=text_mask,
        regions_BRF=torch.randn(count, regions, REGION_WIDTH, generator=generator) * region_mask.unsqueeze(-1),
        boxes_BR7=boxes * region_mask.unsqueeze(-1),
        region_mask_BR=region_mask,
        pixels_I3HW=torch.randint(0, 256, (count, 3, 224, 224), generator=generator, dtype=torch.uint8),
    )


def padded(one: StudentBatch) -> StudentBatch:
    """The same with two more masked tokens and regions, filled with meaningless numbers."""

    def wider(value: torch.Tensor, fill: float) -> torch.Tensor:
        extra = torch.full((len(value), 2, *value.shape[2:]), fill, dtype=value.dtype)
        return torch.cat([value, extra], dim=1)

    return replace(
        one,
        ids_BL=wider(one.ids_BL, 7),
        segments_BL=wider(one.segments_BL, 0),
        references_BL=wider(one.references_BL, -1),
        text_mask_BL=wider(one.text_mask_BL, False),
        regions_BRF=wider(one.regions_BRF, 9.0),
        boxes_BR7=wider(one.boxes_BR7, 0.5),
        region_mask_BR=wider(one.region_mask_BR, False),
    )


def row(one: StudentBatch, number: int) -> StudentBatch:
    """One sequence of a batch, without its padding."""
    here, tokens, regions = slice(number, number + 1), TOKENS[number], REGIONS[number]
    assert one.pixels_I3HW is not None
    return replace(
        one,
        ids_BL=one.ids_BL[here, :tokens],
        segments_BL=one.segments_BL[here, :tokens],
        references_BL=one.references_BL[here, :tokens],
        text_mask_BL=one.text_mask_BL[here, :tokens],
        regions_BRF=one.regions_BRF[here, :regions],
        boxes_BR7=one.boxes_BR7[here, :regions],
        region_mask_BR=one.region_mask_BR[here, :regions],
        pixels_I3HW=one.pixels_I3HW[here],
    )
