"""Bytes of strangers at every reader of text: examples that can be stored, or a named finding, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.trainables.data.convert import check
from ablative.trainables.data.inspection import Inspection
from ablative.trainables.data.inspection import described
from ablative.trainables.data.load import load_split
from ablative.trainables.data.sources import splits_of
from ablative.trainables.data.stored import SCHEMA
from ablative.trainables.data.stored import flat_row
from ablative.trainables.errors import DataError
from tests.helpers.damage import HOSTILE as HOSTILE_BYTES
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import make_vqa_cp
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_vqa_questions

HOSTILE = st.sampled_from(list(HOSTILE_BYTES))
CHANGE = st.tuples(st.floats(0, 1), st.integers(0, 12), HOSTILE | st.binary(max_size=4))
"""Where in the file, how many bytes go, and what comes in their place."""
FIELDS = [
    b'"gold_label"',
    b'"pairID"',
    b'"img_fn"',
    b'"objects"',
    b'"question_id"',
    b'"image_id"',
    b'"answers"',
    b'"boxes"',
    b'"sentence2"',
    b'"question"',
    b'"answer_choices"',
    b'"Flickr30K_ID"',
]


def _vcr(folder: Path) -> None:
    make_vcr(folder, train=30)


def _snli_ve(folder: Path) -> None:
    make_snli_ve(folder)
    write_json(folder / "hypothesis_hard_test.json", ["test-1"])
    write_json(folder / "slices/test.json", {"odd": ["test-1"]})


def _vqa(folder: Path) -> None:
    make_vqa(folder)
    write_json(folder / "counterexamples.json", [1000])
    write_vqa_questions(folder, "test2015", [{"question_id": 1, "image_id": 1, "question": "Why?"}])


LAYOUTS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "vcr": ("vcr", _vcr),
    "snli_ve": ("snli_ve", _snli_ve),
    "vqa": ("vqa", _vqa),
    "vqa_cp": ("vqa", make_vqa_cp),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for name, (_, make) in LAYOUTS.items():
        make(folder / name)
    return folder


def damaged(content: bytes, changes: list[tuple[float, int, bytes]]) -> bytes:
    for place, gone, put in changes:
        start = round(place * len(content))
        content = content[:start] + put + content[start + gone :]
    return content


def aimed(content: bytes, field: bytes, put: bytes) -> bytes:
    """Put something in the place of a field's first value."""
    before, found, after = content.partition(field + b": ")
    if not found:
        return content
    end = min((place for mark in (b", ", b"}") if (place := after.find(mark)) > 0), default=0)
    return before + found + put + after[end:]


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_annotations_give_examples_that_can_be_stored_or_named_findings(
    whole: Path, tmp_path: Path, layout: str, data: st.DataObject
) -> None:
    task, _ = LAYOUTS[layout]
    folder = tmp_path / "data"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole / layout, folder)
    path = data.draw(st.sampled_from(sorted(folder.rglob("*.json*"))))
    content = path.read_bytes()
    if data.draw(st.booleans()):
        content = aimed(content, data.draw(st.sampled_from(FIELDS)), data.draw(HOSTILE))
    else:
        content = damaged(content, data.draw(st.lists(CHANGE, min_size=1, max_size=4)))
    path.write_bytes(content)

    for split in splits_of(TASKS[task], str(whole / layout)):
        inspection = Inspection(task=TASKS[task], folder=folder, split=split)
        try:
            pa.RecordBatch.from_pylist([flat_row(seen.example) for seen in inspection.stream()], SCHEMA)
        except DataError as error:
            assert_printable(str(error).splitlines())
        assert_printable(described(inspection, set()))
        try:
            load_split(TASKS[task], str(folder), split, tmp_path / "cache")
        except DataError as error:
            assert_printable(str(error).splitlines())
    try:
        check(TASKS[task], str(folder), tmp_path / "cache", lambda *_: None)
    except DataError as error:
        assert_printable(str(error).splitlines())


def assert_printable(lines: list[str]) -> None:
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1000
