"""The rows of the real data sets' files, made from the benchmark's claims about its scenes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ablative.trainables.benchmark.annotators import Answer
from ablative.trainables.benchmark.commonsense import Annotation
from ablative.trainables.benchmark.commonsense import Tokens
from ablative.trainables.benchmark.commonsense import vcr_annotations
from ablative.trainables.benchmark.questions import questions
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import WHOLE_SPLIT
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import Part
from ablative.trainables.benchmark.statements import LABELS
from ablative.trainables.benchmark.statements import statements
from ablative.trainables.tasks.vcr_files.shortcuts import shortcuts_removed

Row = dict[str, Any]
Slices = dict[str, list[str]]
"""Slice -> ids of the rows in it."""

_INFO = {"description": "bundled benchmark in the format of VQA v2", "version": "1.0"}
_LICENSE = {"name": "CC BY-SA 4.0", "url": "https://creativecommons.org/licenses/by-sa/4.0/"}


def metadata(shown: Scene) -> Row:
    """Return the boxes of one picture in the form of VCR's metadata files."""
    boxes = [[*map(float, thing.box), 1.0] for thing in shown.things]
    corners = [[[[x1, y1], [x2, y1], [x2, y2], [x1, y2]]] for x1, y1, x2, y2, _ in boxes]
    return {
        "boxes": boxes,
        "segms": corners,
        "names": class_names(shown),
        "width": shown.picture_px,
        "height": shown.picture_px,
    }


def class_names(shown: Scene) -> list[str]:
    """Return VCR's list `objects`: every person is a `person`."""
    return [
        "person" if thing.concept.category == "person" else thing.concept.noun.replace(" ", "")
        for thing in shown.things
    ]


def snli_ve_image(shown: Scene) -> str:
    """Return the picture's name below `flickr30k_images/`."""
    return f"{shown.number}.jpg"


def vqa_subset(split: str) -> str:
    """Return VQA's name for a split in its file names."""
    return f"{split}2014" if split in ("train", "val", "test") else split


def vqa_image(shown: Scene) -> str:
    """Return the picture's path below VQA's folder."""
    subset = vqa_subset(shown.split)
    return f"{subset}/COCO_{subset}_{shown.number:012d}.jpg"


def vcr_image(shown: Scene) -> str:
    """Return the picture's path below `vcr1images/`."""
    return f"mini/{shown.split}_{shown.index:06d}.jpg"


def snli_ve_rows(
    spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT
) -> tuple[list[Row], Slices]:
    """Return the lines of `snli_ve_<split>.jsonl`, or a part of them."""
    made: list[Row] = []
    slices: Slices = {}
    by_index = {shown.index: shown for shown in scenes}
    first = part.of(spec.sizes[split].statements).start
    for place, said in enumerate(statements(spec, split, scenes, part), start=first):
        number = str(by_index[said.scene].number)
        pair = f"{number}.jpg#0r{place}{said.label[0]}"
        made.append(
            {
                "Flickr30K_ID": number,
                "annotator_labels": [said.label] * 5,
                "captionID": f"{number}.jpg#0",
                "gold_label": said.label,
                "pairID": pair,
                "sentence1": "",
                "sentence2": said.text,
            }
        )
        slices.setdefault(said.slice, []).append(pair)
    assert all(row["gold_label"] in LABELS for row in made)
    return made, slices


def vqa_rows(
    spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT
) -> tuple[list[Row], list[Row], Slices]:
    """Return the questions and the annotations of a split, or a part of them."""
    rng = np.random.default_rng([spec.seed, SPLITS.index(split), part.number, 4])
    asked: list[Row] = []
    answered: list[Row] = []
    slices: Slices = {}
    by_index = {shown.index: shown for shown in scenes}
    first = part.of(spec.sizes[split].questions).start
    for place, question in enumerate(questions(spec, split, scenes, part), start=first):
        image = by_index[question.scene].number
        number = SPLITS.index(split) * 10_000_000 + place
        asked.append({"image_id": image, "question": question.text, "question_id": number})
        answered.append(
            {
                "question_type": question.question_type,
                "multiple_choice_answer": question.answer,
                "answers": _answers(question.answers(rng)),
                "image_id": image,
                "answer_type": question.answer_type,
                "question_id": number,
            }
        )
        slices.setdefault(question.slice, []).append(str(number))
    return asked, answered, slices


def vqa_heads(split: str) -> tuple[Row, Row]:
    """Return the fields before the rows in a questions file and in its annotations file."""
    head = {"info": _INFO, "license": _LICENSE, "data_type": "mscoco", "data_subtype": vqa_subset(split)}
    return {**head, "task_type": "Open-Ended"}, head


def _answers(said: list[Answer]) -> list[Row]:
    return [
        {"answer": answer.text, "answer_confidence": answer.confidence, "answer_id": place}
        for place, answer in enumerate(said, start=1)
    ]


def vcr_rows(
    spec: MiniSpec, split: str, scenes: Sequence[Scene], part: Part = WHOLE_SPLIT
) -> tuple[list[Row], Slices]:
    """Return the lines of `<split>.jsonl`, or a part of them.

    In `test_shortcuts` the shortcuts are already removed.
    """
    made: list[Row] = []
    slices: Slices = {}
    by_index = {shown.index: shown for shown in scenes}
    first = part.of(spec.sizes[split].annotations).start
    for place, asked in enumerate(vcr_annotations(spec, split, scenes, part), start=first):
        row = _vcr_row(by_index[asked.scene], asked, f"{split}-{place}", place)
        edited = shortcuts_removed(row) if split == "test_shortcuts" else row
        if edited is not None:
            made.append(edited)
            slices.setdefault(asked.slice, []).append(row["annot_id"])
    return made, slices


def _vcr_row(shown: Scene, asked: Annotation, name: str, place: int) -> Row:
    image = vcr_image(shown)
    return {
        "movie": "mini",
        "objects": class_names(shown),
        "interesting_scores": [0],
        "answer_likelihood": asked.likelihood,
        "img_fn": image,
        "metadata_fn": image.removesuffix(".jpg") + ".json",
        "question": asked.question,
        "question_orig": _raw(asked.question),
        "question_number": place,
        "answer_choices": list(asked.answers),
        "answer_orig": _raw(asked.answers[asked.answer_label]),
        "answer_label": asked.answer_label,
        "answer_match_iter": [int(i != asked.answer_label) for i in range(4)],
        "answer_sources": [place] * 4,
        "rationale_choices": list(asked.rationales),
        "rationale_orig": _raw(asked.rationales[asked.rationale_label]),
        "rationale_label": asked.rationale_label,
        "rationale_match_iter": [int(i != asked.rationale_label) for i in range(4)],
        "rationale_sources": [place] * 4,
        "img_id": image.removesuffix(".jpg").replace("/", "-"),
        "annot_id": name,
        "match_fold": f"{shown.split}-0",
        "match_index": place,
    }


def _raw(tokens: Tokens) -> str:
    """Return the tokens as an annotator typed them: tags are 1-based numbers."""
    return " ".join(
        token if isinstance(token, str) else " and ".join(str(tag + 1) for tag in token) for token in tokens
    )
