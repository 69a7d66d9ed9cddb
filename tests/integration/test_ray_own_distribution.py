"""A distribution that is not ours brings a term, a task, a student and a trainable, to workers on two Ray nodes."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ablative.orchestrator.storing.records import Record
from ablative.orchestrator.storing.store import Store
from tests.helpers.sources import IMPORT_PATH
from tests.helpers.sources import ROOT
from tests.helpers.wheels import installed_into
from tests.helpers.wheels import wheel_of
from tests.helpers.wheels import wheel_of_ours
from tests.integration.nodes import nodes

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

OWN = ROOT / "tests" / "own_parts"
PARTS = {"task/squares", "term/agreement", "student/bag"}
COLOURS = {"red": (200, 40, 40), "green": (40, 160, 60), "blue": (40, 60, 200)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person's folder: two studies and the data of one."""
    folder = tmp_path_factory.mktemp("own")
    for study in OWN.glob("*.yaml"):
        shutil.copy(study, folder)
    (folder / "data" / "pictures").mkdir(parents=True)
    draw = random.Random(0)
    for split, count in (("train", 48), ("val", 12), ("test", 12)):
        lines = []
        for number in range(count):
            colour, said = draw.choice(list(COLOURS)), draw.choice(list(COLOURS))
            name = f"{split}-{number}.png"
            Image.new("RGB", (32, 32), COLOURS[colour]).save(folder / "data" / "pictures" / name)
            lines.append(f"{name}\tthe square is {said}\t{'yes' if said == colour else 'no'}\n")
        (folder / "data" / f"{split}.tsv").write_text("".join(lines))
    return folder


def _records(
    folder: Path, python: Path, environment: dict[str, str], store: str, *words: str
) -> dict[str, list[Record]]:
    """Run both studies on two nodes; return study -> records."""
    with nodes(2, python, environment) as (address, _):
        for study in ("squares", "threshold"):
            asked = [f"{study}.yaml", "seeds.confirm=[1,2]", *words]
            run = ["run", *asked, "--address", address, "--store", str(folder / store)]
            program = [str(python), "-m", "ablative.orchestrator.commands.cli", *run]
            done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
    return {study: Store.open(str(folder / store)).records(study) for study in ("squares", "threshold")}


def test_installed_parts_and_the_same_parts_named_by_a_folder_train_alike_on_two_nodes(
    folder: Path, tmp_path: Path
) -> None:
    fresh = installed_into(tmp_path / "fresh", [wheel_of_ours(tmp_path), wheel_of(OWN, tmp_path)])
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    here = {**os.environ, "PYTHONPATH": IMPORT_PATH}

    installed = _records(folder, fresh, plain, "installed")
    named = _records(folder, Path(sys.executable), here, "named", "--with", str(OWN / "own_parts"))

    for study, parts in (("squares", PARTS), ("threshold", {"trainable/threshold"})):
        by_place = {(record.cell, record.seed): record for record in named[study]}
        assert len(by_place) == len(installed[study]) == {"squares": 4, "threshold": 8}[study]
        for record in installed[study]:
            twin = by_place[record.cell, record.seed]
            assert (record.status, record.metrics) == ("completed", twin.metrics), record.error
            used = parts - ({"term/agreement"} if record.arm == "no_distillation" else set())
            assert set(record.parts) == set(twin.parts) == used
            assert set(record.parts.values()) == {"own-parts 1.0"} and record.trial_id != twin.trial_id
    assert {record.num_workers for record in installed["squares"]} == {2}, "one on each node"
