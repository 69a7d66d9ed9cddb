"""Answers as text and bytes."""

from __future__ import annotations

import csv
import io
import json
import math
from datetime import UTC
from datetime import datetime

import pyarrow as pa
import pytest

from ablative.analysis import QueryError
from ablative.analysis.views.formats import render
from ablative.analysis.views.formats import text_table

ANSWER = pa.table(
    {
        "arm": ["clip_td", 'a "quoted", arm'],
        "mean": [0.123456789, math.nan],
        "n": [6, None],
        "at": [datetime(2026, 11, 23, tzinfo=UTC), None],
        "evaluate": [["val", "test"], []],
        "versions": pa.array([[("torch", "2.13.0")], None], pa.map_(pa.string(), pa.string())),
    }
)


def test_json_has_one_object_a_row_and_null_for_nan() -> None:
    assert json.loads(render(ANSWER, "json")) == [
        {
            "arm": "clip_td",
            "mean": 0.123456789,
            "n": 6,
            "at": "2026-11-23T00:00:00+00:00",
            "evaluate": ["val", "test"],
            "versions": {"torch": "2.13.0"},
        },
        {"arm": 'a "quoted", arm', "mean": None, "n": None, "at": None, "evaluate": [], "versions": None},
    ]


def test_csv_survives_quotes_and_keeps_all_digits() -> None:
    rows = list(csv.reader(io.StringIO(render(ANSWER, "csv").decode())))

    assert rows[0] == ANSWER.column_names
    assert rows[1][:3] == ["clip_td", "0.123456789", "6"]
    assert rows[2][:4] == ['a "quoted", arm', "", "", ""]


def test_text_aligns_numbers_to_the_right() -> None:
    lines = text_table(ANSWER.select(["arm", "mean"])).splitlines()

    assert lines[0] == "arm                  mean"
    assert lines[2] == "clip_td          0.123457"
    assert lines[-1] == "(2 rows)"


def test_two_columns_of_one_name_both_appear() -> None:
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])

    assert render(twice, "csv").decode() == "x,x\n1,2\n"


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in text_table(pa.table({"error": ["\x1b[31mred\nnext"]}))


def test_an_unknown_format_is_answered_with_the_known_ones() -> None:
    with pytest.raises(QueryError, match=r"xml.*table, csv, json, jsonl, parquet, markdown, latex"):
        render(ANSWER, "xml")  # type: ignore[arg-type]


def test_json_lines_are_one_object_a_line() -> None:
    lines = render(ANSWER, "jsonl").decode().splitlines()
    assert [json.loads(line) for line in lines] == json.loads(render(ANSWER, "json"))


def test_markdown_aligns_numbers_and_keeps_a_bar_inside_its_cell() -> None:
    answer = pa.table({"a|b": ["x | y", "\\"], "n": [1, 2]})
    assert render(answer, "markdown").decode() == ("| a\\|b | n |\n| --- | ---: |\n| x \\| y | 1 |\n| \\\\ | 2 |\n")


def test_latex_is_a_booktabs_table_in_which_nothing_is_a_command() -> None:
    answer = pa.table({"arm": ["a_b & 5 % \\input{x}"], "mean": [0.5]})
    text = render(answer, "latex").decode()
    assert text.startswith(
        "% needs the package booktabs\n\\begin{tabular}{lr}\n\\toprule\narm & mean \\\\\n\\midrule\n"
    )
    assert r"a\_b \& 5 \% \textbackslash{}input\{x\} & 0.5 \\" in text
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")


def test_latex_wider_than_a_line_of_article_is_made_narrow() -> None:
    text = render(pa.table({"arm": ["a" * 70]}), "latex").decode()

    assert text.startswith(
        "% needs the packages booktabs and graphicx\n\\resizebox{\\linewidth}{!}{%\n\\begin{tabular}{l}"
    )
    assert text.endswith("\\end{tabular}}\n")
