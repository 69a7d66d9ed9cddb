from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import analysis
from analysis.paper_forms import FORMS
from analysis.paper_forms import written
from analysis.paper_table import PaperTable
from analysis.paper_table import paper_table
from orchestrator.records import Record
from orchestrator.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

STUDY = StudyResults(effect={"clip_td": 0.05}, arms=("none", "naive_&_<b>", "clip_td", "shuffled_teacher"))


def _fail_one(record: Record) -> Record:
    one = (record.arm, record.seed, record.data_fraction, record.task) == ("clip_td", 6, 0.05, "vqa")
    return as_failed(record) if one else record


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PaperTable:
    uri = str(tmp_path_factory.mktemp("store"))
    STUDY.write(uri, _fail_one)
    return paper_table(analysis.load(uri), "lowshot")


def test_tasks_stand_over_their_fractions_and_controls_stand_last(table: PaperTable) -> None:
    assert table.groups == (("snli_ve", ("1 %", "5 %")), ("vqa", ("1 %", "5 %")))
    assert [row.arm for row in table.rows] == ["none", "naive_&_<b>", "clip_td", "shuffled_teacher"]
    assert [row.is_control for row in table.rows] == [False, False, False, True]


def test_numbers_are_those_of_the_records(table: PaperTable) -> None:
    values = [
        record.metrics["test/accuracy"]
        for record in STUDY.records()
        if (record.arm, record.phase, record.task, record.data_fraction) == ("clip_td", "confirm", "snli_ve", 0.01)
    ]
    entry = table.rows[2].entries[0]
    assert entry is not None
    assert entry.mean == pytest.approx(np.mean(values))
    assert entry.best
    assert table.rows[2].pooled.verdict == "better"


def test_an_arm_that_lacks_a_seed_is_never_the_best(table: PaperTable) -> None:
    entry = table.rows[2].entries[3]
    assert entry is not None
    assert (entry.n, entry.planned, entry.best) == (5, 6, False)
    assert sum(row.entries[3].best for row in table.rows if row.entries[3]) == 1
    assert any("1 of 24 confirm trials failed" in note for note in table.notes)


def test_every_form_has_every_arm_and_number_and_no_markup_of_a_name(table: PaperTable) -> None:
    forms: dict[str, str] = {form: written(table, form) for form in FORMS}  # type: ignore[arg-type]

    for text in forms.values():
        assert text.endswith("\n")
        assert all(arm in text for arm in ("none", "clip"))
    assert "naive_&_<b>" not in forms["html"]
    assert "naive_&amp;_&lt;b&gt;" in forms["html"]
    assert r"naive\_\&\_\textless{}b\textgreater{}" in forms["latex"]
    assert r"naive\_&\_\<b\>" in forms["markdown"]
    best = table.rows[2].entries[0]
    assert best is not None
    shown = f"{best.mean:.3f}"
    assert f"**{shown} ± " in forms["markdown"]
    assert f"\\textbf{{{shown} $\\pm$ " in forms["latex"]
    assert f"<b>{shown} ± " in forms["html"]


def test_latex_has_the_same_number_of_cells_in_every_line(table: PaperTable) -> None:
    text = written(table, "latex")
    columns = re.search(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns is not None
    lines = [line for line in text.splitlines() if line.endswith(r"\\")]

    def width(line: str) -> int:
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        return len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans)

    assert {width(line) for line in lines} == {len(columns.group(1))}
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
    assert re.findall(r"\\(toprule|midrule|bottomrule|cmidrule)", text).count("cmidrule") == 2


def test_csv_has_a_row_an_arm_and_condition_with_full_precision(table: PaperTable) -> None:
    rows = list(csv.DictReader(io.StringIO(written(table, "csv"))))

    assert len(rows) == 4 * (4 + 1)
    assert float(rows[0]["mean"]) == table.rows[0].entries[0].mean  # type: ignore[union-attr]
    assert {row["role"] for row in rows} == {"reference", "arm", "control"}


def test_a_ladder_says_what_each_rung_adds(tmp_path: Path) -> None:
    ladder = StudyResults(
        arms=("base", "one", "two"), effect={"one": 0.03, "two": 0.05}, control="", conditions={"task.name": ["vqa"]}
    )
    store = ladder.write(str(tmp_path))
    content: dict[str, Any] = ladder.stored()
    store.write_study("lowshot", {**content, "arms": {"design": "ladder", "base": "base"}})

    rows = paper_table(analysis.load(str(tmp_path)), "lowshot").rows

    values: dict[str, dict[int, float]] = {}
    for record in Store.open(str(tmp_path)).records("lowshot"):
        if record.phase == "confirm":
            values.setdefault(record.arm, {})[record.seed] = record.metrics["test/accuracy"]
    added = np.mean([values["two"][seed] - values["one"][seed] for seed in values["one"]])
    assert rows[0].step is None
    assert rows[2].step is not None
    assert rows[2].step.difference == pytest.approx(added)
    assert "over the row above" in written(paper_table(analysis.load(str(tmp_path)), "lowshot"), "markdown")


def test_a_metric_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    STUDY.write(str(tmp_path))
    with pytest.raises(
        analysis.AnalysisError, match="no confirm trial has the metric 'test/f1'; there are: test/accuracy"
    ):
        paper_table(analysis.load(str(tmp_path)), "lowshot", "test/f1")
