"""Annotation files of strangers: what is damaged is named, and nothing is read that cannot be stored."""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ablative.trainables.data import reading
from ablative.trainables.data.convert import check
from ablative.trainables.data.convert import prepare_examples
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.errors import UnreadableData
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import make_vqa
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import vcr_row
from tests.unit.trainables.real_layouts import write_json
from tests.unit.trainables.real_layouts import write_lines


def load(task: str, folder: Path, split: str) -> TaskSplit:
    return load_split(TASKS[task], str(folder), split, folder / "cache")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{"pairID": "\\udc80", "gold_label": "neutral", "sentence2": "x", "Flickr30K_ID": "1"}', r"\\udc80 is half"),
        ("[" * 100_000, "RecursionError"),
        (b'{"pairID": "caf\xe9"}', "byte 0xe9 is not UTF-8"),
        (b'{"pairID": "\xed\xb2\x80"}', "byte 0xed is not UTF-8"),
        (snli_ve_row("a") | {"pairID": [1]}, r"pairID is \[1\], expected a line of text or a whole number"),
        (snli_ve_row("a") | {"pairID": None}, "pairID is None"),
        (snli_ve_row("a\nb"), r"pairID is 'a\\nb'"),
        (snli_ve_row("a") | {"pairID": True}, "pairID is True"),
        (snli_ve_row("a") | {"pairID": 1.5}, "pairID is 1.5"),
        (snli_ve_row("a") | {"sentence2": {"x": 1}}, "sentence2 is .*, expected a text"),
        (snli_ve_row("a", "\x1b[2J" + "long" * 1000), r"gold_label is .{,260}$"),
    ],
)
def test_a_row_that_cannot_be_stored_or_parsed_is_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, row: object, reason: str
) -> None:
    make_snli_ve(tmp_path)
    sound = [json.dumps(snli_ve_row(f"\N{GRINNING FACE}{i}")).encode() for i in range(199)]  # a whole surrogate pair
    bad = row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode()
    (tmp_path / "snli_ve_test.jsonl").write_bytes(b"\n".join([*sound[:30], bad, *sound[30:]]))
    with caplog.at_level(logging.WARNING):
        split = load("snli_ve", tmp_path, "test")

    assert len(split.examples) == 199
    (named,) = [line for line in caplog.text.splitlines() if "line 31: " in line]
    assert re.search(reason, named.removesuffix("; left out"))
    assert "\x1b" not in named


def test_a_byte_order_mark_is_read_as_if_it_were_not_there(tmp_path: Path) -> None:
    make_snli_ve(tmp_path / "snli_ve")
    make_vqa(tmp_path / "vqa")
    for path in (*tmp_path.glob("*/*.json*"),):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert [example.id for example in load("snli_ve", tmp_path / "snli_ve", "test").examples] == [
        f"test-{i}" for i in range(3)
    ]
    assert len(load("vqa", tmp_path / "vqa", "test").examples) == 9


@pytest.mark.parametrize(
    ("encoded", "named"),
    [
        (lambda text: text.encode("utf-16"), "UTF-16; save it as UTF-8"),
        (lambda text: text.encode("utf-16-be"), "zero byte, as UTF-16"),
        (lambda text: text.encode("utf-32"), "UTF-32; save it as UTF-8"),
        (lambda text: gzip.compress(text.encode()), "gzip; unpack it"),
    ],
)
def test_a_file_in_another_encoding_or_compressed_is_refused_by_name(
    tmp_path: Path, encoded: Callable[[str], bytes], named: str
) -> None:
    make_snli_ve(tmp_path / "snli_ve")
    make_vqa(tmp_path / "vqa")
    rows, questions = "snli_ve/snli_ve_test.jsonl", "vqa/v2_OpenEnded_mscoco_val2014_questions.json"
    for name in (rows, questions):
        (tmp_path / name).write_bytes(encoded((tmp_path / name).read_text()))
    for task, name in (("snli_ve", rows), ("vqa", questions)):
        with pytest.raises(UnreadableData, match=rf"{Path(name).name}.*{named}"):
            load(task, tmp_path / task, "test")


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/hostname", "a/../../b", "", "a\0b", "x" * 300, "\N{SNOWMAN}" * 90, "film/"]
)
def test_a_picture_name_that_leads_out_or_can_be_no_file_makes_its_row_unreadable(tmp_path: Path, name: str) -> None:
    make_vcr(tmp_path / "vcr")
    write_lines(tmp_path / "vcr/val.jsonl", [vcr_row("val-0"), vcr_row("val-1", image=name)])
    make_snli_ve(tmp_path / "snli_ve")
    write_lines(tmp_path / "snli_ve/snli_ve_test.jsonl", [snli_ve_row("a", Flickr30K_ID=name)])

    with pytest.raises(UnreadableData, match=r"1 of 2 rows(.|\n)*line 2: ValueError: picture"):
        load("vcr", tmp_path / "vcr", "test")
    if name != "film/":  # `film/.jpg` is a file
        with pytest.raises(UnreadableData, match=r"1 of 1 rows(.|\n)*ValueError: (picture|Flickr30K_ID)"):
            load("snli_ve", tmp_path / "snli_ve", "test")


def test_a_link_that_the_user_put_into_the_image_folder_is_followed(tmp_path: Path) -> None:
    make_vcr(tmp_path / "data")
    images = tmp_path / "data/vcr1images"
    (images / "film").rename(tmp_path / "other_disk")
    (images / "film").symlink_to(tmp_path / "other_disk")

    assert load("vcr", tmp_path / "data", "test").boxes["film/a@0.jpg"][0] == (1.0, 2.0, 30.0, 40.0)


