"""The first look at a real data set on the command line: `plan` takes it and says so, `check` does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

import ablative.trainables.data.manifest as manifest
from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.file_digests import UNSETTLED_NS
from tests.unit.trainables.real_layouts import make_snli_ve

STUDY = """
study: flickr
question: Does smoothing help?
base: {{task: {{name: snli_ve, data: {data}}}, optim: {{label_smoothing: 0.0}}}}
arms: {{listed: {{plain: {{}}, smooth: {{optim.label_smoothing: 0.1}}}}}}
seeds: {{search: [0], confirm: [1, 2, 3, 4, 5, 6]}}
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    folder = make_snli_ve(tmp_path / "data")
    for image in ("120", "121", "122"):
        (folder / "flickr30k_images" / f"{image}.jpg").write_bytes(image.encode())
    path = tmp_path / "flickr.yaml"
    path.write_text(STUDY.format(data=folder))
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10 * UNSETTLED_NS)
    monkeypatch.setattr(manifest, "_PATIENCE_S", -1.0)  # as if reading the pictures took long
    return str(path)


def run(*arguments: str) -> tuple[str, str]:
    result = CliRunner().invoke(ablate, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def test_plan_says_when_it_reads_the_pictures_and_reads_them_once(study: str) -> None:
    assert "plan: digests of pictures 3/3" in run("plan", study)[1]
    assert "digests" not in run("plan", study)[1]


def test_check_looks_at_no_picture(study: str, tmp_path: Path) -> None:
    run("check", study)

    assert not (tmp_path / "cache" / "manifests").exists()
