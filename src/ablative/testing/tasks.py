"""The contract of tasks, as tests: subclass `TaskContract`, give your task and a small folder of its files.

    class TestMine(TaskContract):
        @pytest.fixture
        def part(self) -> Task:
            return MINE

        @pytest.fixture
        def folder(self, tmp_path: Path) -> Path:
            return write_a_few_rows_and_pictures(tmp_path / "data")

Train, val and test must each have an example, and every metric that the task lists must occur in one of them.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ablative.splits import is_corrected
from ablative.trainables.course import Evaluation
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.layout import image_folder_of
from ablative.trainables.data.layout import layout_of
from ablative.trainables.data.layout import missing_files
from ablative.trainables.data.layout import task_of
from ablative.trainables.data.load import load_split
from ablative.trainables.data.majority import beside_the_majority
from ablative.trainables.data.majority import majority_class
from ablative.trainables.data.metrics import score
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.readers import classes_of
from ablative.trainables.data.readers import read_examples
from ablative.trainables.data.sources import data_files
from ablative.trainables.data.sources import source
from ablative.trainables.data.stored import WHOLE
from ablative.trainables.data.stored import read_stored
from ablative.trainables.data.stored import write_examples
from ablative.trainables.data.subsets import subset
from ablative.trainables.job import MAJORITY
from ablative.trainables.job import MOST_SAID
from ablative.trainables.job import Prediction
from ablative.trainables.parts.task import Task
from ablative.trainables.students.tokens import teacher_text

USUAL = ("train", "val", "test")
"""Splits that every trial needs."""


class TaskContract:
    """The tests of one task."""

    shares_pictures = False
    """Set to true if the data set's own splits share pictures."""

    @pytest.fixture
    def part(self) -> Task:
        """The task; a subclass gives it."""
        raise NotImplementedError("write a fixture `part` that returns your task")

    @pytest.fixture
    def folder(self) -> Path:
        """A small folder of its files; a subclass gives it."""
        raise NotImplementedError("write a fixture `folder` that returns the path of a small folder of your files")

    def test_its_layout_tells_its_folder(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """The required files identify the folder. An empty folder lacks them, and the remedy says how to get them."""
        layout, nothing = layout_of(part, folder), tmp_path / "nothing"
        nothing.mkdir()
        assert layout.required, _of(part, "layout requires no file, so any folder would match it")
        assert not missing_files(part, folder), _of(part, f"missing in its own folder: {missing_files(part, folder)}")
        assert task_of(str(folder), [part]) is part
        assert missing_files(part, nothing), _of(part, "an empty folder lacks nothing")
        assert layout_of(part, nothing).remedy.strip(), _of(part, "remedy is empty; say how to get the files")

    def test_its_splits_are_known_and_read_from_files_that_count(self, part: Task, folder: Path) -> None:
        """Train, val and test come first; the files behind a split are part of a trial's identity."""
        splits = part.splits(part.at(folder))
        assert splits[:3] == USUAL, _of(part, f"splits begin {splits[:3]}; wanted {USUAL}")
        assert len(set(splits)) == len(splits), _of(part, f"a split occurs twice: {splits}")
        counted = {path.resolve() for path in data_files(part, folder)}
        for split in splits[1:]:
            assert _is_among(split, part.known_splits), _of(
                part, f"add {split} to known_splits, so studies may name it"
            )
        for split in splits:
            assert split in USUAL or split.startswith(("test_", "blind_")) or is_corrected(split), _of(
                part, f"{split}: wanted test_ or blind_"
            )
            origin = source(part, folder, split)
            read = {path.resolve() for path in (*origin.files, *([origin.only] if origin.only else []))}
            assert read <= counted, _of(
                part, f"{split} is read from files that `files` does not list: {read - counted}"
            )

    def test_reading_twice_gives_the_same(self, part: Task, folder: Path) -> None:
        """The order stays the same, and reading neither depends on global random generators nor advances them."""
        assert classes_of(part, folder) == classes_of(part, folder), _of(part, "a second look gives other classes")
        for split in part.splits(part.at(folder)):
            random.seed(1)
            before = random.getstate()
            first = _read(part, folder, split)
            assert random.getstate() == before, _of(part, f"{split}: reading draws from the global generator")
            assert _read(part, folder, split) == first, _of(part, f"{split}: a second reading gives others")

    def test_every_usual_split_has_examples_with_ids_of_their_own(self, part: Task, folder: Path) -> None:
        """Ids are unique within a split, each group is one row, and `begins_row` marks one example per row."""
        for split in part.splits(part.at(folder)):
            examples = _read(part, folder, split)
            assert examples or split not in USUAL, _of(part, f"{split} has no example in the folder of this test")
            twice = [name for name, times in Counter(example.id for example in examples).items() if times > 1]
            assert not twice, _of(part, f"{split}: ids that occur twice: {twice[:5]}")
            begun = Counter(example.group for example in examples if part.begins_row(example))
            wrong = [example.group for example in examples if begun[example.group] != 1]
            assert not wrong, _of(part, f"{split}: begins_row is true of none or several examples of {wrong[:5]}")

    def test_examples_of_one_row_were_drawn_together(self, part: Task, folder: Path) -> None:
        """A cluster is a text, the same each time; statistics treat different clusters as independent."""
        for split in part.splits(part.at(folder)):
            of_row: dict[str, set[str]] = {}
            for example in _read(part, folder, split):
                key = part.cluster(example)
                assert isinstance(key, str) and key, _of(
                    part, f"{split}, example {example.id}: its cluster is {key!r}"
                )
                assert part.cluster(example) == key, _of(
                    part, f"{split}, example {example.id}: a second call gives another cluster"
                )
                of_row.setdefault(example.group, set()).add(key)
            torn = [row for row, keys in of_row.items() if len(keys) > 1]
            assert not torn, _of(part, f"{split}: rows whose examples have several clusters: {torn[:5]}")

    def test_labels_lie_within_the_classes(self, part: Task, folder: Path) -> None:
        """Targets point to a class or a candidate that exists; scores lie between 0 and 1."""
        classes = classes_of(part, folder)
        over_candidates = part.head == "candidates"
        assert bool(classes) != over_candidates, _of(part, f"head {part.head} with the classes {classes}")
        assert len(set(classes)) == len(classes), _of(part, f"a class occurs twice: {classes}")
        for split, example in _all(part, folder, blind=False):
            count = len(example.candidates) if over_candidates else len(classes)
            places = [place for place, _ in example.targets]
            where = f"{split}, example {example.id}: targets {example.targets}"
            assert all(0 <= place < count for place in places), _of(part, f"{where} outside the {count} there are")
            assert len(set(places)) == len(places), _of(part, f"{where}: one of them twice")
            assert all(0 <= value <= 1 for _, value in example.targets), _of(part, f"{where}: wanted 0 to 1")
            right = [value for _, value in example.targets if value > 0]
            assert right or part.head == "independent", _of(part, f"{where}: none is right")

    def test_texts_are_there_and_can_be_stored(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """Examples come back from the files of `ablate data prepare` as they were."""
        for split in part.splits(part.at(folder)):
            examples = _read(part, folder, split)
            for example in examples:
                texts = [teacher_text(candidate).strip() for candidate in example.candidates]
                assert texts and all(texts), _of(part, f"{split}, example {example.id}: an empty text")
            place = tmp_path / split
            place.mkdir()
            write_examples(place, 0, examples, [])
            (place / WHOLE).write_text('{"num_files": 1}')
            assert list(read_stored(place)[0]) == examples, _of(part, f"{split}: stored examples come back changed")

    def test_pictures_lie_in_the_folder_and_can_be_read(self, part: Task, folder: Path) -> None:
        """Each name is relative to the image folder and does not lead out of it."""
        images = image_folder_of(part, folder)
        pictures, looked_at = Pictures(images), set[str]()
        for split, example in _all(part, folder):
            if example.image in looked_at:
                continue
            looked_at.add(example.image)
            try:
                picture_name(example.image)
            except ValueError as error:
                pytest.fail(_of(part, f"{split}, example {example.id}: {error}; check names with picture_name"))
            assert example.image in pictures, _of(part, f"{split}, example {example.id}: no {images / example.image}")
            assert pictures.picture(example.image).size, example.image

    def test_no_picture_is_in_two_of_train_val_and_test(self, part: Task, folder: Path) -> None:
        """A test must not contain training pictures."""
        if self.shares_pictures:
            pytest.skip("shares_pictures is set")
        images = {split: {example.image for example in _read(part, folder, split)} for split in USUAL}
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            both = sorted(images[one] & images[other])
            assert not both, _of(part, f"pictures of {one} that {other} has too: {both[:5]}")

    def test_it_measures_what_it_lists(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """Accuracy is one of the metrics, all are finite, and right answers score higher than wrong ones."""
        found: set[str] = set()
        for split in _labelled(part, folder, tmp_path):
            rows = _probabilities(split, right=True)
            best, worst = score(split, rows)[0], score(split, _probabilities(split, right=False))[0]
            for name in sorted({*best, *worst}):
                values = [best.get(name, np.nan), worst.get(name, np.nan)]
                assert np.isfinite(values).all(), _of(part, f"{split.split}: {name} is {values}; wanted numbers")
            assert "accuracy" in best, _of(
                part, f"{split.split}: measure gives no accuracy; add it, because each evaluation reports it"
            )
            told = f"right answers have the accuracy {best['accuracy']:.3f}, wrong ones {worst['accuracy']:.3f}"
            assert best["accuracy"] > worst["accuracy"], _of(part, f"{split.split}: {told}")
            found |= best.keys()
        listed = [name for name in part.metrics if not any(_is_among(seen, [name]) for seen in found)]
        assert not listed, _of(part, f"measure never gives {', '.join(listed)}, which metrics lists; it gives {found}")

    def test_it_says_what_the_majority_class_would_reach(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """Each listed metric has a `majority_<name>`, which exposes a student that always predicts one class."""
        own = [name for name in part.metrics if name == MOST_SAID or name.startswith(MAJORITY)]
        assert not own, _of(part, f"metrics lists {', '.join(own)}; {MAJORITY}... and {MOST_SAID} are added to each")
        place = majority_class(load_split(part, str(folder), "train", tmp_path))
        for split in _labelled(part, folder, tmp_path):
            always, scores = score(split, [np.eye(1, _num_outputs(split, e), place)[0] for e in split.examples])
            said = tuple(
                Prediction(split=split.split, example_id=example.id, prediction=str(place), score=float(value))
                for example, value in zip(split.examples, scores, strict=True)
            )
            told = beside_the_majority(Evaluation(metrics=always, predictions=said), split, place).metrics
            assert told[MOST_SAID] == 1.0, _of(part, f"{split.split}: one class is said, and {MOST_SAID} is not 1")
            wrong = [
                f"{MAJORITY}{name} is {told.get(MAJORITY + name)}; who always says the class reaches {value}"
                for name, value in always.items()
                if _is_among(name, part.metrics) and told.get(MAJORITY + name) != value
            ]
            assert not wrong, _of(part, f"{split.split}: {'; '.join(wrong)}")

    def test_blind_splits_have_no_labels_and_others_do(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """No trial may see labels that a leaderboard scores."""
        for name in part.splits(part.at(folder)):
            split = load_split(part, str(folder), name, tmp_path)
            blind = name.startswith("blind_")
            assert split.labelled != blind, _of(part, f"{name}: source says blind={not split.labelled}")
            labelled = [example.id for example in split.examples if example.targets]
            assert not (blind and labelled), _of(part, f"{name} has labels, as {labelled[:5]}")
            assert blind or labelled or not split.examples, _of(part, f"{name} has no label at all")

    def test_its_guess_of_how_many_examples_there_are_is_near(self, part: Task, folder: Path) -> None:
        """The guess for train is within a factor of two, close enough for a progress bar."""
        guess, count = part.num_examples(source(part, folder, "train")), len(_read(part, folder, "train"))
        assert count / 2 <= guess <= 2 * count + 2, _of(part, f"num_examples says {guess} of train's {count}")

    def test_pairs_are_of_the_split(self, part: Task, folder: Path, tmp_path: Path) -> None:
        """Each picture is paired with one of its own texts; no text is both right and wrong."""
        split = load_split(part, str(folder), "train", tmp_path)
        texts: dict[str, set[str]] = {}
        for example in split.examples:
            texts.setdefault(example.image, set()).update(map(teacher_text, example.candidates))
        pairs = part.pairs(split)
        assert pairs, _of(part, "no pairs of train")
        for pair in pairs:
            assert pair.text in texts.get(pair.image, ()), _of(part, f"no example has {pair.image} with {pair.text!r}")
            assert pair.text not in pair.wrong, _of(part, f"{pair.image}: {pair.text!r} is right and wrong")

    def test_low_shot_subsets_hold_every_stratum_and_whole_rows(
        self, part: Task, folder: Path, tmp_path: Path
    ) -> None:
        """Even a small share of the data has each label."""
        split = load_split(part, str(folder), "train", tmp_path)
        few = subset(split, 0.1, seed=1)
        assert {e.stratum for e in few.examples} == {e.stratum for e in split.examples}
        groups = {example.group for example in few.examples}
        assert len(few.examples) == sum(example.group in groups for example in split.examples)


def _of(part: Task, fault: str) -> str:
    return f"{part.defined_at}: task {part.name}: {fault}"


def _is_among(name: str, known: Collection[str]) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in known)


def _read(part: Task, folder: Path, split: str) -> list[Example]:
    return [*read_examples(part, folder, split, source(part, folder, split), classes_of(part, folder))]


def _all(part: Task, folder: Path, *, blind: bool = True) -> Iterator[tuple[str, Example]]:
    for split in part.splits(part.at(folder)):
        if blind or not source(part, folder, split).blind:
            yield from ((split, example) for example in _read(part, folder, split))


def _labelled(part: Task, folder: Path, cache: Path) -> Iterator[TaskSplit]:
    for name in part.splits(part.at(folder)):
        split = load_split(part, str(folder), name, cache)
        if split.labelled and split.examples and name != "train":
            yield split


def _num_outputs(split: TaskSplit, example: Example) -> int:
    return len(split.classes) or len(example.candidates)


def _probabilities(split: TaskSplit, *, right: bool) -> list[np.ndarray]:
    """One row per example, with all probability on its best answer, or on its worst."""
    rows = []
    for example in split.examples:
        values = np.zeros(_num_outputs(split, example))
        for place, value in example.targets:
            values[place] = value
        row = np.zeros_like(values)
        row[int(values.argmax() if right else values.argmin())] = 1.0
        rows.append(row)
    return rows
