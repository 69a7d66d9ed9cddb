"""What is printed of a study's cells, on terminals of any width and elsewhere."""

from __future__ import annotations

import io
import itertools

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ablative.orchestrator.deciding.progress import CellProgress
from ablative.orchestrator.showing.overview import cells_table
from ablative.orchestrator.showing.overview import console

ARMS = ("no_distillation", "shuffled_teacher", "a_factor_whose_name_says_everything_there_is_to_say_about_it" * 5)


def _cells() -> list[CellProgress]:
    return [
        CellProgress(
            cell=f"{arm}|task.name={task},task.data_fraction=0.01",
            cell_id=f"{arm}{task}",
            arm=arm,
            state="confirm",
            search_done=1234,
            search_total=5678,
            confirm_done=10,
            confirm_total=12,
            failed=7,
            stopped=8,
            running=0,
            best=0.4321,
        )
        for arm, task in itertools.product(ARMS, ("snli_ve", "vqa"))
    ]


def _drawn(table: Table, width: int) -> list[str]:
    drawn = io.StringIO()
    Console(file=drawn, width=width, force_terminal=True, color_system=None).print(table)
    return [Text.from_ansi(line).plain.rstrip() for line in drawn.getvalue().splitlines()]


def _names(lines: list[str]) -> str:
    return "".join(line[: line.find("  ") if "  " in line else None].strip() for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_on_a_narrow_terminal_names_are_wrapped_and_numbers_are_whole(width: int) -> None:
    drawn = io.StringIO()
    Console(file=drawn, width=width, force_terminal=True, color_system=None).print(
        cells_table(_cells(), "val/accuracy")
    )

    lines = [Text.from_ansi(line).plain.rstrip() for line in drawn.getvalue().splitlines()]
    assert max(map(cell_len, lines)) <= width
    numbers = [line.split()[-6:] for line in lines if line.endswith("confirm") and "1234" in line]
    assert numbers == [["1234/5678", "10/12", "8", "7", "0.4321", "confirm"]] * 6
    assert _names(lines[1:]) == "".join(cell.cell for cell in _cells())


def test_off_a_terminal_each_cell_is_one_line_with_its_whole_name(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(cells_table(_cells(), "val/accuracy"))

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [cell.cell for cell in _cells()]


def test_where_each_cell_may_have_one_line_it_is_said_with_less() -> None:
    lines = _drawn(cells_table(_cells(), "val/accuracy", line_each=True), 84)

    assert len(lines) == 1 + len(_cells())
    assert [line.split()[0] for line in lines[1:5]] == [
        f"{arm}|{task},0.01" for arm in ("no_distillation", "shuffled_teacher") for task in ("snli_ve", "vqa")
    ]
    assert all(line.endswith("1234/5678    10/12        8       7  0.4321  confirm") for line in lines[1:])
