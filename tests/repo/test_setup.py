"""Set-up: five targets, a CI script without commands of its own, and pins that cover what is declared."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import tomllib

import pytest
import yaml

from tests.helpers.sources import ROOT

TARGETS = {"demo", "test", "test-fast", "check", "docs"}


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {_normal(name): version for name, version in pairs}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_make_has_exactly_these_targets_and_tells_of_each() -> None:
    text = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][\w-]*):", text, re.MULTILINE))
    documented = set(re.findall(r"^#   make ([\w-]+) ", text, re.MULTILINE))

    assert targets == documented == TARGETS


@pytest.mark.slow
def test_every_target_sets_itself_up() -> None:
    for target in sorted(TARGETS):
        command = ["make", "--dry-run", "--always-make", target]
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert "pip install" in shown
        assert "--constraint constraints.txt" in shown


@pytest.mark.slow
def test_the_demo_installs_neither_the_tools_of_development_nor_the_sinks() -> None:
    def extras(target: str) -> list[str]:
        command = ["make", "--dry-run", "--always-make", target]
        shown = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return re.findall(r"--editable '\.\[([\w,]+)\]'", shown)

    assert extras("demo") == ["mini"]
    assert extras("test") == ["mini,sinks,frames,dev"]


def test_the_nightly_workflow_tries_what_the_nightly_script_tries() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text())
    matrix = workflow["jobs"]["nightly"]["strategy"]["matrix"]
    script = (ROOT / ".ci" / "nightly").read_text()
    minors, packages = ",".join(name[-1] for name in matrix["python"]), ",".join(matrix["packages"])

    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "nightly")], check=True)
    assert matrix["include"] == [{"python": matrix["python"][0], "packages": "oldest"}]
    assert f"combinations=(3.1{{{minors}}}:{{{packages}}} {matrix['python'][0]}:oldest)" in script


def test_ci_runs_the_targets_that_people_run() -> None:
    script = ROOT / ".ci" / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)

    assert os.access(script, os.X_OK)
    timed = re.findall(r"^timed (make .*)$", script.read_text(), re.MULTILINE)
    assert timed == ["make check", "make docs", "make test"]


def test_every_declared_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    declared = {_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in lines}

    assert declared - set(_pins()) == set()


def test_pins_hold_the_pair_that_works_without_cuda() -> None:
    assert {name: _pins()[name] for name in ("torch", "torchvision")} == {"torch": "2.13.0", "torchvision": "0.28.0"}


def test_what_is_installed_here_is_what_is_pinned() -> None:
    installed = {_normal(found.name): found.version.partition("+")[0] for found in importlib.metadata.distributions()}
    differing = {name: (pin, installed[name]) for name, pin in _pins().items() if installed.get(name, pin) != pin}

    assert {"torch", "ray", "optuna"} <= set(installed)
    assert differing == {}
