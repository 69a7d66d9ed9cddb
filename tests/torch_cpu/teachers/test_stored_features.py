"""Features from files: what they give, and what is said of files that cannot be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ablative.testing.teachers import NAMES
from ablative.testing.teachers import TEXTS
from ablative.trainables.config import TeacherConfig
from ablative.trainables.teachers.errors import TeacherError
from ablative.trainables.teachers.loading import load_teacher
from tests.helpers.small_folders import feature_files
from tests.helpers.small_folders import write_vectors


def loaded(path: Path, setting: str = "images") -> Any:
    return load_teacher(TeacherConfig.model_validate({"model": "features", "features": {setting: str(path)}}), path)


@pytest.mark.parametrize("ending", [".parquet", ".arrow"])
def test_rows_are_those_of_the_file_at_unit_length_in_the_order_asked_for(tmp_path: Path, ending: str) -> None:
    write_vectors(tmp_path / f"f{ending}", {"id": ["a", "b"]}, [[3.0, 4.0], [0.0, 2.0]])
    found = loaded(tmp_path / f"f{ending}").encode_images(["b", "a", "b"])
    torch.testing.assert_close(found, torch.tensor([[0.0, 1.0], [0.6, 0.8], [0.0, 1.0]]))


def test_words_are_found_by_text_and_number(tmp_path: Path) -> None:
    ids = {"id": ["a cat", "a cat"], "word": [1, 0]}
    write_vectors(tmp_path / "w.parquet", ids, [[0.0, 1.0], [1.0, 0.0]])
    [rows] = loaded(tmp_path / "w.parquet", "words").word_features(["a cat"])
    torch.testing.assert_close(rows, torch.eye(2))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["a", "a"], "vector": [[1.0], [2.0]]}, r"row 2: 'a' is in row 1 already; keep one"),
        ({"id": ["a", "b"], "vector": [[1.0], [float("nan")]]}, r"row 2: the vector of 'b' has NaN or infinity"),
        ({"id": ["a", "b"], "vector": [[0.0], [1.0]]}, r"row 1: the vector of 'a' has nothing but zeros"),
        (
            {"id": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]},
            r"row 2: the vector of 'b' has 2 numbers, that of row",
        ),
        ({"id": ["a", "b"], "vector": [[1.0], [None]]}, r"row 2: the vector of 'b' lacks a number"),
        ({"id": ["a", None], "vector": [[1.0], [1.0]]}, r"row 2: id is empty"),
        ({"id": ["a", "b"], "vector": [[1.0], None]}, r"row 2: vector is empty"),
        ({"id": [1, 2], "vector": [[1.0], [1.0]]}, r"column id holds int64; wanted text"),
        ({"id": ["a"], "vector": ["1.0"]}, r"column vector holds string; wanted lists of floating-point numbers"),
        ({"id": ["a"], "embedding": [[1.0]]}, r"no column vector; it has id, embedding; wanted id, vector"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_file_and_remedy(
    tmp_path: Path, columns: dict[str, list[Any]], message: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "f.parquet")
    with pytest.raises(TeacherError, match=rf"^teacher\.features\.images: {tmp_path}/f\.parquet: {message}"):
        loaded(tmp_path / "f.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"ARROW1\x00\x00 and so on", b"id,vector\n"])
def test_a_file_that_is_none_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.parquet").write_bytes(content)
    with pytest.raises(TeacherError, match=r"^teacher\.features\.images: [^\n]*; (wanted|write)[^\n]*$"):
        loaded(tmp_path / "f.parquet")


def test_ids_that_are_not_there_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    write_vectors(tmp_path / "f.parquet", {"id": ["a"]}, [[1.0]])
    message = r"f.parquet: no row for 'b' \(and 1 more pictures of 3\); add it, with id = the picture's name in"
    with pytest.raises(TeacherError, match=message):
        loaded(tmp_path / "f.parquet").encode_images(["a", "b", "c"])
    with pytest.raises(TeacherError, match=r"teacher.features.texts: no file; give one"):
        loaded(tmp_path / "f.parquet").encode_texts(["a"])


def test_files_of_one_space_have_one_width(tmp_path: Path) -> None:
    config = feature_files(tmp_path / "own", NAMES, TEXTS, widths=(6, 4), joint=True)
    with pytest.raises(
        TeacherError, match=r"texts.parquet: vectors of 4 numbers, and others have 6; .*joint to false"
    ):
        load_teacher(config, tmp_path)


def test_half_precision_and_fixed_sizes_are_read(tmp_path: Path) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.float16([3, 4, 0, 1])), 2)
    pq.write_table(pa.table({"id": ["a", "b"], "vector": vectors}), tmp_path / "f.parquet")
    torch.testing.assert_close(loaded(tmp_path / "f.parquet").encode_images(["a"]), torch.tensor([[0.6, 0.8]]))
