"""The contract of teachers, as tests: subclass `TeacherContract`, give your teacher, and pytest runs them.

    class TestMine(TeacherContract):
        @pytest.fixture
        def settings(self, tmp_path: Path) -> Any:
            return settings_of(MINE, {"checkpoint": str(write_small_weights(tmp_path))})

Tests of features that it does not give are skipped. B images or texts, N words, D width.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.extended import trial_config
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.teacher import LoadedTeacher
from ablative.trainables.parts.teacher import Teacher
from ablative.trainables.parts.teacher import absent_files
from ablative.trainables.teachers.digest import teacher_digest
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from ablative.trainables.teachers.words import words_of

TEXTS = ["a red fox sits near a tree.", "there is a cat left of the dog", "cat", "Two men, one car!", "?!"]
NAMES = ["1.jpg", "folder/2.jpg", "3.jpg", "4.jpg", "5.jpg", "6.jpg"]
TOLERANCE = 1e-5


class TeacherContract:
    """The tests of one teacher."""

    @pytest.fixture
    def settings(self) -> Any:
        """A trial's settings `teacher`; a subclass gives them."""
        raise NotImplementedError("write a fixture `settings` that returns the settings of your teacher")

    def test_its_model_names_it_alone(self, settings: Any) -> None:
        """Exactly one teacher matches each value of `teacher.model`."""
        answering = [part for part in settings.catalogue().of(Teacher).values() if part.answers(settings.model)]
        assert answering == [settings.part]

    def test_every_row_is_a_unit_vector(self, settings: Any) -> None:
        """Features are float32 on the CPU: one row per picture, text, word or patch, and one width per side."""
        teacher, gifts = load_teacher(settings, Path("unused")), settings.part.gifts(settings)
        widths = [require_unit(rows, count) for rows, count in everything(teacher, settings)]
        assert gifts, "it gives nothing"
        assert max(widths) == teacher.width, "width: that of the wider side"
        if settings.part.is_joint(settings):
            assert set(widths) == {teacher.width}, "a joint space has one width"

    def test_rows_do_not_depend_on_what_stands_beside_them(self, settings: Any) -> None:
        """The cache computes features in blocks, and another study may use other blocks."""
        teacher, gifts = load_teacher(settings, Path("unused")), settings.part.gifts(settings)
        seen = pictures(settings)
        if "image" in gifts:
            one_by_one = torch.cat([teacher.encode_images([picture]) for picture in seen])
            torch.testing.assert_close(teacher.encode_images(seen), one_by_one, atol=TOLERANCE, rtol=0)
        if "text" in gifts:
            reverse = torch.cat([teacher.encode_texts([text]) for text in TEXTS[::-1]])
            torch.testing.assert_close(teacher.encode_texts(TEXTS), reverse.flip(0), atol=TOLERANCE, rtol=0)
        if "words" in gifts:
            for together, text in zip(teacher.word_features(TEXTS), TEXTS, strict=True):
                torch.testing.assert_close(together, teacher.word_features([text])[0], atol=TOLERANCE, rtol=0)

    def test_what_differs_has_features_that_differ(self, settings: Any) -> None:
        """No two pictures share their features, and no two texts do."""
        teacher, gifts = load_teacher(settings, Path("unused")), settings.part.gifts(settings)
        for gift, rows in (("image", lambda: teacher.encode_images(pictures(settings))),
                           ("text", lambda: teacher.encode_texts(TEXTS))):  # fmt: skip
            if gift in gifts:
                found = rows()
                cosines = (found @ found.T).fill_diagonal_(-1)
                assert float(cosines.max()) < 1 - 1e-6, f"{gift}: two different inputs have the same features"

    def test_loading_it_again_gives_the_same_and_draws_nothing(self, settings: Any) -> None:
        """Features depend on neither the process nor the global generator, which stays untouched."""
        first = load_teacher(settings, Path("unused"))
        expected = [rows for rows, _ in everything(first, settings)]
        torch.manual_seed(99)
        before = torch.random.get_rng_state()
        second = load_teacher(settings, Path("unused"))
        found = [rows for rows, _ in everything(second, settings)]
        assert torch.equal(before, torch.random.get_rng_state()), "it drew from the global generator"
        assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))

    def test_it_learns_nothing(self, settings: Any) -> None:
        """Features carry no gradient."""
        teacher = load_teacher(settings, Path("unused"))
        assert not any(rows.requires_grad for rows, _ in everything(teacher, settings))

    def test_the_untrained_control_is_another_model_and_always_the_same(self, settings: Any) -> None:
        """It has the same architecture. Stored features are exempt."""
        if not settings.part.live:
            return
        control = settings.model_copy(update={"control": "untrained"})
        trained, first, second = (load_teacher(one, Path("unused")) for one in (settings, control, control))
        gift = TEXTS if "text" in settings.part.gifts(settings) else pictures(settings)
        own, one, other = (rows_of(teacher, gift) for teacher in (trained, first, second))
        assert torch.equal(one, other), "untrained: two loads differ"
        assert one.shape == own.shape and not torch.allclose(one, own, atol=1e-3), "untrained: has the weights"

    def test_its_digest_is_of_its_files_wherever_they_lie(self, settings: Any, tmp_path: Path) -> None:
        """A moved file leaves the identity unchanged; a changed byte changes it."""
        digest = teacher_digest(settings, tmp_path)
        for place, path in settings.part.files(settings).items():
            copy = copied(path, tmp_path / place.replace(".", "_"))
            moved = with_path(settings, place, copy)
            assert teacher_digest(moved, tmp_path) == digest, f"{place}: a path is part of its identity"
            first = next(file for file in sorted(copy.rglob("*")) if file.is_file()) if copy.is_dir() else copy
            first.write_bytes(first.read_bytes() + b" ")
            assert teacher_digest(moved, tmp_path) != digest, f"{place}: its content is not part of its identity"

    def test_files_that_are_not_there_are_named(self, settings: Any, tmp_path: Path) -> None:
        """`ablate check` names them without reading any file, and computing the digest raises an error."""
        assert not [*absent_files(settings.part, settings)]
        for place in settings.part.files(settings):
            lost = with_path(settings, place, tmp_path / "none")
            [line] = absent_files(settings.part, lost)
            assert f"teacher.{place}: " in line and str(tmp_path / "none") in line
            with pytest.raises(TeacherError):
                teacher_digest(lost, tmp_path)


