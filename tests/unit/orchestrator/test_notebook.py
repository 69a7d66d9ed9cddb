"""What `ablative.check`, `plan` and `run` do in a notebook is what the commands do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import ablative
from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.commands.loaded import Loaded
from ablative.orchestrator.driving.inline import InlineExecutor
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_inputs

STUDY: dict[str, Any] = {
    "study": "little",
    "question": "Does the front door tell the truth?",
    "base": {},
    "arms": {"listed": {"plain": {}, "naive": {"distillation.terms.image": 1.0}}},
    "search": {"trials": 2, "batch": 2, "space": {"optim.lr": {"loguniform": [1e-5, 1e-2]}}},
    "seeds": {"search": [0], "confirm": [1, 2]},
    "evaluate": ["val", "test"],
}


@pytest.fixture(autouse=True)
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def engine(kind: str, address: str, loaded: Loaded, cache_folder: Path, checkpoints: str) -> tuple[Any, Any]:
        local = InlineExecutor(run_trial=SimulatedTrainable(), resources=loaded.study.resources, cache=cache_folder)
        return local, lambda configs, progress: None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ABLATE_STORE", raising=False)
    monkeypatch.setattr(composition, "engine", engine)
    monkeypatch.setattr(composition, "inputs", lambda loaded, cache=None, progress=None: make_inputs())
    (tmp_path / "little.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path


def _command(*words: str) -> Any:
    done = CliRunner().invoke(ablate, [*words, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("given", ["little.yaml", Path("little.yaml"), STUDY], ids=["text", "path", "dict"])
def test_a_study_is_a_path_or_the_contents_of_its_file(given: Any) -> None:
    checked = ablative.check(given)

    assert checked.study == "little"
    assert "2 cells, 4 search trials, 4 confirm trials" in str(checked)
    assert ablative.plan(given, quiet=True).owed == 8


def test_check_and_plan_say_what_the_commands_say() -> None:
    checked = ablative.check("little.yaml", seeds__confirm=[1, 2, 3])
    assert checked.values() == _command("check", "little.yaml", "seeds.confirm=[1, 2, 3]")[0]

    planned = ablative.plan("little.yaml", quiet=True, search__trials=3)
    assert planned.values() == _command("plan", "little.yaml", "search.trials=3")


def test_run_returns_results_and_the_same_call_owes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    results = ablative.run(STUDY, store="here")

    told = capsys.readouterr()
    assert "plain search 0 seed 0: val/accuracy" in told.err
    assert "little: 8 trials run, 0 recorded before, 0 failed; records in here" in told.out
    assert results.trials.num_rows == ablative.load("here").trials.num_rows == 8
    assert "naive" in results._repr_html_()

    assert ablative.plan("little.yaml", store="here", quiet=True).owed == 0, "the file and the dict are one study"
    ablative.run(STUDY, store="here", quiet=True)
    assert capsys.readouterr() == ("", "")


def test_progress_in_a_notebook_is_lines_below_the_cell(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    ablative.run(STUDY)

    told = capsys.readouterr()
    assert "plain search 0 seed 0: val/accuracy" in told.out
    assert told.err == ""


@pytest.mark.parametrize(
    ("study", "options", "said"),
    [
        ("quickstat", {}, "quickstart"),
        (STUDY, {"search__trialz": 2}, "override search.trialz=2: search.trialz"),
        (STUDY | {"base": {"optim": {"lr": "much"}}}, {}, 'study: base.optim.lr: found "much"'),
        (STUDY | {"base": {"optim": {"lr": object()}}}, {}, "found a value of type object; should be text, numbers"),
        (STUDY, {"search__trials": object()}, "search__trials: found a value of type object; wanted text, numbers"),
        (3, {}, "study: found int; wanted a shipped study's name, a path, or a dict"),
        (STUDY, {"with_": "nothing.py"}, "nothing.py: not there"),
        (STUDY, {"with_": [object()]}, "with_: found object; wanted the path of a Python file"),
    ],
)
def test_a_mistake_is_one_kind_of_error_with_the_sentences_of_the_command(
    study: Any, options: dict[str, Any], said: str
) -> None:
    for done in (ablative.check, ablative.plan, ablative.run):
        with pytest.raises(ablative.AblativeError) as caught:
            done(study, **options)
        assert said in str(caught.value)


def test_an_unknown_executor_is_a_mistake() -> None:
    with pytest.raises(ablative.AblativeError, match="executor 'slurm'; wanted one of ray, inline"):
        ablative.run(STUDY, executor="slurm")


def test_a_folder_that_may_not_be_written_is_such_an_error_too(simulated: Path) -> None:
    (simulated / "flat").write_text("a file where the store should be")

    with pytest.raises(ablative.AblativeError, match="flat"):
        ablative.run(STUDY, store="flat", quiet=True)


def test_plans_and_checks_show_themselves_in_a_notebook() -> None:
    assert "<b>little.yaml: no mistakes" in ablative.check("little.yaml")._repr_html_()
    shown = ablative.plan("little.yaml", quiet=True)._repr_html_()
    assert shown.startswith("<pre>") and "8 owed" in shown and "naive" in shown
