"""Methods of a person's own on real Ray: searched, stopped, killed and resumed, judged and asked about like ours."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT
from tests.integration.own_trainables import KILLED_AT
from tests.integration.own_trainables import KILLED_SEED
from tests.integration.own_trainables import SMALL
from tests.integration.own_trainables import WORLDS

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STEPS = {"digits_distillation": [30, 60, 90, 120], "transformers_trainer": [2, 4, 6]}
"""After which the studies' trials evaluate."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both studies after a run with one worker a trial, a run with two, and one without Ray."""
    pytest.importorskip("accelerate", reason="accelerate is not installed; the extra `dev` brings it")
    found = tmp_path_factory.mktemp("own")
    path = os.pathsep.join([IMPORT_PATH, os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "ABLATE_CACHE": str(found / "cache")}
    program = [sys.executable, "-m", "tests.integration.own_trainables", str(found)]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=800)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    return found


each_study = pytest.mark.parametrize("study", SMALL)
each_world = pytest.mark.parametrize("world", WORLDS)


def records(folder: Path, study: str, store: object) -> list[Record]:
    return Store.open(str(folder / str(store))).records(study)


@each_world
@each_study
def test_every_arm_is_searched_alike_and_its_worst_settings_are_stopped(study: str, world: int, folder: Path) -> None:
    found = records(folder, study, world)

    assert [record.error for record in found if record.status == "failed"] == []
    assert {record.num_workers for record in found} == {world}
    search = [record for record in found if record.phase == "search"]
    assert len(set(Counter(record.arm for record in search).values())) == 1
    assert {record.status for record in search} == {"completed", "stopped"}
    confirm = Counter((record.arm, record.seed) for record in found if record.phase == "confirm")
    assert confirm == {(arm, seed): 1 for arm in {record.arm for record in found} for seed in (1, 2, 3)}


@each_study
def test_a_killed_trial_goes_on_from_its_checkpoint(study: str, folder: Path) -> None:
    """Each of its evaluations is reported once, by the worker that was killed or by the one that went on."""
    killed = (folder / "marks" / f"{study}.killed").read_text()
    (record,) = [record for record in records(folder, study, KILLED_AT[study]) if record.trial_id == killed]
    steps = [int(step) for step in (folder / "marks" / f"{killed}.{KILLED_AT[study]}.steps").read_text().split()]

    assert (record.seed, record.status, record.attempts) == (KILLED_SEED, "completed", 2)
    assert steps == STEPS[study]


@each_study
def test_trials_on_ray_have_the_metrics_of_the_same_trials_without_it(study: str, folder: Path) -> None:
    """The killed one too. More workers are a detail of where a trial runs, and share each batch."""
    here = {record.trial_id: record.metrics for record in records(folder, study, "inline")}

    assert {record.trial_id: record.metrics for record in records(folder, study, 1)} == here
    assert {record.trial_id for record in records(folder, study, 2) if record.phase == "search"} & here.keys()


@each_world
@each_study
def test_results_are_judged_and_asked_about_without_the_parts(
    study: str, world: int, folder: Path, tmp_path: Path
) -> None:
    """By pairs of one seed, as for every other method."""
    store = ["--store", str(folder / str(world))]
    asked = CliRunner().invoke(
        ablate,
        [
            "query",
            study,
            "select arm, n_pairs, verdict from effects where verdict <> 'reference'",
            "--format",
            "csv",
            *store,
        ],
    )
    page = tmp_path / "page.html"
    told = CliRunner().invoke(ablate, ["report", study, *store, "-o", str(page)])

    assert asked.exit_code == 0, asked.output
    rows = [line.split(",") for line in asked.stdout.strip().splitlines()[1:]]
    assert rows
    assert {row[1] for row in rows} == {"3"}
    assert told.exit_code == 0, told.output
    assert study in page.read_text(encoding="utf-8")