def settings_of(part: Teacher, options: Mapping[str, Any] | None = None, **changes: Any) -> Any:
    """Settings `teacher` of a part, with these options of its own."""
    catalogue = bundled()
    if part not in catalogue.of(Teacher).values():
        catalogue = catalogue.joined([(part, Origin(place="a test", identity="test"))])
    teacher = type(trial_config(catalogue)().teacher)
    group = {part.name: dict(options)} if options else {}
    return teacher.model_validate({"model": part.name, **group, **changes})


def pictures(settings: Any) -> Sequence[Any]:
    """Six pictures of noise, of unequal sizes; their names for a teacher that looks at none."""
    if not settings.part.live:
        return NAMES
    rng = np.random.default_rng(3)
    sizes = [(40, 32, 3), (32, 50, 3), (36, 36, 3)] * 2
    return [Image.fromarray(rng.integers(0, 255, size, dtype=np.uint8)) for size in sizes]


def rows_of(teacher: LoadedTeacher, given: Sequence[Any]) -> torch.Tensor:
    """(B, D) of texts or of pictures."""
    return teacher.encode_texts(given) if isinstance(given[0], str) else teacher.encode_images(given)


def everything(teacher: LoadedTeacher, settings: Any) -> Iterator[tuple[torch.Tensor, int | None]]:
    """Yield each of a teacher's outputs with its required number of rows; None allows any."""
    gifts = settings.part.gifts(settings)
    if "image" in gifts:
        yield teacher.encode_images(pictures(settings)), len(NAMES)
    if "text" in gifts:
        yield teacher.encode_texts(TEXTS), len(TEXTS)
    if "words" in gifts:
        for text, rows in zip(TEXTS, teacher.word_features(TEXTS), strict=True):
            yield rows, len(words_of(text))
    if "patches" in gifts:
        for rows in teacher.encode_patches(pictures(settings)[:2]):
            yield rows, None


def require_unit(rows: torch.Tensor, count: int | None) -> int:
    """Check the rows and return their width."""
    assert rows.ndim == 2 and (count is None or len(rows) == count), f"wanted {count} rows, found {tuple(rows.shape)}"
    assert rows.dtype == torch.float32 and rows.device.type == "cpu", f"{rows.dtype} on {rows.device}"
    assert torch.isfinite(rows).all(), "not finite"
    torch.testing.assert_close(rows.norm(dim=-1), torch.ones(len(rows)), atol=TOLERANCE, rtol=0)
    return int(rows.shape[1])


def copied(path: Path, target: Path) -> Path:
    """Copy a file or a folder; return the path of the copy."""
    if path.is_dir():
        shutil.copytree(path, target)
    else:
        shutil.copy(path, target)
    return target


def with_path(settings: Any, place: str, path: Path) -> Any:
    """The same settings with another path at one of the places of `Teacher.files`."""
    if place == "model":
        return settings.model_copy(update={"model": f"{settings.part.schema}{path}"})
    group, _, name = place.rpartition(".")
    if not group:
        return settings.model_copy(update={name: str(path)})
    options = getattr(settings, group).model_copy(update={name: str(path)})
    return settings.model_copy(update={group: options})
