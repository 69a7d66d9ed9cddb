"""A study whose data and cache are in object storage computes what it computes of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.orchestrator.storing.store import Store
from ablative.places import inside
from tests.helpers import s3
from tests.helpers.own_pictures import draw
from tests.helpers.own_pictures import rows
from tests.helpers.own_pictures import write_csv
from tests.helpers.sources import ROOT

pytestmark = pytest.mark.slow

STUDY = str(ROOT / "docs" / "examples" / "own_pictures.yaml")
SMALL = ("base.optim.min_steps=2", "base.optim.max_steps=2", "seeds.confirm=[1,2]")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with s3.server() as query:
        yield s3.new_bucket(query)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    given = rows()
    draw(folder, given)
    write_csv(folder / "metadata.csv", given)
    return folder


def run(study: str, data: str, store: Path, *words: str, status: int = 0) -> str:
    line = [
        "run",
        study,
        *SMALL,
        f"base.task.data={data}",
        "--executor",
        "inline",
        "--store",
        str(store),
        "-q",
        *words,
    ]
    ran = CliRunner().invoke(ablate, line)
    assert ran.exit_code == status, (ran.output, ran.exception)
    return ran.output


def test_data_and_cache_by_uri_give_the_trials_of_a_folder_and_another_machine_fetches_what_was_made(
    bucket: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = inside(bucket, "pictures"), inside(bucket, "cache")
    s3.uploaded(pictures, data)
    s3.uploaded(Path(STUDY).parent, inside(bucket, "studies"))
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "plain"))
    run(STUDY, str(pictures), tmp_path / "of_folder")

    monkeypatch.setenv("ABLATE_CACHE", cache)
    monkeypatch.setenv("ABLATE_COPIES", str(tmp_path / "one"))
    run(inside(bucket, "studies/own_pictures.yaml"), data, tmp_path / "of_uri")

    plain, far = (Store.open(str(tmp_path / name)).records("own_pictures") for name in ("of_folder", "of_uri"))
    assert [record.error for record in far if not record.completed] == []
    assert {r.trial_id: r.metrics for r in far} == {r.trial_id: r.metrics for r in plain}

    published = s3.keys(cache)
    assert any(key.startswith("teacher_features/") for key in _shards(published))
    monkeypatch.setenv("ABLATE_COPIES", str(tmp_path / "other"))
    run(STUDY, data, tmp_path / "of_other")
    assert _shards(s3.keys(cache)) == _shards(published)


def _shards(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if key.endswith(".tar")}
