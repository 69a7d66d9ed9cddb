"""The recorded session on the page about clusters is one of the script that makes it."""

from __future__ import annotations

from docs.make_cluster_session import BEGIN
from docs.make_cluster_session import END
from docs.make_cluster_session import PAGE
from docs.make_cluster_session import PROMPT
from docs.make_cluster_session import SESSION
from docs.make_cluster_session import page
from docs.make_cluster_session import transcript

SHOWN = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]


def test_the_page_shows_the_commands_of_the_script_in_their_order() -> None:
    typed = [line.removeprefix(PROMPT) for line in SHOWN.splitlines() if line.startswith(PROMPT)]

    assert typed == list(SESSION)


def test_the_recorded_study_outlived_the_lost_line_and_was_answered() -> None:
    _, lost, attached, asked, _ = SHOWN.rsplit(PROMPT, 4)

    assert "Command failed" in lost
    assert "0 failed; records in" in attached
    assert "soft_targets" in asked and "rows)" in asked


def test_a_long_output_is_cut_in_the_middle_and_rays_own_lines_are_left_out() -> None:
    said = "\n".join(
        ["Shared connection to 10.77.0.2 closed.", *(f"line {number}" for number in range(100)), "x" * 200]
    )
    shown = transcript([("ray up", said)]).splitlines()

    assert shown[:2] == [f"{PROMPT}ray up", "line 0"]
    assert "[... 65 lines ...]" in shown
    assert max(map(len, shown)) == 110


def test_a_new_session_takes_the_place_of_the_old_one() -> None:
    before = f"above\n{BEGIN}old\n{END}below\n"

    assert page(page(before, [("a", "b")]), [("c", "d")]) == f"above\n{BEGIN}```text\n{PROMPT}c\nd\n```\n{END}below\n"
