from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ablative import analysis
from ablative.analysis.showing.paper_forms import FORMS
from ablative.analysis.showing.paper_forms import written
from ablative.analysis.showing.paper_latex import Column
from ablative.analysis.showing.paper_latex import latex
from ablative.analysis.showing.paper_table import PaperTable
from ablative.analysis.showing.paper_table import paper_table
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed
from tests.helpers.sources import ROOT

STUDY = StudyResults(effect={"clip_td": 0.05}, arms=("none", "naive_&_<b>", "clip_td", "shuffled_teacher"))


def _fail_one(record: Record) -> Record:
    one = (record.arm, record.seed, record.data_fraction, record.task) == ("clip_td", 6, 0.05, "vqa")
    return as_failed(record) if one else record


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> PaperTable:
    uri = str(tmp_path_factory.mktemp("store"))
    STUDY.write(uri, _fail_one)
    return paper_table(analysis.load(uri), "lowshot")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> PaperTable:
    """The same without a failed trial."""
    uri = str(tmp_path_factory.mktemp("store"))
    STUDY.write(uri)
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
    assert table.rows[2].pooled.verdict == "better"


def test_bold_is_the_best_of_a_column_only_where_a_difference_is_shown(tmp_path: Path) -> None:
    def bold(effect: float, seeds: int, mode: str = "max") -> list[list[bool]]:
        one = {"task.name": ["vqa"]}
        uri = f"{tmp_path}/{effect}_{seeds}_{mode}"
        study = StudyResults(
            arms=("plain", "x"), effect={"x": effect}, confirm=range(seeds), conditions=one, control="", mode=mode
        )
        study.write(uri)
        rows = paper_table(analysis.load(uri), "lowshot").rows
        return [[row.pooled.best for row in rows]]

    assert bold(0.0, 12) == [[False, False]]
    assert bold(0.05, 12) == [[False, True]]
    assert bold(-0.05, 12) == [[True, False]]
    assert bold(-0.05, 12, "min") == [[False, True]]
    assert bold(0.05, 4) == [[False, False]], "four seeds can show nothing"


def test_an_arm_that_lacks_a_seed_is_never_the_best(table: PaperTable) -> None:
    entry = table.rows[2].entries[3]
    assert entry is not None
    assert (entry.n, entry.planned, entry.best) == (5, 6, False)
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


def test_the_best_is_bold_in_every_form_and_the_notes_say_what_that_means(whole: PaperTable) -> None:
    markdown, latex, html = (written(whole, form) for form in ("markdown", "latex", "html"))  # type: ignore[arg-type]

    assert whole.rows[2].pooled.best
    assert re.findall(r"\*\*\+(0\.\d+) \\\[", markdown) == re.findall(r"<b>\+(0\.\d+) \[", html)
    assert re.findall(r"\\textbf\{\$\+\$(0\.\d+) \[", latex) == re.findall(r"<b>\+(0\.\d+) \[", html) != []
    assert all("Bold: the best of its column" in text for text in (markdown, latex, html))


def test_every_note_ends_with_one_full_stop() -> None:
    kept = paper_table(analysis.load(str(ROOT / "docs/results/easy_vqa")), "easy_vqa")
    notes = written(kept, "markdown").partition("\n\n")[2].splitlines()
    assert any("null studies" in note for note in notes)
    assert [note for note in notes if note.endswith("..")] == []


def _tabulars(text: str) -> list[str]:
    return re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, flags=re.DOTALL)


def test_latex_has_the_same_number_of_cells_in_every_line_of_a_part(table: PaperTable) -> None:
    text = written(table, "latex")

    def width(line: str) -> int:
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        return len(re.split(r"(?<!\\)&", line)) + sum(spans) - len(spans)

    for part in _tabulars(text):
        columns = re.search(r"\\begin\{tabular\}\{@\{\}l(r+)@\{\}\}", part)
        assert columns is not None
        lines = [line for line in part.splitlines() if line.endswith(r"\\")]
        assert {width(line) for line in lines} == {1 + len(columns[1])}
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
    assert re.findall(r"\\(toprule|midrule|bottomrule|cmidrule)", text).count("cmidrule") == 2


def test_a_wide_table_is_set_in_parts_that_each_have_every_arm_and_fit_the_line() -> None:
    def column(group: str, heading: str) -> Column:
        cells = ("0.512 ± 0.013", "=", False), ("0.534 ± 0.011", "▲", True)
        return Column(group=group, heading=heading, cells=cells)

    columns = [column(task, f"{share} %") for task in ("vcr", "vqa") for share in (1, 5, 20, 100)]
    parts = _tabulars(latex(["plain", "x" * 250], columns, controls=None, title="t", notes=["= a; ▲ b"], label="l"))

    assert len(parts) == 4
    assert [part.count("x" * 250) for part in parts] == [1] * 4
    assert "".join(parts).count("0.512") == 8
    assert [re.findall(r"multicolumn\{(\d)\}\{c\}\{(v..)\}", part) for part in parts] == [
        [("3", "vcr")], [("1", "vcr")], [("3", "vqa")], [("1", "vqa")]
    ]  # fmt: skip


def test_parts_that_no_page_holds_go_on_in_a_float_of_the_same_number() -> None:
    columns = [
        Column(group=task, heading="100 %", cells=(("0.512 ± 0.013" * 3, "=", False),) * 14)
        for task in ("snli_ve", "vqa", "vcr", "all")
    ]
    text = latex([f"arm_{n}" for n in range(14)], columns, controls=None, title="t", notes=["= a"], label="l")
    floats = re.findall(r"\\begin\{table\}.*?\\end\{table\}", text, flags=re.DOTALL)

    assert [len(_tabulars(one)) for one in floats] == [2, 2]
    assert [one.count(r"\label") for one in floats] == [1, 0]
    assert [r"\addtocounter{table}{-1}\caption{Continued.}" in one for one in floats] == [False, True]
    assert [r"\raggedright\scriptsize" in one for one in floats] == [False, True]


def test_the_legend_of_latex_has_the_marks_of_its_cells_and_no_other(table: PaperTable, whole: PaperTable) -> None:
    for text in (written(table, "latex"), written(whole, "latex")):
        body, legend = text.partition(r"\raggedright\scriptsize")[::2]
        assert set(re.findall(r"\$\^\{[^}]*\}\$", body)) == set(re.findall(r"\$\^\{[^}]*\}\$", legend)) != set()
        assert not set(text) & set("▲▼±")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
@pytest.mark.slow
def test_the_float_compiles_in_article_and_no_line_is_too_full(
    table: PaperTable, whole: PaperTable, tmp_path: Path
) -> None:
    floats = written(table, "latex") + written(whole, "latex")
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}\\usepackage{{booktabs}}\n\\begin{{document}}\n{floats}\\end{{document}}\n"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
    assert "too large for page" not in done.stdout


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
