"""Reads the files of VQA v2 and VQA-CP v2."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ablative.trainables.data.entries import entries
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.data.json_text import Made
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import listed
from ablative.trainables.data.reading import listed_ids
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.reading import text_of
from ablative.trainables.data.sources import is_carved
from ablative.trainables.data.tokens import plain_text
from ablative.trainables.file_digests import Stamp
from ablative.trainables.file_digests import stamp_of
from ablative.trainables.parts.task import Source
from ablative.trainables.parts.task import TaskFolder
from ablative.trainables.tasks.vqa_files.answers import accuracy_of_count
from ablative.trainables.tasks.vqa_files.answers import counted
from ablative.trainables.tasks.vqa_files.answers import normalised
from ablative.trainables.tasks.vqa_files.layout import BLIND_IMAGES
from ablative.trainables.tasks.vqa_files.layout import CP
from ablative.trainables.tasks.vqa_files.layout import layout
from ablative.trainables.tasks.vqa_files.visual_genome import IMAGES
from ablative.trainables.tasks.vqa_files.visual_genome import read_visual_genome

LEAST_QUESTIONS = 9
"""An answer is an output class if it is the most frequent answer of at least this many questions in train and val."""


def read_vqa(source: Source, slices: Mapping[str, tuple[str, ...]], classes: Sequence[str]) -> Iterator[Example]:
    """Yield one example a question, with the official accuracy of each class as its soft target.

    A question without an answer among the classes has no targets: it stays, and no answer to it scores.
    """
    if source.blind:
        yield from _read_blind(source.files[0])
        return
    lookup, pictures = _Lookup(classes), dict[int, str]()
    genome = source.files[-2:] if source.files[-1].name == IMAGES else ()
    official = source.files[: len(source.files) - len(genome)]
    for pair in zip(official[::2], official[1::2], strict=True):
        for example in _read_pair(pair[0], pair[1], source, slices, lookup):
            pictures[_coco_number(example.image)] = example.image
            yield example
    if genome:
        yield from read_visual_genome(genome[0], genome[1], pictures, lookup.of_one)


def _read_pair(
    questions: Path, annotations: Path, source: Source, slices: Mapping[str, tuple[str, ...]], lookup: _Lookup
) -> Iterator[Example]:
    """Yield the examples of a file of questions and that of their annotations."""
    asked, only = dict(_read_entries(questions, "questions", _asked)), listed_ids(source.only)

    def make(row: Row) -> list[Example]:
        image = _image(row, annotations)
        if source.part != "all" and is_carved(image) != (source.part == "carved"):
            return []
        name = identifier(row["question_id"], "question_id")
        if only is not None and name not in only:
            return []
        if row["question_id"] not in asked:
            hint = (
                "; its ids are texts"
                if name in asked
                else "; its ids are numbers"
                if name.isdecimal() and int(name) in asked
                else ""
            )
            raise ValueError(f"question_id {row['question_id']!r} has no question in {questions.name}{hint}")
        return [_example(row, asked[row["question_id"]], image, lookup, slices)]

    yield from _read_entries(annotations, "annotations", make)


def _coco_number(image: str) -> int:
    return int(image[-16:-4])


def _asked(row: Row) -> list[tuple[str | int, str]]:
    """Return the id of a question as it was typed, and the question: annotations name it by the same type."""
    identifier(row["question_id"], "question_id")
    return [(row["question_id"], plain_text(text_of(row, "question")))]


def _read_blind(path: Path) -> Iterator[Example]:
    """Yield the questions of a file without answers."""

    def make(row: Row) -> list[Example]:
        name, question = identifier(row["question_id"], "question_id"), plain_text(text_of(row, "question"))
        return [_question(name, question, _coco_name(row, BLIND_IMAGES))]

    return _read_entries(path, "questions", make)


def _image(row: Row, path: Path) -> str:
    """Return the image of an entry. VQA-CP mixes both halves of VQA v2, and each entry names its half."""
    if path.name.startswith("vqacp_"):
        subset = row["coco_split"]
        if subset not in ("train2014", "val2014"):
            raise ValueError(f"coco_split is {subset!r}, expected train2014 or val2014")
    else:
        subset = path.name.removeprefix("v2_mscoco_").removesuffix("_annotations.json")
    return _coco_name(row, subset)


def _coco_name(row: Row, subset: str) -> str:
    number = identifier(row["image_id"], "image_id")
    if not number.isdecimal():
        raise ValueError(f"image_id is {number!r}, expected a whole number")
    return picture_name(f"{subset}/COCO_{subset}_{int(number):012d}.jpg")


def _question(name: str, question: str, image: str) -> Example:
    asked = Candidate(query=Text(text=question))
    return Example(id=name, image=image, candidates=(asked,), targets=(), stratum="", group=name)


def _example(row: Row, question: str, image: str, lookup: _Lookup, slices: Mapping[str, tuple[str, ...]]) -> Example:
    name = str(row["question_id"])
    return replace(
        _question(name, question, image),
        targets=lookup.targets([text_of(answer, "answer") for answer in listed(row["answers"], "answers")]),
        stratum=text_of(row, "answer_type"),
        slices=slices.get(name, ()),
    )


class _Lookup:
    """From an answer to the classes it supports."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._typed = {name: [place] for place, name in enumerate(classes)}
        self._spelt: dict[str, list[int]] = {}
        for place, name in enumerate(classes):
            self._spelt.setdefault(normalised(name), []).append(place)

    def targets(self, answers: Sequence[str]) -> tuple[tuple[int, float], ...]:
        """Return (class, official accuracy) for every class that scores."""
        counts, differ = counted(answers)
        places = self._spelt if differ else self._typed
        scored = [
            (place, accuracy_of_count(count, len(answers)))
            for answer, count in counts.items()
            for place in places.get(answer, ())
        ]
        return tuple(sorted(scored))

    def of_one(self, answer: str) -> tuple[tuple[int, float], ...]:
        """Return the classes that one person's answer supports, each in full."""
        return tuple((place, 1.0) for place in self._spelt.get(normalised(answer), ()))


def vocabulary(place: TaskFolder) -> tuple[str, ...]:
    """Return the answers that are output classes, sorted, by the rule of `LEAST_QUESTIONS`.

    Counted over the official train and val files, even if the official val file serves as `test`, because the
    published vocabularies are made so. For VQA-CP they are counted over its train file alone.
    """
    found = layout(place)
    splits = ("train",) if found is CP else ("train", "val")
    paths = [place.path / found.files_of(split)[-1] for split in splits]
    return _counted_vocabulary(tuple((path, stamp_of(path.stat())) for path in paths))


@lru_cache(maxsize=4)
def _counted_vocabulary(paths: tuple[tuple[Path, Stamp], ...]) -> tuple[str, ...]:
    counts: Counter[str] = Counter()
    for path, _ in paths:
        counts.update(
            _read_entries(path, "annotations", lambda row: [normalised(text_of(row, "multiple_choice_answer"))])
        )
    return tuple(sorted(answer for answer, count in counts.items() if count >= LEAST_QUESTIONS))


def _read_entries(path: Path, field: str, make: Callable[[Row], list[Made]]) -> Iterator[Made]:
    return read_rows(path, enumerate(entries(path, field), start=1), make)
