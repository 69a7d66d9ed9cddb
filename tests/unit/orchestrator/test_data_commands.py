"""`ablate data` on small data sets in the real layouts."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result

from ablative.orchestrator.commands.cli import ablate
from ablative.trainables.data.load import load_split
from ablative.trainables.data.stored import StoredExamples
from ablative.trainables.data.subsets import subset
from tests.helpers.own_pictures import inside
from tests.helpers.own_pictures import own_pictures
from tests.helpers.own_pictures import rows
from tests.helpers.own_pictures import write_parquet
from tests.helpers.tasks import TASKS
from tests.unit.trainables.real_layouts import draw_pictures
from tests.unit.trainables.real_layouts import make_snli_ve
from tests.unit.trainables.real_layouts import make_vcr
from tests.unit.trainables.real_layouts import snli_ve_row
from tests.unit.trainables.real_layouts import write_lines


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ABLATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def run(*words: object) -> Result:
    return CliRunner().invoke(ablate, ["data", *map(str, words)], catch_exceptions=False)


@pytest.fixture
def flickr(tmp_path: Path) -> Path:
    folder = make_snli_ve(tmp_path / "flickr")
    draw_pictures(folder / "flickr30k_images", ["120.jpg", "121.jpg", "122.jpg"])
    return folder


def test_check_finds_the_task_and_tells_every_problem(tmp_path: Path) -> None:
    result = run("check", make_vcr(tmp_path / "vcr"), "-q")

    assert "train: 4 examples, 2 images, 0 unreadable rows" in result.output
    assert "image missing: 2" in result.output
    assert "film/0@0.jpg" in result.output
    assert not (tmp_path / "cache" / "examples").exists()


def test_a_data_set_that_is_whole_passes(flickr: Path) -> None:
    result = run("check", flickr)

    assert result.exit_code == 0, result.output
    assert "check: train 3/3" in result.output and "prepare" not in result.output


def test_check_ends_with_status_2_where_too_much_is_unreadable_or_no_task_is_there(
    flickr: Path, tmp_path: Path
) -> None:
    write_lines(flickr / "snli_ve_test.jsonl", [snli_ve_row("a", Flickr30K_ID="122"), {"pairID": "b"}])

    refused = run("check", flickr, "-q")
    assert (refused.exit_code, "row unreadable (test 1 of 2 rows" in refused.output) == (2, True)
    assert run("check", flickr, "-q", "--most-unreadable", "0.5").exit_code == 0
    nothing = run("check", tmp_path, "-q")
    assert (nothing.exit_code, "no task" in nothing.output) == (2, True)


def test_pictures_that_are_not_there_end_with_status_2(flickr: Path) -> None:
    for path in (flickr / "flickr30k_images").iterdir():
        path.unlink()
    for command in ("check", "prepare"):
        result = run(command, flickr, "-q")
        assert result.exit_code == 2
        assert "image missing (train 1, val 1, test 1): get the pictures" in result.output


def test_a_damaged_picture_ends_with_status_2_until_it_is_left_out(flickr: Path) -> None:
    (flickr / "flickr30k_images/120.jpg").write_bytes(b"<html>404</html>")
    refused = run("check", flickr, "-q")
    too_many = run("check", flickr, "-q", "--leave-out")
    left_out = run("check", flickr, "-q", "--leave-out", "--most-unreadable", "0.4")
    after = run("check", flickr, "-q", "--most-unreadable", "0.4")

    assert refused.exit_code == 2 and "120.jpg: not a picture that can be decoded" in refused.output
    assert too_many.exit_code == 2 and "1 of 3 pictures are missing or damaged" in too_many.output
    assert left_out.exit_code == 0 and "picture left out from now on: 1" in left_out.output
    assert "left out of all splits: 1 pictures" in after.output and "120.jpg" not in after.output


def test_a_split_without_an_example_ends_with_status_2_and_a_shifted_test_without_one_does_not(flickr: Path) -> None:
    (flickr / "hypothesis_hard_test.json").write_text("[]")
    told = run("check", flickr, "-q")
    assert told.exit_code == 0, told.output
    assert "no example in this shifted or blind test: 1" in told.output

    (flickr / "snli_ve_dev.jsonl").write_text("\n")
    refused = run("check", flickr, "-q")
    assert (refused.exit_code, "no example (val 1): add rows" in refused.output) == (2, True)


def test_rows_that_occur_twice_or_in_train_and_test_are_counted_and_named(flickr: Path) -> None:
    test = [snli_ve_row(f"test-{i}", Flickr30K_ID="122", sentence2=f"Number {i}.") for i in range(200)]
    train = [snli_ve_row(f"train-{i}", Flickr30K_ID="120", sentence2=f"Number {i}.") for i in range(200)]
    write_lines(flickr / "snli_ve_train.jsonl", train)
    write_lines(flickr / "snli_ve_test.jsonl", [*test, test[7], train[9]])
    borne = run("check", flickr, "-q")
    assert borne.exit_code == 0, borne.output
    assert "id a second time: 1\n    test-7\n" in borne.output
    assert "row of an earlier split: 1\n    train-9 (in train too)\n" in borne.output
    assert "image of an earlier split: 1\n    120.jpg (in train too)\n" in borne.output

    write_lines(flickr / "snli_ve_test.jsonl", [*test, *test, *train[:9]])
    refused = run("check", flickr, "-q")
    assert refused.exit_code == 2
    assert "id a second time (test 200 of 409 rows): keep one row of each id" in refused.output
    assert "row of an earlier split (test 9 of 409 rows)" in refused.output


def test_an_id_written_as_text_and_as_number_is_one_id(flickr: Path) -> None:
    rows = [snli_ve_row("x", Flickr30K_ID="122") | {"pairID": name} for name in ("1827492", 1827492)]
    write_lines(flickr / "snli_ve_test.jsonl", rows)

    assert "id a second time: 1\n    1827492\n" in run("check", flickr, "-q").output


def test_check_names_every_problem_where_all_are_asked_for(flickr: Path) -> None:
    rows = [snli_ve_row(f"test-{i}", Flickr30K_ID=f"missing{i}") for i in range(7)]
    write_lines(flickr / "snli_ve_test.jsonl", rows)
    named = {words: run("check", flickr, "-q", *words).output.count(".jpg\n") for words in ((), ("--all",))}

    assert named == {(): 5, ("--all",): 7}


def test_check_goes_on_behind_a_file_that_cannot_be_read(flickr: Path) -> None:
    (flickr / "snli_ve_dev.jsonl").write_bytes(gzip.compress(b"{}"))
    result = run("check", flickr, "-q")

    assert result.exit_code == 2
    assert "snli_ve_dev.jsonl is compressed by gzip; unpack it" in result.output
    assert "test: 3 examples" in result.output and "file unreadable (val 1)" in result.output


def test_prepare_stores_what_training_then_reads(flickr: Path, cache: Path) -> None:
    result = run("prepare", flickr, "-q")

    assert result.exit_code == 0, result.output
    assert isinstance(load_split(TASKS["snli_ve"], str(flickr), "train", cache).examples, StoredExamples)


def test_subset_writes_the_ids_that_training_uses_one_a_line(tmp_path: Path, cache: Path) -> None:
    folder = make_vcr(tmp_path / "vcr", train=100)
    result = run("subset", folder, "--fraction", 0.1, "--seed", 3, "-o", tmp_path / "ids.txt")
    ids = (tmp_path / "ids.txt").read_text().splitlines()
    trained = subset(load_split(TASKS["vcr"], str(folder), "train", cache), 0.1, 3)

    assert result.exit_code == 0, result.output
    assert ids == list(dict.fromkeys(example.group for example in trained.examples))
    assert 0 < len(ids) <= 10


def test_shift_says_how_many_items_each_set_has_and_how_many_are_published(tmp_path: Path) -> None:
    result = run("shift", make_vcr(tmp_path / "vcr"), "-q")

    assert result.exit_code == 0, result.output
    assert "val_rule_singular.jsonl  1 of 2  (published: 16,154 of 26,534)" in result.output


def test_submission_is_made_of_a_trials_predictions(tmp_path: Path) -> None:
    from ablative.orchestrator.storing.store import Store
    from ablative.trainables.job import Prediction
    from tests.helpers.results import make_record

    store = Store.open(str(tmp_path / "store"))
    said = {name: json.dumps([0.1, 0.2, 0.3, 0.4]) for name in ("t/qa", *(f"t/qar/{i}" for i in range(4)))}
    predictions = [Prediction(split="blind_test", example_id=n, prediction=p, score=1.0) for n, p in said.items()]
    record = make_record(task="vcr", study="blind")
    store.write(record, predictions=predictions)
    words = ("submission", "blind", "--store", tmp_path / "store", "-o", tmp_path / "test.csv", "--trial")
    result = run(*words, record.trial_id[:6])

    assert result.exit_code == 0, result.output
    (row,) = csv.DictReader((tmp_path / "test.csv").open())
    assert row["annot_id"] == "t" and float(row["rationale_conditioned_on_a3_3"]) == 0.4
    unknown = run(*words, "zzz")
    assert (unknown.exit_code, "expected one" in unknown.output) == (2, True)


def test_check_says_as_what_a_persons_own_folder_was_understood(tmp_path: Path) -> None:
    given = [row | {"source": "web" if number % 5 == 0 else "shop"} for number, row in enumerate(rows())]
    result = run("check", own_pictures(tmp_path / "own", given), "-q")

    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "read from: metadata.csv",
        "columns: file_name, text, label, split; not read: source",
        "pictures: files or tar shards, such as pics/000.png",
        "splits: train 48, val 6, test 6 rows; as the column split says",
        "classes: 3, with their rows of train: blue 16, green 16, red 16",
        "metrics: accuracy, macro_f1, f1_blue, f1_green, f1_red",
        "train: 48 examples, 48 images, 0 unreadable rows",
        "val: 6 examples, 6 images, 0 unreadable rows",
        "test: 6 examples, 6 images, 0 unreadable rows",
    ]


def test_options_of_a_task_are_given_to_check_as_in_a_study(tmp_path: Path) -> None:
    given = [row | {"source": "web" if number % 5 == 0 else "shop"} for number, row in enumerate(rows())]
    folder = tmp_path / "own"
    write_parquet(folder / "metadata.parquet", inside(given))
    shift = ("--option", "shift.column=source", "--option", "shift.values=[web]")
    result = run("check", folder, "-q", "--task", "image_text", *shift)

    assert result.exit_code == 0, result.output
    assert "pictures: inside these files, in the column image, such as pics/000.png" in result.output
    assert "splits: train 36, val 6, test 6, test_source 12 rows; as the column split says" in result.output
    assert "shifted test: test_source, the rows whose source is web" in result.output
    assert "test_source: 12 examples, 12 images, 0 unreadable rows" in result.output
    assert "not read" not in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["shift.colum=source"], "shift.colum=source: wanted NAME=VALUE with shift.column"),
        (["text_column"], "text_column: wanted NAME=VALUE"),
        (["shift.values=7"], "shift.values: found 7; should be"),
        (["shift.column=source"], "shift.values: found nothing; should be the values of source"),
    ],
)
def test_an_option_that_a_task_does_not_have_is_refused(options: list[str], said: str, tmp_path: Path) -> None:
    words = [word for option in options for word in ("--option", option)]
    result = run("check", own_pictures(tmp_path / "own"), "-q", *words)

    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert "has no options" in run("check", make_vcr(tmp_path / "vcr"), "--task", "vcr", *words).output


def test_check_ends_with_status_2_where_a_persons_own_folder_is_not_fit(tmp_path: Path) -> None:
    folder = own_pictures(tmp_path / "own", [*rows(), rows()[0] | {"label": "blue"}])
    (folder / "pics/001.png").unlink()
    (folder / "pics/002.png").write_bytes(b"no picture")
    result = run("check", folder, "-q")

    assert result.exit_code == 2
    assert "line 62: ValueError: picture pics/000.png with this text is red already, and blue here" in result.output
    assert "row unreadable (train 1 of 61 rows of metadata.csv" in result.output
    assert "image missing (train 1): get the pictures" in result.output
    assert "picture damaged (train 1): get the pictures again" in result.output
