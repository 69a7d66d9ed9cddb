"""`import ablative`: its public names, what they cost, and the page that tells of them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import ablative
from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOT
from tests.helpers.sources import imports
from tests.helpers.sources import modules
from tests.helpers.sources import tree

NAMES = {
    *("check", "plan", "run", "load", "CheckedStudy", "PlannedStudy", "Results", "AblativeError"),
    *("Part", "Options", "Field", "Term", "Student", "Preset", "StudentModule", "Teacher"),
    *("Task", "TaskFolder", "Layout", "Source", "Reading", "Shift", "Shifts"),
    *("Example", "Candidate", "Text", "TaskSplit"),
    *("Trainable", "Roles", "Digests", "Preparation"),
    *("Course", "Evaluation", "TorchState"),
    *("TrialJob", "Link", "TrialOutcome", "CurvePoint", "Prediction"),
}
HEAVY = ("torch", "ray", "optuna", "pyarrow", "pydantic", "numpy")
PAGE = ROOT / "docs" / "python.md"


def _declared() -> set[tuple[str, str]]:
    """Return (module, name) of what the front door tells type checkers and editors."""
    (guard,) = (node for node in tree(modules()[PACKAGE]).body if ast.unparse(node).startswith("if TYPE_CHECKING:"))
    assert isinstance(guard, ast.If)
    return {
        (node.module or "", alias.asname or "")
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_public_names_are_these() -> None:
    assert sorted(ablative.__all__) == sorted(NAMES)
    assert set(dir(ablative)) >= NAMES


def test_type_checkers_and_python_find_each_name_in_the_same_place() -> None:
    found = {(home, name) for home, name in _declared()}

    assert {name for _, name in found} == NAMES
    assert {(home, name) for name, home in ablative._HOME_OF.items()} == found


@pytest.mark.parametrize("name", sorted(NAMES))
def test_each_name_is_there_and_documented(name: str) -> None:
    assert getattr(ablative, name).__doc__
    assert re.search(rf"`{name}`", PAGE.read_text(encoding="utf-8").partition("## Names")[2])


def test_an_unknown_name_is_an_attribute_error_that_tells_the_known_ones() -> None:
    with pytest.raises(AttributeError, match=r"Terms.*it has check, plan"):
        ablative.Terms  # noqa: B018


@pytest.mark.parametrize(
    ("code", "unloaded"),
    [
        ("import ablative", HEAVY),
        ("import ablative; ablative.Term, ablative.Student, ablative.Task, ablative.Trainable", HEAVY[:4]),
        ("import ablative; ablative.check('quickstart')", HEAVY[:4]),
    ],
)
def test_importing_it_loads_nothing_heavy(code: str, unloaded: tuple[str, ...]) -> None:
    told = f"{code}; import sys; print(*sorted(set(sys.modules) & set({unloaded!r})))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_no_room_goes_through_the_front_door() -> None:
    """Else each of them would need all others: the circles of the big code bases pass through their own `__init__`."""
    through = {
        f"{module}:{found.line}"
        for module in modules()
        if not module.startswith(f"{PACKAGE}.starters")
        for found in imports(module)
        if found.target == PACKAGE or found.target in {f"{PACKAGE}.{name}" for name in NAMES}
    }

    assert through == set()


@pytest.mark.slow
def test_the_page_s_snippets_run_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}

    snippets = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for snippet in snippets:
        exec(compile(snippet, str(PAGE), "exec"), names)

    assert len(snippets) >= 4
    results = names["results"]
    assert isinstance(results, ablative.Results)
    assert results.trials.num_rows == 12
    assert "Does the relation of the words help?" in results._repr_html_()
