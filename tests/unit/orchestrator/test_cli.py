from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands import composition
from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.commands.loaded import Loaded
from ablative.orchestrator.driving.inline import InlineExecutor
from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.inputs import Inputs
from ablative.orchestrator.storing.store import Store
from ablative.orchestrator.storing.store import compaction_key
from ablative.trainables import bfloat16
from ablative.trainables.errors import MissingData
from ablative.trainables.kinds.clip_td import CLIP_TD
from ablative.trainables.parts.trainable import Digests
from tests.helpers.answers import checked_answer
from tests.helpers.simulated import SimulatedTrainable
from tests.helpers.simulated import make_inputs

STUDY = """
study: little
question: Does the command line tell the truth?
base: {}
arms:
  listed: {plain: {}, naive: {distillation.terms.image: 1.0}}
search: {trials: 2, batch: 2, space: {optim.lr: {loguniform: [1.0e-5, 1.0e-2]}}}
seeds: {search: [0], confirm: [1, 2]}
evaluate: [val, test]
"""
COMMANDS = [
    "run",
    "check",
    "plan",
    "status",
    "query",
    "power",
    "compare",
    "diff",
    "gate",
    "report",
    "export",
    "watch",
    "figures",
    "table",
    "schema",
    "init",
    "parts",
    "simulate",
    "compact",
    "cluster",
    "attach",
    "stop",
    "pause",
    "resume",
    "cancel",
    "data",
    "student",
    "teacher",
    "why",
]


