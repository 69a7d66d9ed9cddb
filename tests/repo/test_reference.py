"""The reference of the site names every setting and every command, and each link in it leads to a section."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from ablative.analysis.views.asking import VIEWS
from ablative.analysis.views.results import load
from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.config import OptimConfig

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_every_setting_of_a_study_has_a_row_and_every_link_a_section(reference: ModuleType) -> None:
    page = reference.study_file()

    sections = {heading.lower() for heading in re.findall(r"^## (\w+)$", page, re.MULTILINE)}
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= sections
    optim = page.split("## OptimConfig\n")[1].split("\n## ")[0]
    for name, field in OptimConfig.model_fields.items():
        assert f"| `{name}` |" in optim
        assert " ".join((field.description or "").split()) in optim
    assert "| `lr` | number from 1e-09 to 100 | `0.0005` | Peak learning rate. |" in optim
    assert "| `batch_tokens` | whole number from 1 to 1e+09 or `null` | `null` |" in optim


def test_every_command_stands_with_all_its_options(reference: ModuleType) -> None:
    page = reference.commands()

    for name, command in ablate.commands.items():
        section = page.split(f"## ablate {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            for option in parameter.opts if parameter.param_type_name == "option" else ():
                assert option in section


def test_every_view_stands_with_its_columns_and_a_value_of_the_kept_records(reference: ModuleType) -> None:
    page = reference.views()

    assert re.findall(r"^## (\w+)$", page, re.MULTILINE) == list(VIEWS)
    kept = load(str(ROOT / "docs" / "results" / "quickstart"), "quickstart")
    trials = page.split("## trials\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `([^`]+)` \|", trials, re.MULTILINE) == kept.trials.column_names
    assert f"| `trial_id` | string | `{kept.trials['trial_id'][0]}` |" in trials
    assert "| `confirm_seeds` | list&lt;int64> | `[1, 2, 3, 4, 5, 6, 7, 8]` |" in page
