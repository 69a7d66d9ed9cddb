"""Large JSON files, read entry by entry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.trainables.data import entries as entries_module
from ablative.trainables.data.entries import entries
from ablative.trainables.errors import UnreadableData

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def written(folder: Path, text: str) -> Path:
    path = folder / "file.json"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("entries")


@given(
    items=st.lists(JSON, max_size=5),
    header=st.dictionaries(st.text(max_size=4), JSON, max_size=3),
    indent=st.sampled_from([None, 1]),
    chunk=st.integers(1, 20),
)
def test_entries_are_those_of_the_whole_file_however_it_is_cut(
    folder: Path, items: list[Any], header: dict[str, Any], indent: int | None, chunk: int
) -> None:
    content = {key: value for key, value in header.items() if key != "rows"} | {"rows": items, "after": 1}
    before = entries_module._CHUNK
    entries_module._CHUNK = chunk
    try:
        assert list(entries(written(folder, json.dumps(content, indent=indent)), "rows")) == items
        assert list(entries(written(folder, json.dumps(items, indent=indent)), "rows")) == items
    finally:
        entries_module._CHUNK = before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"info": 1}', "KeyError: 'rows'"),
        ('{"rows": {"a": 1}}', "found '{', expected '\\['"),
        ('{"rows": [1, 2', "found the end of the file, expected ','"),
        ('{"rows": [1, {"a', "JSON|Unterminated"),
        ('{"rows": [1 2]}', "found '2', expected ','"),
        ("", "found the end of the file"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_found(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(UnreadableData, match=rf"file\.json: rows: .*({reason}).*get the file again"):
        list(entries(written(tmp_path, text), "rows"))
