"""Visual Genome's questions as extra training data of VQA: those about COCO's pictures whose answer is a class.

`question_answers.json` is a list of images with their `qas` (`qa_id`, `question`, `answer`). `image_data.json` gives
by `coco_id` the picture of COCO that an image is. Both lie in VQA's folder. An answer comes from one person, and
counts in full.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path

from ablative.trainables.data.entries import entries
from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.examples import Text
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import listed
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.reading import text_of
from ablative.trainables.data.tokens import plain_text
from ablative.trainables.tasks.vqa_files.answers import normalised

QUESTIONS, IMAGES = "question_answers.json", "image_data.json"
Targets = tuple[tuple[int, float], ...]


def read_visual_genome(
    questions: Path, images: Path, pictures: Mapping[int, str], targets: Callable[[str], Targets]
) -> Iterator[Example]:
    """Yield the questions on `pictures` (COCO's number -> image), in the order of the file.

    `targets`: answer -> the classes that it supports; a question without any is left out, as in papers.
    """
    coco = dict(read_rows(images, enumerate(entries(images, ""), start=1), _coco))

    def make(row: Row) -> list[Example]:
        picture = pictures.get(coco.get(identifier(row["id"], "id"), -1))
        found = [] if picture is None else [_example(one, picture, targets) for one in listed(row["qas"], "qas")]
        return [example for example in found if example.targets]

    yield from read_rows(questions, enumerate(entries(questions, ""), start=1), make)


def _coco(row: Row) -> list[tuple[str, int]]:
    """Return Visual Genome's id of an image and COCO's; nothing for an image outside COCO."""
    name, number = identifier(row["image_id"], "image_id"), row["coco_id"]
    return [] if number is None else [(name, int(identifier(number, "coco_id")))]


def _example(row: Row, picture: str, targets: Callable[[str], Targets]) -> Example:
    name, answer = f"vg{identifier(row['qa_id'], 'qa_id')}", text_of(row, "answer")
    return Example(
        id=name,
        image=picture,
        candidates=(Candidate(query=Text(text=plain_text(text_of(row, "question")))),),
        targets=targets(answer),
        stratum=_kind(answer),
        group=name,
    )


def _kind(answer: str) -> str:
    """Return the answer type that VQA's annotators would have given, for the strata of low-shot subsets."""
    spelt = normalised(answer)
    if spelt in ("yes", "no"):
        return "yes/no"
    return "number" if spelt.isdecimal() else "other"
