"""VCR: a question about people, four answers, and four rationales for the right answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from trainables.data.examples import Candidate
from trainables.data.examples import Example
from trainables.data.layout import Source
from trainables.data.layout import is_carved
from trainables.data.reading import Row
from trainables.data.reading import lines
from trainables.data.reading import read_rows
from trainables.data.shortcuts import shortcuts_removed
from trainables.data.tokens import joined
from trainables.data.tokens import tagged_text

NUM_CHOICES = 4
ANSWER, RATIONALE = "qa", "qar"
"""The two modes: choose the answer; given the right answer, choose the rationale."""
_SEGMENTS = {ANSWER: 2, RATIONALE: 3}


def read_vcr(source: Source, slices: Mapping[str, tuple[str, ...]]) -> list[Example]:
    """Return two examples an annotation, ids `<annot_id>/qa` and `<annot_id>/qar`, one group."""
    return [example for path in source.files for example in _read(path, source, slices)]


def _read(path: Path, source: Source, slices: Mapping[str, tuple[str, ...]]) -> list[Example]:
    return read_rows(path, lines(path), lambda row: _examples(row, source, slices))


def _examples(row: Row, source: Source, slices: Mapping[str, tuple[str, ...]]) -> list[Example]:
    if source.part != "all" and is_carved(row["img_fn"]) != (source.part == "carved"):
        return []
    if source.without_shortcuts:
        edited = shortcuts_removed(row)
        if edited is None:
            return []
        row = edited
    return [_example(row, mode, slices.get(str(row["annot_id"]), ())) for mode in (ANSWER, RATIONALE)]


def _example(row: Row, mode: str, slices: tuple[str, ...]) -> Example:
    objects = row["objects"]
    query = tagged_text(row["question"], objects)
    if mode == RATIONALE:
        query = joined(query, tagged_text(row["answer_choices"][_label(row, "answer_label")], objects))
    choices = row["answer_choices" if mode == ANSWER else "rationale_choices"]
    if len(choices) != NUM_CHOICES:
        raise ValueError(f"{len(choices)} choices, expected {NUM_CHOICES}")
    return Example(
        id=f"{row['annot_id']}/{mode}",
        image=row["img_fn"],
        candidates=tuple(
            Candidate(query=query, response=tagged_text(choice, objects), response_segment=_SEGMENTS[mode])
            for choice in choices
        ),
        targets=((_label(row, "answer_label" if mode == ANSWER else "rationale_label"), 1.0),),
        stratum=mode,
        group=str(row["annot_id"]),
        slices=slices,
    )


def _label(row: Row, field: str) -> int:
    label = row[field]
    if not isinstance(label, int) or not 0 <= label < NUM_CHOICES:
        raise ValueError(f"{field} is {label!r}, expected 0 to 3")
    return label
