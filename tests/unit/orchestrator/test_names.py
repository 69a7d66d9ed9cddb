"""Names that must be short or plain stay different where they were different."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ablative.orchestrator.names import FILE_NAME
from ablative.orchestrator.names import file_name
from ablative.orchestrator.names import shortened

LONG = "a_factor_whose_name_says_everything_" * 8


def test_what_is_short_and_plain_is_left_as_it_is() -> None:
    assert shortened("clip_td", 20) == "clip_td"
    assert file_name("selection=all,ratio=0.3+confidence-b") == "selection=all,ratio=0.3+confidence-b"


def test_names_that_are_cut_or_changed_get_a_hash_of_the_whole() -> None:
    names = [f"{LONG}1", f"{LONG}2", "a/b", "a b", "a_b", "..", ".", "", "é" * 200]

    assert len({file_name(name) for name in names}) == len(names)
    assert file_name(f"{LONG}1").startswith("a_factor_whose_name")


@given(st.text(max_size=300))
def test_a_file_name_is_one_that_a_folder_takes(name: str) -> None:
    made = file_name(name)

    assert 0 < len(made.encode()) <= FILE_NAME
    assert "/" not in made and "\0" not in made and not made.startswith(".")
