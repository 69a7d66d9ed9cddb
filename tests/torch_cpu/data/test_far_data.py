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
    checked = CliRunner().invoke(ablate, ["data", "check", data, "-q"])
    assert checked.exit_code == 0 and "classes: 3" in checked.output, checked.output
    run(STUDY, data, tmp_path / "of_other")
    assert _shards(s3.keys(cache)) == _shards(published)
    kept = {path.stem.partition("-")[0] for path in tmp_path.glob("other/of-*/copies/listings/*.json")}
    assert kept == {"data", "prepared"}


def _shards(keys: Iterable[str]) -> set[str]:
    return {key for key in keys if key.endswith(".tar")}


@pytest.mark.parametrize(
    ("what", "place", "remedy"),
    [
        ("data", "s3://nobody/pictures{query}", "create the bucket, or correct its name"),
        ("data", "{bucket}/nothing{query}", "give the URI of the data set's folder"),
        ("data", "s4://nobody/pictures", "give a path, or a URI that begins with s3://BUCKET or gs://BUCKET"),
        ("cache", "s3://nobody/cache{query}", "create the bucket, or correct its name"),
        ("cache", "s3:///cache", "names no bucket"),
        ("study", "{bucket}/no.yaml{query}", "give the URI of one"),
        ("study", "s3://nobody/no.yaml{query}", "create the bucket, or correct its name"),
    ],
)
def test_a_place_that_cannot_be_opened_ends_the_command_in_a_line_and_nothing_is_written(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, place: str, remedy: str
) -> None:
    start, mark, query = bucket.partition("?")
    named = place.format(bucket=start, query=mark + query)
    monkeypatch.setenv("ABLATE_CACHE", named if what == "cache" else str(tmp_path / "cache"))
    monkeypatch.setenv("ABLATE_COPIES", str(tmp_path / "copies"))
    study, data = (named if what == part else usual for part, usual in (("study", STUDY), ("data", "mini_smoke")))
    words = ("base.task.name=snli_ve", "target.metric=val/accuracy") if data == "mini_smoke" else ()

    said = run(study, data, tmp_path / "store", *words, status=2)

    (line,) = [line for line in said.splitlines() if "warning" not in line]
    assert remedy in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
