"""easy-VQA (Victor Zhou, MIT licence), in the files of VQA v2: write a published data set from its Python package.

4,000 and 1,000 pictures of one shape each, 38,575 and 9,673 questions, 13 answers. Its test becomes VQA's `val2014`,
from which `test` is read; `val` is carved out of train as for VQA v2. A question's one answer stands for ten
annotators who agree, so the official accuracy is plain accuracy.
"""

from __future__ import annotations

import json
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ablative.trainables.errors import MissingData
from ablative.trainables.strangers import parsing
from ablative.trainables.tasks.vqa_files.answers import NUM_ANNOTATORS

Row = dict[str, Any]

INFO = {
    "description": "easy-VQA 1.0 in the format of VQA v2",
    "contributor": "Victor Zhou",
    "url": "https://github.com/vzhou842/easy-VQA",
}
LICENCE = {"name": "MIT License", "url": "https://github.com/vzhou842/easy-VQA/blob/master/LICENSE"}
_SUBSETS = {"train": "train2014", "test": "val2014"}
_FIRST_ID = {"train": 0, "test": 1_000_000}
"""Ids of the package start at 0 in both parts; here they differ."""


def package_data() -> Traversable:
    """Return the data folder of the package `easy-vqa`. Raises `MissingData` if it is not installed."""
    try:
        return files("easy_vqa") / "data"
    except ModuleNotFoundError as error:
        raise MissingData("easy-VQA: the package easy-vqa is not installed: pip install easy-vqa") from error


def write_easy_vqa(data: Traversable, folder: Path, *, test_pictures: int | None = None) -> dict[str, int]:
    """Write the parts of `data` below `folder`; return the number of questions of each.

    A picture keeps its bytes (PNG) under the name that VQA v2 gives it: another encoding would change its pixels.
    `test_pictures`: keep only that many pictures of test, the first ones, which were drawn independently; None keeps
    all.
    """
    most = {"train": None, "test": test_pictures}
    return {part: _write_part(data / part, part, folder, most[part]) for part in _SUBSETS}


def _write_part(source: Traversable, part: str, folder: Path, most: int | None) -> int:
    subset, first = _SUBSETS[part], _FIRST_ID[part]
    with parsing(f"easy-VQA: {part}/questions.json", "install the package easy-vqa again"):
        listed = json.loads((source / "questions.json").read_text(encoding="utf-8"))
        triples = [triple for triple in map(_triple, listed) if most is None or triple[2] < most]
    pictures = folder / subset
    pictures.mkdir(parents=True, exist_ok=True)
    for image in sorted({image for _, _, image in triples}):
        content = (source / "images" / f"{image}.png").read_bytes()
        (pictures / f"COCO_{subset}_{first + image:012d}.jpg").write_bytes(content)
    header = {"info": INFO, "license": LICENCE, "data_type": "mscoco", "data_subtype": subset}
    questions = [_question(*row) for row in _numbered(triples, first)]
    annotations = [_annotation(*row) for row in _numbered(triples, first)]
    asked = header | {"task_type": "Open-Ended", "questions": questions}
    _write(folder / f"v2_OpenEnded_mscoco_{subset}_questions.json", asked)
    _write(folder / f"v2_mscoco_{subset}_annotations.json", header | {"annotations": annotations})
    return len(triples)


def _triple(row: tuple[str, str, int]) -> tuple[str, str, int]:
    question, answer, image = row
    return str(question), str(answer), int(image)


def _numbered(triples: list[tuple[str, str, int]], first: int) -> list[tuple[int, str, str, int]]:
    return [
        (first + number, question, answer, first + image) for number, (question, answer, image) in enumerate(triples)
    ]


def _question(number: int, question: str, _: str, image: int) -> Row:
    return {"question_id": number, "image_id": image, "question": question}


def _annotation(number: int, question: str, answer: str, image: int) -> Row:
    given = [{"answer": answer, "answer_confidence": "yes", "answer_id": i + 1} for i in range(NUM_ANNOTATORS)]
    return {
        "question_id": number,
        "image_id": image,
        "question_type": " ".join(question.split()[:2]),
        "answer_type": "yes/no" if answer in ("yes", "no") else "other",
        "multiple_choice_answer": answer,
        "answers": given,
    }


def _write(path: Path, content: Row) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")
