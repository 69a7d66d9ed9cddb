from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.store import Store

STUDY = """
study: parts
question: Which part matters?
base:
  distillation: {terms: {image: 1.0, text: 1.0, tokens: 1.0}}
arms:
  design: leave_one_out
  factors: {selection: {without: {distillation.selection.score: all}}}
search:
  trials: 2
  space: {optim.lr: {loguniform: [1.0e-5, 1.0e-3]}}
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    file = tmp_path / "parts.yaml"
    file.write_text(STUDY)
    return str(file)


def _simulate(*arguments: str) -> Result:
    return CliRunner().invoke(ablate, ["simulate", *arguments])


def _values(*arguments: str) -> dict[str, Any]:
    result = _simulate(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


def test_a_large_effect_is_always_found_and_the_table_says_so(path: str) -> None:
    result = _simulate(path, "--effect", "selection=0.2", "--studies", "5")

    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.stdout.splitlines() if line.strip().startswith("without_selection"))
    assert "-0.2000" in line
    assert "100.0 %" in line
    assert "4.0 search trials, 12.0 confirm trials" in result.stdout


def test_the_same_seed_prints_the_same_and_another_does_not(path: str) -> None:
    first, again, other = (_values(path, "--studies", "3", "--seed", seed) for seed in ("1", "1", "2"))

    assert first == again
    assert first["arms"] != other["arms"]


def test_more_seeds_narrow_the_interval(path: str) -> None:
    few, many = (_values(path, f"seeds.confirm={list(range(1, n + 1))}", "--studies", "10") for n in (6, 12))

    assert many["arms"][0]["mean_interval_width"] < few["arms"][0]["mean_interval_width"]


def test_more_slots_shorten_a_study_and_change_nothing_else(path: str) -> None:
    one, two = (_values(path, "--studies", "3", "--slots", slots) for slots in ("1", "2"))

    assert one["arms"] == two["arms"]
    assert two["mean_cost"]["makespan_s"] < one["mean_cost"]["makespan_s"]
    assert one["mean_cost"]["utilisation"] == pytest.approx(1.0)


def test_an_unknown_name_is_a_mistake_and_names_the_nearest(path: str) -> None:
    result = _simulate(path, "--effect", "selektion=0.2")

    assert result.exit_code == 2
    assert "did you mean selection?" in result.output


def test_one_study_is_recorded_by_the_inline_engine(path: str, tmp_path: Path) -> None:
    uri = str(tmp_path / "store")
    result = _simulate(path, "--engine", "inline", "--store", uri, "--effect", "selection=0.2", "--quiet")

    assert result.exit_code == 0, result.output
    assert "16 trials run" in result.output
    records = Store.open(uri).records("simulated-parts")
    assert len(records) == 16
    assert {record.device for record in records} == {"simulated"}
