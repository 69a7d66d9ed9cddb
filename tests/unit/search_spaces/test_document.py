from __future__ import annotations

from pathlib import Path

import pytest

from ablative.search_spaces.document import MOST_BYTES
from ablative.search_spaces.document import Document
from ablative.search_spaces.document import Origin
from ablative.search_spaces.document import read_document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return tmp_path / "study.yaml"


def read(path: Path, content: str | bytes) -> Document:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_document(path, "study.yaml")


def refusal(path: Path, content: str | bytes) -> Mistake:
    with pytest.raises(StudyError) as caught:
        read(path, content)
    (mistake,) = caught.value.mistakes
    return mistake


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-5", 1e-5),  # text in YAML 1.1
        ("1.0e-5", 1e-5),
        ("1E5", 1e5),
        (".5", 0.5),
        ("010", 10),  # eight in YAML 1.1
        ("0x10", 16),
        ("0o17", 15),
        ("no", "no"),  # false in YAML 1.1
        ("true", True),
        ("~", None),
        ("1:30", "1:30"),  # ninety in YAML 1.1
        ("2024-01-01", "2024-01-01"),
        ("'1'", "1"),
        (".nan", ".nan"),
    ],
)
def test_scalars_are_read_by_the_core_schema_of_yaml_1_2(written: Path, text: str, value: object) -> None:
    found = read(written, f"key: {text}").value["key"]
    assert found == value and type(found) is type(value)


def test_every_value_knows_its_line(written: Path) -> None:
    document = read(written, "a:\n  b: 1\n  c: [2,\n    3]\n")
    lines = {place: origin.line for place, origin in document.origins.items()}
    assert lines == {(): None, ("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", 0): 3, ("a", "c", 1): 4}


def test_a_mistake_in_what_is_not_there_has_the_line_around_it(written: Path) -> None:
    document = read(written, "\na:\n  b: 1\n")
    assert document.mistake(("a", "x", "y"), "nothing", "given").line == 2
    assert document.origins[("a", "b")] == Origin(file="study.yaml", line=3)


def test_duplicate_keys_are_named_with_both_lines(written: Path) -> None:
    (mistake,) = read(written, "a:\n  b: 1\n  b: 2\n").mistakes
    assert (mistake.line, mistake.path) == (3, "a.b")
    assert "first on line 2" in mistake.expected


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.getcwd []",
        "a: !!python/name:os.system x",
        "a: !mine {b: 1}",
        "a: !!timestamp 2024-01-01",
    ],
)
def test_tags_construct_nothing_and_are_mistakes(written: Path, text: str) -> None:
    (mistake,) = read(written, text).mistakes
    assert mistake.path == "a" and mistake.line == 1
    assert "without a tag" in mistake.expected


def test_keys_must_be_text(written: Path) -> None:
    document = read(written, "1: a\nnull: b\n[c]: d\nsound: e\n")
    assert [mistake.line for mistake in document.mistakes] == [1, 2, 3]
    assert document.value == {"sound": "e"}


def test_aliases_stand_for_copies(written: Path) -> None:
    document = read(written, "a: &x [1]\nb: *x\n")
    assert document.value == {"a": [1], "b": [1]}
    assert document.value["a"] is not document.value["b"]


def test_a_billion_laughs_are_refused(written: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "aliases" in refusal(written, "\n".join(lines)).found


def test_an_alias_of_itself_is_refused(written: Path) -> None:
    assert "aliases" in refusal(written, "a: &a [*a]").found


def test_deep_nesting_is_refused(written: Path) -> None:
    assert "nesting" in refusal(written, "a: " + "[" * 5000).found


def test_large_files_are_refused(written: Path) -> None:
    assert f"more than {MOST_BYTES} bytes" in refusal(written, b"#" * (MOST_BYTES + 1)).found


def test_numbers_beyond_bounds_are_mistakes(written: Path) -> None:
    document = read(written, f"a: 1e999\nb: {'9' * 5000}\n")
    assert [mistake.path for mistake in document.mistakes] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", None, "empty"),
        (b"# nothing\n", None, "empty"),
        (b"- a\n- b\n", 1, "no mapping"),
        (b"a: 1\n\tb: 2\n", 2, "\\t"),
        (b"a: [1\n", 1, "[ that is not closed"),
        (b"a: 1\n---\nb: 2\n", 2, "document"),
        (b"a: 1\nb: \xff\n", 2, "0xff"),
        (b"a: *nothing\n", 1, "alias"),
        (b"a: \x00\n", 1, "control character U+0000"),
    ],
)
def test_what_is_no_study_is_refused_with_its_line(
    written: Path, content: bytes, line: int | None, words: str
) -> None:
    mistake = refusal(written, content)
    assert mistake.line == line
    assert words in mistake.found


def test_tabs_are_explained(written: Path) -> None:
    assert "spaces" in refusal(written, "a:\n\tb: 2\n").expected


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(written: Path) -> None:
    assert read(written, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").value == {"a": 1, "b": 2}
