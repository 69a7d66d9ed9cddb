"""Reads VCR's files."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping

from ablative.trainables.data.examples import Candidate
from ablative.trainables.data.examples import Example
from ablative.trainables.data.names import picture_name
from ablative.trainables.data.reading import Row
from ablative.trainables.data.reading import identifier
from ablative.trainables.data.reading import lines
from ablative.trainables.data.reading import listed
from ablative.trainables.data.reading import read_rows
from ablative.trainables.data.sources import is_carved
from ablative.trainables.data.tokens import checked_tokens
from ablative.trainables.data.tokens import joined
from ablative.trainables.data.tokens import tagged_text
from ablative.trainables.parts.task import Source
from ablative.trainables.tasks.vcr_files.shortcuts import shortcuts_removed

NUM_CHOICES = 4
ANSWER, RATIONALE = "qa", "qar"
"""The two modes: choose the answer; given the right answer, choose the rationale."""
_SEGMENTS = {ANSWER: 2, RATIONALE: 3}


def read_vcr(source: Source, slices: Mapping[str, tuple[str, ...]]) -> Iterator[Example]:
    """Yield two examples per annotation, ids `<annot_id>/qa` and `<annot_id>/qar`, in one group.

    A blind source gives five: the rationale is asked after each of the four answers, ids `<annot_id>/qar/0` to `/3`.
    """
    for path in source.files:
        yield from read_rows(path, lines(path), lambda row: _examples(row, source, slices))


def _examples(row: Row, source: Source, slices: Mapping[str, tuple[str, ...]]) -> list[Example]:
    if source.part != "all" and is_carved(picture_name(row["img_fn"])) != (source.part == "carved"):
        return []
    _well_formed(row)
    if source.rule:
        edited = shortcuts_removed(row, source.rule)
        if edited is None:
            return []
        row = edited
    if source.blind:
        return [_example(row, ANSWER), *(_example(row, RATIONALE, behind=i) for i in range(NUM_CHOICES))]
    named = slices.get(str(row["annot_id"]), ())
    answer = _example(row, ANSWER, label="answer_label", slices=named)
    right = answer.targets[0][0]
    return [answer, _example(row, RATIONALE, label="rationale_label", behind=right, named="qar", slices=named)]


def sound(row: Row) -> Row:
    """Return a labelled `row` if it has the fields that every reader of VCR's files needs. Raises ValueError."""
    _well_formed(row)
    _label(row, "answer_label")
    _label(row, "rationale_label")
    return row


def _well_formed(row: Row) -> None:
    picture_name(row["img_fn"])
    identifier(row["annot_id"], "annot_id")
    objects = listed(row["objects"], "objects")
    if not all(isinstance(name, str) for name in objects):
        raise ValueError("objects: expected names of classes")
    for field in ("answer_choices", "rationale_choices"):
        if len(listed(row[field], field)) != NUM_CHOICES:
            raise ValueError(f"{field}: {len(row[field])} choices, expected {NUM_CHOICES}")
    for tokens in (row["question"], *row["answer_choices"], *row["rationale_choices"]):
        checked_tokens(listed(tokens, "a text"), objects)


def _example(
    row: Row,
    mode: str,
    *,
    label: str | None = None,
    behind: int | None = None,
    named: str = "",
    slices: tuple[str, ...] = (),
) -> Example:
    """Return one question. `behind`: the answer whose rationale is asked; `label`: field of the right choice."""
    objects = row["objects"]
    query = tagged_text(row["question"], objects)
    if behind is not None:
        query = joined(query, tagged_text(row["answer_choices"][behind], objects))
    choices = row["answer_choices" if mode == ANSWER else "rationale_choices"]
    return Example(
        id=f"{row['annot_id']}/{named or (mode if behind is None else f'{mode}/{behind}')}",
        image=row["img_fn"],
        candidates=tuple(
            Candidate(query=query, response=tagged_text(choice, objects), response_segment=_SEGMENTS[mode])
            for choice in choices
        ),
        targets=((_label(row, label), 1.0),) if label else (),
        stratum=mode,
        group=str(row["annot_id"]),
        slices=slices,
    )


def _label(row: Row, field: str) -> int:
    label = row[field]
    if type(label) is not int or not 0 <= label < NUM_CHOICES:
        raise ValueError(f"{field} is {label!r}, expected 0 to 3")
    return label
