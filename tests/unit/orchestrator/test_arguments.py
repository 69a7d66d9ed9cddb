"""Words of a command line: a word that is a file is a study, whatever its name; no study is a mistake of usage."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.arguments import is_study
from ablative.orchestrator.commands.arguments import one_study
from ablative.orchestrator.commands.arguments import told_apart
from ablative.orchestrator.commands.cli import ablate

WRONG = "study: wrong\nquestion: Is it looked at?\nbase: {task: {name: nowhere}}\n"


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A study with a mistake in a folder such as sweeps make, and its path from the current folder."""
    monkeypatch.chdir(tmp_path)
    path = Path("outputs/alpha=3,beta=x/wrong.yaml")
    path.parent.mkdir(parents=True)
    path.write_text(WRONG)
    return str(path)


@pytest.mark.parametrize("word", ["quickstart", "-", "my.yaml", "runs/a=1/my.yaml", "runs/a=1/my.yml", "./a"])
def test_a_word_without_an_equals_sign_or_with_the_suffix_of_a_study_is_one(word: str) -> None:
    assert is_study(word)


@pytest.mark.parametrize(
    "word", ["search.trials=8", "seeds.confirm=[1, 2]", "base.student.init=a/b.pt", "x" * 300 + "=\0"]
)
def test_other_words_with_an_equals_sign_are_overrides(word: str) -> None:
    assert not is_study(word)


def test_a_file_is_a_study_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "lr=1" / "study"
    path.parent.mkdir()
    assert not is_study(str(path))
    path.write_text(WRONG)
    assert is_study(str(path))


def test_a_study_may_stand_behind_its_overrides() -> None:
    assert one_study(["search.trials=8", "quickstart"]) == ("quickstart", ("search.trials=8",))
    assert told_apart(["a", "x=1", "b.yaml"]) == (("a", "b.yaml"), ("x=1",))


def test_two_studies_where_one_is_asked_for_are_named() -> None:
    with pytest.raises(click.UsageError, match=r"given: quickstart, search\.trials\. An override is path=value"):
        one_study(["quickstart", "search.trials"])


@pytest.mark.parametrize("command", ["check", "plan", "run", "simulate"])
def test_a_study_in_a_folder_with_an_equals_sign_is_read(command: str, sweep: str) -> None:
    result = CliRunner().invoke(ablate, [command, sweep])

    assert result.exit_code == 2
    assert f"{sweep}:3" in result.stderr and "nowhere" in result.stderr


@pytest.mark.parametrize(
    "command", [["check"], ["plan"], ["run"], ["simulate"], ["teacher", "cache"], ["teacher", "show"]]
)
def test_overrides_without_a_study_are_a_mistake_of_usage(command: list[str]) -> None:
    result = CliRunner().invoke(ablate, [*command, "search.trials=3"])

    assert result.exit_code == 2
    assert "Usage:" in result.stderr and "No study" in result.stderr and "search.trials=3" in result.stderr


def test_a_query_takes_the_path_of_a_study_that_holds_a_blank(tmp_path: Path) -> None:
    path = tmp_path / "my study.yaml"
    path.write_text(WRONG)
    result = CliRunner().invoke(ablate, ["query", str(path), "--store", str(tmp_path / "store")])

    assert result.exit_code == 2
    assert "no results of" in result.stderr, "it is read as a study, not as SQL"