def test_an_annotation_without_its_question_says_so(tmp_path: Path) -> None:
    make_vqa(tmp_path)
    path = tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json"
    content = json.loads(path.read_text())
    for row in content["questions"]:
        row["question_id"] = str(row["question_id"])
    write_json(path, content)

    with pytest.raises(
        UnreadableData, match=r"9 of 9 rows(.|\n)*line 1: ValueError: question_id 1000 has no question"
    ):
        load("vqa", tmp_path, "test")


@pytest.mark.parametrize("number", [[1], None, True, {"a": 1}, 2.5, ""])
def test_a_question_id_that_is_no_id_is_a_bad_row(tmp_path: Path, number: object) -> None:
    make_vqa(tmp_path)
    path = tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json"
    content = json.loads(path.read_text())
    content["questions"][0]["question_id"] = number
    write_json(path, content)

    with pytest.raises(UnreadableData, match=r"1 of 9 rows(.|\n)*line 1: ValueError: question_id is"):
        load("vqa", tmp_path, "test")


@pytest.mark.parametrize("content", ["[1", '{"hard": "test-1"}', '{"hard": [[1]]}', "[1]", "[" * 100_000, '"\\udc80"'])
def test_damaged_slices_are_named(tmp_path: Path, content: str) -> None:
    make_snli_ve(tmp_path)
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices/test.json").write_text(content)

    with pytest.raises(UnreadableData, match=r"slices/test\.json: .*expected an object of slice name"):
        load("snli_ve", tmp_path, "test")


@pytest.mark.parametrize("content", ["{}", "[[1]]", "[null]", '["\\ud800"]', "[" * 100_000, "nothing"])
def test_a_damaged_list_of_a_shifted_test_is_named(tmp_path: Path, content: str) -> None:
    make_snli_ve(tmp_path)
    (tmp_path / "hypothesis_hard_test.json").write_text(content)

    with pytest.raises(UnreadableData, match=r"hypothesis_hard_test\.json: .*expected a list of ids"):
        load("snli_ve", tmp_path, "test_hypothesis_hard")


@pytest.mark.parametrize(
    "changes",
    [
        {"objects": "person"},
        {"objects": ["person", 5, "dog"]},
        {"question": "Why?"},
        {"question": ["Why", [True]]},
        {"answer_choices": {"a": [], "b": [], "c": [], "d": []}},
        {"answer_label": True},
        {"annot_id": 2.5},
    ],
)
def test_vcr_rows_whose_fields_are_of_another_type_are_unreadable(tmp_path: Path, changes: dict[str, object]) -> None:
    make_vcr(tmp_path)
    write_lines(tmp_path / "val.jsonl", [vcr_row("val-0", **changes)])

    with pytest.raises(UnreadableData, match=r"1 of 1 rows(.|\n)*line 1: ValueError"):
        load("vcr", tmp_path, "test")


@pytest.mark.parametrize(
    "content",
    [
        '{"boxes": [[NaN, 2, 3, 4, 0.9]]}',
        '{"boxes": [[1, 2, 3, 4]], "width": NaN, "height": 50}',
        '{"boxes": [[1, 2, 3, 4]], "width": -5}',
        '{"boxes": [[1, 2]]}',
        '{"boxes": ["1234"]}',
        '{"boxes": {}}',
        "[]",
        "[" * 100_000,
        b"\x1f\x8b\x08",
        b"\xff\xfe{\0",
    ],
)
def test_metadata_that_means_nothing_is_unreadable_by_name(tmp_path: Path, content: str | bytes) -> None:
    make_vcr(tmp_path)
    path = tmp_path / "vcr1images/film/a@0.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(UnreadableData, match=r"film/a@0\.json: boxes: .*expected a JSON object .* Get the file again"):
        load("vcr", tmp_path, "test")


@pytest.mark.parametrize("box", ["[1, 2, Infinity, 4]", "[1, 2, 1e30, 4]", "[9, 9, 1, 1]"])
def test_a_box_that_is_large_or_inverted_is_read(tmp_path: Path, box: str) -> None:
    make_vcr(tmp_path)
    (tmp_path / "vcr1images/film/a@0.json").write_text(f'{{"boxes": [{box}], "width": 60, "height": 50}}')

    assert len(load("vcr", tmp_path, "test").boxes["film/a@0.jpg"]) == 1


def test_damaged_stored_examples_are_named_with_the_remedy(tmp_path: Path) -> None:
    folder = make_snli_ve(tmp_path / "data")
    prepare_examples(TASKS["snli_ve"], str(folder), tmp_path / "cache", lambda *_: None)
    (stored,) = (tmp_path / "cache/examples").glob("*/test/examples-0000.arrow")
    stored.write_bytes(stored.read_bytes()[:100])

    with pytest.raises(UnreadableData, match=r"test: Arrow.*; remove this folder and prepare"):
        load_split(TASKS["snli_ve"], str(folder), "test", tmp_path / "cache")


def test_a_file_of_nothing_but_bad_rows_stays_small_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_KEPT", 3)
    make_snli_ve(tmp_path)
    (tmp_path / "snli_ve_test.jsonl").write_text("nothing\n" * 50)
    (found,) = check(TASKS["snli_ve"], str(tmp_path), tmp_path / "cache", lambda *_: None, splits=["test"])

    assert (found.num_bad, len(found.rows[0].reasons)) == (50, 3)
    with pytest.raises(UnreadableData, match="50 of 50 rows"):
        load("snli_ve", tmp_path, "test")
