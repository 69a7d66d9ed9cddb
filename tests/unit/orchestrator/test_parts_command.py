"""`ablate parts` lists everything that a study may name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.commands.parts_listed import KINDS
from ablative.search_spaces.shipped import FOLDER
from tests.helpers.sources import ROOT

LOSS = ROOT / "docs" / "examples" / "own_loss.py"
GRU = ROOT / "docs" / "examples" / "gru_student.py"
WITH = ("--with", str(LOSS), "--with", str(GRU))
METHOD = """
from ablative import Field, Link, Options, Trainable, TrialJob, TrialOutcome

class Config(Options):
    depth: int = Field(2, ge=1, le=8, description="Layers.")

PARTS = [Trainable(name="mine", description="A method of my own.", config=Config, run=lambda job, link: None)]
"""


def _parts(*words: str) -> Result:
    done = CliRunner().invoke(ablate, ["parts", *words])
    assert done.exit_code == 0, done.output
    return done


def _values(*words: str) -> list[dict[str, Any]]:
    found = json.loads(_parts(*words, "--json").stdout)
    assert found["left_out"] == []
    return list(found["parts"])


def test_every_kind_has_its_entries_with_a_description_and_an_origin(tmp_path: Path) -> None:
    """The files are new to this process, which imports the same bytes once and goes by the path they had then."""
    own_files = [tmp_path / LOSS.name, tmp_path / GRU.name]
    for copy, file in zip(own_files, (LOSS, GRU), strict=True):
        copy.write_text(f"{file.read_text()}\n# read by this test alone\n")

    found = _values("--with", str(own_files[0]), "--with", str(own_files[1]))

    assert {entry["kind"] for entry in found} == set(KINDS)
    assert all(entry["description"] and entry["origin"] for entry in found)
    own = {entry["name"]: entry["origin"] for entry in found if entry["origin"] != "bundled"}
    assert own == {"agreement": str(own_files[0]), "gru_small": str(own_files[1])}


def test_every_setting_listed_is_one_that_a_study_has() -> None:
    """Each path is followed through the configuration of a study that may name these parts."""
    loaded = composition.load(str(FOLDER / "quickstart.yaml"), (), (LOSS, GRU))
    config = loaded.trainable.config_type(loaded.catalogue)()
    settings = [
        option
        for entry in _values(*WITH)
        if entry["kind"] not in ("trainable", "stopping")
        for option in entry["options"]
    ]

    assert len(settings) > 40
    for option in settings:
        value: Any = config
        for name in option["path"].split("."):
            value = getattr(value, name)
        assert json.loads(config.model_dump_json())
        assert (list(value) if isinstance(value, tuple) else value) == option["default"], option["path"]


def test_a_setting_has_its_type_range_and_default() -> None:
    shown = _parts("term", "--with", str(LOSS)).stdout

    assert "distillation.terms.agreement: number from 0; 1 is what is published or sensible [0.0]" in shown
    assert "distillation.agreement.sharpness: number from 0.1 to 10 [2.0]. Exponent of the cosine distance." in shown
    assert shown.splitlines()[0] == "term  (distillation.terms.<name>)"


def test_the_configuration_of_a_trainable_is_listed_where_it_is_asked_for_or_ones_own(tmp_path: Path) -> None:
    (tmp_path / "method.py").write_text(METHOD)
    own = ("--with", str(tmp_path / "method.py"))

    assert "optim.lr" not in _parts(*own).stdout
    assert "depth: whole number from 1 to 8 [2]. Layers." in _parts(*own).stdout
    assert "optim.lr: number " in _parts("trainable").stdout


def test_a_stopping_rule_has_its_settings() -> None:
    assert "search.stop.median.grace: whole number from 1" in _parts("stopping").stdout


def test_an_unknown_kind_is_named_with_the_nearest() -> None:
    done = CliRunner().invoke(ablate, ["parts", "tem"])

    assert done.exit_code == 2
    assert done.stderr.startswith("tem: unknown kind of part; use term")


def test_a_package_that_cannot_be_used_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from ablative.trainables.parts import sources

    broken = replace(sources.installed(), broken=("half 1.0: entry point ablative.terms: no module",))
    monkeypatch.setattr(sources, "_KNOWN", {(): broken})

    assert "left out: half 1.0" in _parts().stderr
    assert _parts("--quiet").stderr == ""
    assert json.loads(_parts("--json").stdout)["left_out"] == list(broken.broken)