class Command:
    """The command line in a folder with one study, and a simulated trainable behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accidents: dict[str, Any] = {}
        self.asked: dict[str, str] = {}
        (folder / "little.yaml").write_text(STUDY)

    def __call__(self, *arguments: str) -> Result:
        """Run `ablate` with `arguments`."""
        return CliRunner().invoke(ablate, list(arguments))

    def engine(self, kind: str, address: str, loaded: Loaded, cache_folder: Path, checkpoints: str) -> tuple[Any, Any]:
        """Stand in for Ray and torch."""
        self.asked = {"kind": kind, "address": address}
        run_trial = SimulatedTrainable(**self.accidents)
        local = InlineExecutor(
            run_trial=run_trial, resources=loaded.study.resources, cache=cache_folder, checkpoints=checkpoints
        )
        return local, lambda c, p: None


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ABLATE_STORE", raising=False)
    made = Command(tmp_path)
    monkeypatch.setattr(composition, "engine", made.engine)
    monkeypatch.setattr(composition, "inputs", lambda loaded, cache=None, progress=None: make_inputs())
    return made


@pytest.fixture
def ran(command: Command) -> Command:
    """The command line where its study has been run."""
    assert command("run", "little.yaml").exit_code == 0
    return command


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example(name: str, command: Command) -> None:
    result = command(name, "--help")
    assert result.exit_code == 0
    assert f"ablate {name}" in result.output.partition("Usage:")[2].partition("\n")[2]


def test_no_command_is_left_out_of_these_tests() -> None:
    assert sorted(ablate.commands) == sorted(COMMANDS)


def test_run_prints_table_and_summary_and_leaves_records(command: Command) -> None:
    result = command("run", "little.yaml")

    assert result.exit_code == 0, result.output
    assert "naive" in result.stdout
    assert "little: 8 trials run, 0 recorded before, 0 failed" in result.stdout
    assert "ablate report little" in result.stdout
    assert len(Store.open("ablate-results").records("little")) == 8
    assert "little: 0 trials run, 8 recorded before" in command("run", "little.yaml").stdout


def test_on_the_way_to_its_record_a_study_passes_through_eight_files(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: set[str] = set()
    write = Store.write

    def watched(store: Store, *arguments: Any) -> None:
        files = (Path(frame.f_code.co_filename) for frame, _ in traceback.walk_stack(None))
        passed.update(file.name for file in files if "orchestrator" in file.parts and "tests" not in file.parts)
        write(store, *arguments)

    monkeypatch.setattr(Store, "write", watched)
    assert command("run", "little.yaml").exit_code == 0
    assert passed == {  # the walk of docs/architecture.md
        "cli.py",
        "arguments.py",
        "boundary.py",
        "studies.py",
        "run.py",
        "inline.py",
        "handout.py",
        "queue.py",
    }


def test_progress_goes_to_standard_error_and_quiet_shows_none(command: Command) -> None:
    assert "plain search 0 seed 0: val/accuracy" in command("run", "little.yaml").stderr
    (warning,) = command("run", "little.yaml", "--quiet", "--store", "other").stderr.splitlines()
    assert warning.startswith("little.yaml:8: warning: seeds.confirm: found 2 pairs")


def test_quiet_leaves_the_answer_and_the_warnings_of_check_and_plan(command: Command) -> None:
    for name in ("check", "plan"):
        said, short = command(name, "little.yaml"), command(name, "little.yaml", "-q")
        assert "pairs" in said.stdout
        assert "pairs" not in short.stdout
        assert short.stdout.splitlines()[0] == said.stdout.splitlines()[0]
        (warning,) = short.stderr.splitlines()
        assert "warning: seeds.confirm" in warning


def test_a_failed_trial_gives_status_1_and_is_explained(command: Command) -> None:
    command.accidents = {"raises_for": (2,)}
    result = command("run", "little.yaml")

    assert result.exit_code == 1
    assert "2 failed" in result.stdout
    status = command("status", "little").stdout
    assert "RuntimeError: seed 2 raises on purpose" in status
    command.accidents = {}
    assert command("run", "little.yaml").exit_code == 1, "it is not run again unasked"
    assert ", 0 owed" in command("run", "little.yaml", "--dry-run").stdout
    assert ", 2 owed" in command("run", "little.yaml", "--dry-run", "--retry-failed").stdout
    assert command("run", "little.yaml", "--retry-failed").exit_code == 0


def test_ctrl_c_says_that_the_same_command_goes_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ablative.orchestrator.driving.run.run_study", interrupted)
    result = command("run", "little.yaml")
    assert result.exit_code == 130
    assert "run the same command again to continue" in result.stderr


def test_a_mistake_in_a_study_stops_everything_with_status_2(command: Command) -> None:
    (command.folder / "wrong.yaml").write_text(
        STUDY.replace("optim.lr", "optim.lrr").replace("batch: 2", "batch: two")
    )
    for arguments in (["run"], ["plan"], ["check"]):
        result = command(*arguments, "wrong.yaml")
        assert result.exit_code == 2
        assert "optim.lr" in result.stderr
        assert "wrong.yaml:7" in result.stderr
        assert "Traceback" not in result.stderr
    assert not (command.folder / "ablate-results").exists()


def test_a_missing_cluster_has_no_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*arguments: object) -> None:
        raise ClusterError("no cluster at 10.0.0.1")

    monkeypatch.setattr(composition, "engine", unreachable)
    result = command("run", "little.yaml", "--address", "10.0.0.1:6379")
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, "no cluster at 10.0.0.1")


def test_a_bug_keeps_its_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(composition, "engine", broken)
    assert isinstance(command("run", "little.yaml").exception, ZeroDivisionError)


def test_address_comes_from_option_then_environment_then_local(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", "little.yaml", "-q")
    assert command.asked == {"kind": "ray", "address": "local"}
    monkeypatch.setenv("ABLATE_ADDRESS", "any")
    command("run", "little.yaml", "-q")
    assert command.asked["address"] == "any"
    command("run", "little.yaml", "-q", "--address", "auto", "--executor", "inline")
    assert command.asked == {"kind": "inline", "address": "auto"}


def test_store_comes_from_option_then_environment_then_study(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("run", "little.yaml", "storage=of_the_study", "-q")
    monkeypatch.setenv("ABLATE_STORE", "of_the_environment")
    command("run", "little.yaml", "storage=of_the_study", "-q")
    command("run", "little.yaml", "storage=of_the_study", "-q", "--store", "of_the_option")
    assert {path.name for path in command.folder.iterdir() if (path / "studies").is_dir()} == {
        "of_the_study",
        "of_the_environment",
        "of_the_option",
    }


def test_plan_counts_what_is_recorded_and_owed_and_changes_nothing(command: Command) -> None:
    before = command("plan", "little.yaml").stdout
    assert "2 cells, 0 trials recorded, 0 taken from other studies, 8 owed" in before
    assert "Expected cost: unknown" in before
    assert not (command.folder / "ablate-results").exists()

    command("run", "little.yaml", "-q")
    after = command("run", "little.yaml", "--dry-run", "seeds.confirm=[1,2,3]").stdout
    assert "2 cells, 8 trials recorded, 0 taken from other studies, 2 owed" in after
    assert "Expected cost: 0 s of one device" in after
    assert len(Store.open("ablate-results").records("little")) == 8


def test_plan_of_missing_data_counts_and_says_what_is_missing(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = composition.inputs

    def digests(config: object) -> Digests:
        raise MissingData("expected data/vcr/train.jsonl")

    def inputs(loaded: Loaded, cache: Path | None = None, progress: Any = None) -> Inputs:
        found = known(loaded)
        return found if cache is None else replace(found, digests=digests)

    monkeypatch.setattr(composition, "inputs", inputs)
    result = command("plan", "little.yaml")
    assert result.exit_code == 0
    assert "8 owed" in result.stdout
    assert "expected data/vcr/train.jsonl" in result.stdout
    assert command("run", "little.yaml").exit_code == 2


def test_check_takes_several_studies_and_says_what_they_hold(command: Command) -> None:
    result = command("check", "little.yaml", "quickstart")
    assert result.exit_code == 0
    assert "little.yaml: no mistakes, 1 warning; 2 cells, 4 search trials, 4 confirm trials" in result.stdout
    assert "  1 arm against plain: 2 pairs, 6 needed: too few to reach significance" in result.stdout
    assert "little.yaml:8: warning: seeds.confirm: found 2 pairs" in result.stderr
    assert "quickstart: no mistakes" in result.stdout


def test_status_takes_a_name_or_a_file(command: Command) -> None:
    command("run", "little.yaml", "-q")
    by_name, by_file = command("status", "little").stdout, command("status", "little.yaml").stdout
    assert by_name == by_file
    assert "little: 8 of 8 trials recorded, 0 failed" in by_name
    assert "done" in by_name


def test_status_of_an_unknown_study_names_those_in_the_store(command: Command) -> None:
    command("run", "little.yaml", "-q")
    result = command("status", "quickstat")
    assert result.exit_code == 2
    assert "little" in result.stderr
    assert "quickstart" in result.stderr


@pytest.mark.parametrize("form", ["json", "csv"])
def test_query_answers_in_the_form_asked_for(form: str, command: Command) -> None:
    command("run", "little.yaml", "-q")
    result = command("query", "little", "select count(*) as n from trials", "--format", form)
    assert result.exit_code == 0, result.output
    assert (json.loads(result.stdout) == [{"n": 8}]) if form == "json" else result.stdout.split() == ["n", "8"]


def test_named_queries_are_listed_and_asked_by_name(command: Command) -> None:
    command("run", "little.yaml", "-q")
    listed = command("query", "--list")
    assert listed.exit_code == 0
    assert {"best", "costs", "owed"} <= {line.split()[0] for line in listed.stdout.splitlines()}
    best = command("query", "little", "best", "--format", "jsonl")
    assert best.exit_code == 0, best.output
    assert all(json.loads(line)["n"] >= 1 for line in best.stdout.splitlines())


def test_a_query_without_a_study_reads_all_of_the_store(command: Command) -> None:
    command("run", "little.yaml", "-q")
    command("run", "little.yaml", "study=twin", "-q")
    result = command("query", "select study, completed from studies order by study", "--format", "json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == [{"study": "little", "completed": 8}, {"study": "twin", "completed": 8}]


def test_power_says_how_many_seeds_are_missing(command: Command) -> None:
    command("run", "little.yaml", "-q")
    result = command("power", "little", "--effect", "0.01", "--format", "json")
    assert result.exit_code == 0, result.output
    assert all(row["n_pairs"] >= 2 and row["pairs"] >= 6 for row in json.loads(result.stdout))


def test_a_study_with_looks_stops_when_its_answer_is_clear(command: Command) -> None:
    looks = ["seeds.confirm=[1,2,3,4,5,6,7,8,9,10,11,12]", "seeds.sequential={looks: [8]}"]
    planned = command("plan", "little.yaml", *looks)
    assert "and up to 8 more confirm trials, until comparisons are clear" in planned.stdout
    ran = command("run", "little.yaml", *looks, "-q")
    assert ran.exit_code == 0, ran.output
    assert "p-values corrected for looks after 8 or 12 seeds" in ran.stdout
    counted = command("query", "little", "select arm, n from cells order by arm", "--format", "json")
    assert json.loads(counted.stdout) == [{"arm": "naive", "n": 8}, {"arm": "plain", "n": 8}]


def test_two_runs_are_compared_arm_by_arm(command: Command) -> None:
    command("run", "little.yaml", "-q")
    command("run", "little.yaml", "study=twin", "search.space.optim.lr={loguniform: [9e-3, 1e-2]}", "-q")
    result = command("compare", "little", "twin", "--format", "json")
    assert result.exit_code == 0, result.output
    assert all(row["difference"] < 0 for row in json.loads(result.stdout))


def test_wrong_sql_is_status_2(command: Command) -> None:
    command("run", "little.yaml", "-q")
    result = command("query", "little", "select nothing from nowhere")
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_compact_merges_and_status_stays(command: Command) -> None:
    command("run", "little.yaml", "-q")
    before = command("status", "little").stdout
    assert command("compact", "little").stdout.strip() == "8 trials compacted"
    assert command("status", "little").stdout == before


def test_schema_is_a_json_schema(command: Command) -> None:
    schema = json.loads(command("schema").stdout)
    assert "study" in schema["required"]


def test_data_is_built_and_shown(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def prepare(configs: Sequence[Any], cache_folder: Path, progress: Any) -> None:
        built.extend(f"{config.task.name} {config.task.data}" for config in configs)
        (cache_folder / "mini-1234").mkdir(parents=True)
        (cache_folder / "mini-1234" / "one").write_bytes(b"x" * 2**20)
        progress("scenes", 1, 1)

    monkeypatch.setattr("ablative.trainables.prepare.prepare", prepare)
    assert command("data", "build", "mini_smoke").exit_code == 0
    assert built == ["snli_ve mini_smoke", "vqa mini_smoke", "vcr mini_smoke"]
    assert "mini-1234  1 files  1.0 MiB" in command("data", "show").stdout


def test_the_plan_tells_records_of_other_code(command: Command) -> None:
    assert command("run", "little.yaml").exit_code == 0
    assert "recorded by different code" not in command("plan", "little.yaml").output
    version = CLIP_TD.identity_version
    object.__setattr__(CLIP_TD, "identity_version", version + 1)  # descriptions are frozen
    try:
        told = command("plan", "little.yaml").output
    finally:
        object.__setattr__(CLIP_TD, "identity_version", version)
    assert "of 8 earlier records of this study 8 were recorded by different code" in told
    assert "0 trials recorded" in told


def test_a_budget_stops_in_time_and_the_same_command_goes_on(command: Command) -> None:
    first = command("run", "little.yaml", "--budget", "0.35s")
    assert first.exit_code == 0, first.output
    assert "still owed: the budget is spent" in first.output
    assert ": 3 trials run" in first.output
    assert "still owed" not in command("run", "little.yaml").output


@pytest.mark.parametrize("text", ["much", "0h", "-3h", "3 days"])
def test_a_budget_that_cannot_be_read_is_a_mistake(text: str, command: Command) -> None:
    result = command("run", "little.yaml", "--budget", text)
    assert result.exit_code == 2
    assert "--budget" in result.output


def test_two_runs_do_not_compact_at_once(command: Command) -> None:
    assert command("run", "little.yaml").exit_code == 0
    store = Store.open(str(command.folder / "ablate-results"))
    with store.claims("little") as claims:
        assert claims.claim({compaction_key("little")})
        told = command("compact", "little")
    assert told.exit_code == 2
    assert "is compacting it" in told.output
    assert command("compact", "little").exit_code == 0


@pytest.mark.parametrize("asked", [("query", "little"), ("power", "little", "--effect", "0.1"),
                                   ("compare", "little", "little")])  # fmt: skip
@pytest.mark.parametrize("name", ["a.csv", "a.json", "a.jsonl", "a.md", "a.tex", "a.parquet", "a.txt", "a"])
def test_an_answer_is_written_in_the_form_of_its_files_suffix(asked: tuple[str, ...], name: str, ran: Command) -> None:
    forms = {"csv": "csv", "json": "json", "jsonl": "jsonl", "md": "markdown", "tex": "latex", "parquet": "parquet"}
    form = forms.get(name.partition(".")[2], "table")

    assert ran(*asked, "-o", name).exit_code == 0
    assert ran(*asked, "--format", form, "--output", "said").exit_code == 0
    assert Path(name).read_bytes() == Path("said").read_bytes()


def test_a_suffix_of_no_form_is_a_mistake_unless_the_form_is_said(ran: Command) -> None:
    refused = ran("table", "little", "-o", "table.xlsx")

    assert refused.exit_code == 2
    assert "--output table.xlsx: unknown suffix; use .csv, .md, .tex, .html, or add --format" in refused.stderr
    assert not Path("table.xlsx").exists()
    assert ran("table", "little", "-o", "table.dat", "--format", "csv").exit_code == 0


def test_why_says_of_a_trial_what_the_study_file_makes_of_it_now(ran: Command) -> None:
    trial = next(one for one in Store.open("ablate-results").records("little") if one.phase == "confirm").trial_id

    assert ran("why", "little.yaml", trial[:8]).stdout.startswith("counts: a confirm trial, with test/accuracy ")
    edited = ran("why", "little.yaml", trial, "base.optim.batch_size=48", "--json")
    assert edited.exit_code == 0
    answer = checked_answer("why", edited.stdout)
    assert (answer["state"], answer["trial_id"]) == ("outdated", trial)
    assert "optim.batch_size (" in answer["reason"]
    refused = ran("why", "little.yaml", "ffffffffffff")
    assert (refused.exit_code, "study 'little' has no trial id that begins so" in refused.stderr) == (2, True)


def test_a_misspelt_named_query_gets_its_nearest_name(ran: Command) -> None:
    for words in (("little", "bset"), ("bset",)):
        refused = ran("query", *words)
        assert refused.exit_code == 2
        assert "Nor is 'bset' a named query; the nearest is best" in refused.stderr
    assert ran("query", "best").stdout == ran("query", "little", "best").stdout


def test_every_command_takes_verbose_which_shows_where_a_mistake_was_found(ran: Command) -> None:
    for name in COMMANDS:
        found = ablate.commands[name]
        for command in found.commands.values() if isinstance(found, click.Group) else [found]:
            if name != "schema":
                assert "-v" in [option for parameter in command.params for option in parameter.opts], name
    assert "Traceback" not in ran("query", "little", "select nothing_such from trials").stderr
    told = ran("query", "little", "select nothing_such from trials", "-v").stderr
    assert "Traceback" in told
    assert told.splitlines()[-1].startswith("SQL: no column 'nothing_such' in trials")


def test_quiet_leaves_out_the_notes_of_an_answer(ran: Command) -> None:
    (ran.folder / "ablate-results/studies/little/trials/stray.txt").write_text("a note of mine")

    assert "stray.txt: skipped, not a file of this store" in ran("query", "little").stderr
    assert ran("query", "little", "-q").stderr == ""


@pytest.mark.parametrize("words", [["status"], ["query"], ["compare", "little"], ["run"], ["check", "quickstart"]])
def test_a_shell_completes_shipped_and_stored_studies_and_files(words: list[str], ran: Command) -> None:
    def offered(incomplete: str) -> list[tuple[str, str]]:
        asked = ShellComplete(ablate, {}, "ablate", "_ABLATE_COMPLETE").get_completions(words, incomplete)
        return [(item.type, item.value) for item in asked]

    assert offered("quick") == [("plain", "quickstart"), ("file", "quick")]
    assert offered("lit") == [("plain", "little"), ("file", "lit")]
    assert offered("./lit") == [("file", "./lit")]


@pytest.mark.slow
def test_what_is_recorded_is_copied_to_a_sink_once_at_the_place_given_or_the_studys_own(ran: Command) -> None:
    refused = ran("export", "little", "--to", "tensorboard")
    assert (refused.exit_code, refused.stderr) == (2, "tensorboard: study 'little' has no place for it in sinks; "
                                                      "give one with --output\n")  # fmt: skip
    assert ran("export", "little", "--to", "tensorboard", "-o", "there", "-q").stdout == (
        "there: 8 trials copied, 0 already there\n"
    )
    assert ran("run", "little.yaml", "sinks={tensorboard: here}").exit_code == 0
    assert ran("export", "little", "--to", "tensorboard").stdout == "here: 0 trials copied, 8 already there\n"


def test_the_store_is_named_first_with_what_it_holds_of_the_study(command: Command) -> None:
    place = command.folder / "ablate-results"
    assert f"records in {place}" in command("check", "little.yaml").stdout
    assert command("plan", "little.yaml").stdout.startswith(f"store {place}: no trial of little recorded\n")
    assert command("run", "little.yaml").stderr.startswith(f"store {place}: no trial of little recorded\n")
    assert command("plan", "little.yaml").stdout.startswith(f"store {place}: 8 trials of little recorded\n")


def test_from_another_folder_the_store_beside_the_study_file_is_named_with_the_whole_command(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command("run", "little.yaml", "-q").exit_code == 0
    (command.folder / "else where").mkdir()
    monkeypatch.chdir(command.folder / "else where")

    told = command("plan", "../little.yaml", "seeds.confirm=[1, 2]").stderr
    assert "../ablate-results, beside the study file, has 8 trials of little; there: " in told
    assert "ablate plan ../little.yaml 'seeds.confirm=[1, 2]' --store ../ablate-results" in told
    refused = command("status", "../little.yaml")
    assert refused.exit_code == 2
    assert "use it with --store ../ablate-results" in refused.stderr
    assert "beside" not in command("plan", "../little.yaml", "--store", "../ablate-results").stderr
    monkeypatch.setenv("ABLATE_STORE", "mine")
    assert "beside" not in command("plan", "../little.yaml").stderr, "whoever names a store means it"


def test_hints_are_complete_commands(command: Command) -> None:
    command.accidents = {"raises_for": (2,)}
    told = command("run", "little.yaml", "-q", "--store", "my results").stdout
    assert "`ablate report little --store 'my results'` writes the page" in told
    assert "`ablate status little --store 'my results'` says why" in told


def test_one_study_that_cannot_be_read_does_not_stand_in_the_way_of_a_plan(command: Command) -> None:
    broken = command.folder / "ablate-results" / "studies" / "broken"
    broken.mkdir(parents=True)
    (broken / "trials").write_text("a file where a folder is expected")

    for name in ("plan", "run"):
        result = command(name, "little.yaml")
        assert result.exit_code == 0, result.stderr
        assert "problem: studies/broken: left out, store" in result.stderr


def test_after_an_edit_the_plan_names_the_field_that_made_the_records_others(command: Command) -> None:
    assert command("run", "little.yaml", "-q").exit_code == 0
    for told in (
        command("plan", "little.yaml", "base.optim.batch_size=48").stdout,
        command("run", "little.yaml", "base.optim.batch_size=48").stderr,
    ):
        assert "of 8 earlier records of this study 8 differ in optim.batch_size (" in told
        assert "-> 48)" in told


def test_check_says_which_files_are_not_on_this_machine(command: Command) -> None:
    printed = command("check", "clip_td_vcr").stdout
    assert "  not here: task.data: data/vcr: no such folder" in printed
    assert "  not here: student.init: no file at checkpoints/uniter-base.pt" in printed
    assert "  not here: teacher.checkpoint: nothing at checkpoints/clip-vit-b-16.pt" in printed


def test_check_plan_and_run_warn_of_bfloat16_where_the_processor_has_no_instructions_for_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("flags\t\t: fpu avx2\n")
    monkeypatch.setattr(bfloat16, "CPU_INFO", info)
    rounded, told = "base.optim.precision=bfloat16", "here: optim.precision: bfloat16 on a processor without"
    for verb in ("check", "plan", "run"):
        assert told in command(verb, "little.yaml", rounded).stderr
    assert told not in command("check", "little.yaml").stderr
    assert told not in command("check", "little.yaml", rounded, "resources.gpus_per_worker=1").stderr
    checked = json.loads(command("check", "little.yaml", rounded, "--json").stdout)
    assert [line.partition(":")[0] for line in checked[0]["refused"]] == ["optim.precision"]


def test_check_and_plan_answer_in_json(command: Command) -> None:
    sound, refused = json.loads(command("check", "little.yaml", "quickstat", "--json").stdout)
    assert (sound["study"], sound["mistakes"], sound["absent"]) == ("little", [], [])
    assert [(warning["path"], warning["line"]) for warning in sound["warnings"]] == [("seeds.confirm", 8)]
    assert [(family["family"], family["pairs"], family["pairs_needed"]) for family in sound["families"]] == [
        ("primary", [2, 2], 6)
    ]
    assert [mistake["found"] for mistake in refused["mistakes"]] == ["no such study"]
    planned = json.loads(command("plan", "little.yaml", "--json").stdout)
    assert (planned["recorded"], planned["owed"], planned["families"]) == (0, 8, sound["families"])
