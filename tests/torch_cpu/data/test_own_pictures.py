"""A person's own folder of pictures, texts and labels, from the snippet of the page to a verdict."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.own_pictures import write_parquet
from tests.helpers.sources import ROOT

STUDY = str(ROOT / "docs" / "examples" / "own_pictures.yaml")
SMALL = ("base.optim.min_steps=8", "base.optim.max_steps=8")
SHIFTED = (
    "base.task.image_text={shift: {column: source, values: [web]}}",
    "evaluate=[val, test, test_source]",
    "base.task.data_fraction=0.5",
)


def made_as_on_the_page(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run the snippet of the page in an empty folder."""
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8").partition("## Your own pictures")[2]
    snippet = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    monkeypatch.chdir(place)
    exec(compile(snippet, "docs/data.md", "exec"), {})
    return place / "my_pictures"


def asked(*words: str) -> str:
    ran = CliRunner().invoke(ablate, words, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.output


def packed(folder: Path, target: Path) -> None:
    """The same rows in Parquet, with the pictures inside."""
    with (folder / "metadata.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    images = [{"bytes": (folder / row["file_name"]).read_bytes(), "path": row.pop("file_name")} for row in rows]
    write_parquet(
        target / "metadata.parquet", [{"image": image, **row} for image, row in zip(images, rows, strict=True)]
    )


def records(store: Path) -> dict[tuple[str, int], Record]:
    found = Store.open(str(store)).records("own_pictures")
    assert [record.error for record in found if not record.completed] == []
    return {(record.arm, record.seed): record for record in found}


@pytest.mark.slow
def test_a_folder_trains_to_a_verdict_and_its_parquet_to_the_same_metrics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_as_on_the_page(tmp_path, monkeypatch)
    packed(folder, tmp_path / "packed")

    assert "classes: 2, with their rows of train: blue 40, red 40" in asked("data", "check", "my_pictures", "-q")
    loose, inside = tmp_path / "loose", tmp_path / "inside"
    said = asked("run", STUDY, *SMALL, *SHIFTED, "--executor", "inline", "--store", str(loose), "-q")
    asked(
        "run", STUDY, *SMALL, *SHIFTED, "base.task.data=packed", "--executor", "inline", "--store", str(inside), "-q"
    )

    assert "test/macro_f1 over all conditions" in said and "no_distillation" in said
    one, other = records(loose), records(inside)
    assert len(one) == 21 and one.keys() == other.keys()
    for key, record in one.items():
        assert record.metrics == other[key].metrics, key
        assert {"test/macro_f1", "test/f1_red", "test/f1_blue", "test_source/accuracy"} <= record.metrics.keys()
        assert record.data_digest != other[key].data_digest
    again = asked("run", STUDY, *SMALL, *SHIFTED, "--executor", "inline", "--store", str(loose), "-q")
    assert "0 trials run, 21 recorded before" in again


@pytest.mark.slow
def test_a_class_that_is_not_there_ends_each_trial_with_the_metrics_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_as_on_the_page(tmp_path, monkeypatch)
    words = ("target.metric=val/f1_green", "seeds.confirm=[1]", "--executor", "inline")
    CliRunner().invoke(ablate, ["run", STUDY, *SMALL, *words, "--store", str(tmp_path / "store"), "-q"])
    found = Store.open(str(tmp_path / "store")).records("own_pictures")

    assert found and {record.cause for record in found} == {"missing_data"}
    assert all("val/f1_green is not measured on this data; there are accuracy, " in record.error for record in found)
