"""`image_text`: a person's own pictures with texts and labels, in every form that they come in."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import f1_score

from ablative.progress import silent
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.content import data_content
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.load import load_split
from ablative.trainables.data.manifest import look
from ablative.trainables.data.metrics import score
from ablative.trainables.data.picture_tables import MOST_BYTES
from ablative.trainables.data.pictures import Pictures
from ablative.trainables.data.sources import splits_of
from ablative.trainables.data.subsets import subset
from ablative.trainables.errors import MissingData
from ablative.trainables.errors import UnreadableData
from ablative.trainables.parts.task import Task
from ablative.trainables.tasks.image_text_files.metrics import metric_names
from ablative.trainables.tasks.image_text_files.options import ImageTextOptions
from tests.helpers.own_pictures import COLOURS
from tests.helpers.own_pictures import Row
from tests.helpers.own_pictures import draw
from tests.helpers.own_pictures import inside
from tests.helpers.own_pictures import own_pictures
from tests.helpers.own_pictures import picture
from tests.helpers.own_pictures import rows
from tests.helpers.own_pictures import write_csv
from tests.helpers.own_pictures import write_lines
from tests.helpers.own_pictures import write_parquet
from tests.helpers.study_text import load as load_text
from tests.helpers.study_text import mistakes
from tests.helpers.tasks import TASKS

TASK = TASKS["image_text"]
USUAL = ("train", "val", "test")


def load(folder: Path, split: str = "train", task: Task = TASK) -> TaskSplit:
    return load_split(task, str(folder), split, folder.parent / "cache")


def seen(folder: Path, task: Task = TASK) -> list[list[tuple[str, str, str]]]:
    """Of each split the picture's last name, the text and the label of its examples."""
    loaded = [load(folder, split, task) for split in splits_of(task, str(folder))]
    return [
        [(e.image.rpartition("/")[2], e.candidates[0].query.text, e.stratum) for e in split.examples]
        for split in loaded
    ]


def with_options(**options: Any) -> Task:
    return TASK.with_options(ImageTextOptions.model_validate(options))


def of_split(split: str, given: list[Row]) -> list[Row]:
    """The rows of a split, without the column that says so."""
    written = {"val": "validation"}.get(split, split)
    return [{name: row[name] for name in row if name != "split"} for row in given if row["split"] == written]


def as_csv(folder: Path) -> None:
    own_pictures(folder)


def as_lines(folder: Path) -> None:
    write_lines(folder / "metadata.jsonl", rows())
    draw(folder, rows())


def as_parquet(folder: Path) -> None:
    write_parquet(folder / "metadata.parquet", rows())
    draw(folder, rows())


def as_shards(folder: Path) -> None:
    write_csv(folder / "metadata.csv", rows())
    with tarfile.open(folder / "000.tar", "w") as shard:
        for row in rows():
            entry = tarfile.TarInfo(row["file_name"])
            entry.size = len(picture(row))
            shard.addfile(entry, io.BytesIO(picture(row)))


def as_parquet_with_pictures(folder: Path) -> None:
    write_parquet(folder / "metadata.parquet", inside(rows()))


def as_parquet_of_bytes(folder: Path) -> None:
    write_parquet(folder / "metadata.parquet", [row | {"image": picture(row)} for row in rows()])


def as_split_folders(folder: Path) -> None:
    for split, place in (("train", "train"), ("val", "dev"), ("test", "test")):
        given = of_split(split, rows())
        write_lines(folder / place / "metadata.jsonl", given)
        draw(folder / place, given)


def as_picture_folders(folder: Path) -> None:
    places = {"train": "train", "validation": "valid", "test": "test"}
    named = [row | {"file_name": f"{places[row['split']]}/{row['file_name']}"} for row in rows()]
    draw(folder, named)
    for row, was in zip(named, rows(), strict=True):
        (folder / row["file_name"]).write_bytes(picture(was))
        del row["split"]
    write_csv(folder / "metadata.csv", named)


def as_hub_files(folder: Path) -> None:
    """As `datasets` pushes them: shards of splits, numbers for labels, and their names in the schema."""
    names = sorted(COLOURS)
    feature = {"label": {"names": names, "_type": "ClassLabel"}}
    for split, file in (("train", "train"), ("val", "validation"), ("test", "test")):
        given = [row | {"label": names.index(row["label"])} for row in inside_of(split)]
        for number, part in enumerate((given[: len(given) // 2], given[len(given) // 2 :])):
            write_parquet(folder / "data" / f"{file}-0000{number}-of-00002.parquet", part, **feature)


def inside_of(split: str) -> list[Row]:
    return inside(of_split(split, rows()))


FORMS: list[Callable[[Path], None]] = [
    as_csv,
    as_lines,
    as_parquet,
    as_shards,
    as_parquet_with_pictures,
    as_parquet_of_bytes,
    as_split_folders,
    as_picture_folders,
    as_hub_files,
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_examples_and_pictures(form: Callable[[Path], None], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    form(folder)
    own_pictures(tmp_path / "plain")
    wanted = {row["file_name"].rpartition("/")[2]: picture(row) for row in rows()}

    assert seen(folder) == seen(tmp_path / "plain")
    for split in USUAL:
        loaded = load(folder, split)
        pictures = Pictures(Path(loaded.image_folder))
        assert loaded.classes == ("blue", "green", "red")
        assert all(loaded.classes[e.targets[0][0]] == e.stratum for e in loaded.examples)
        for example in loaded.examples:
            assert example.image in pictures
            assert pictures.read(example.image) == wanted[example.image.rpartition("/")[2]]
    found = look(Path(load(folder).image_folder), [e.image for e in load(folder).examples], tmp_path / "c", silent)
    assert len(set(found.pictures.values())) == len(load(folder).examples)


def test_without_splits_val_and_test_are_carved_by_the_pictures_name(tmp_path: Path) -> None:
    given = rows(400, split=False)
    several = [row | {"text": f"another text of {row['file_name']}"} for row in given]
    own_pictures(tmp_path / "own", given + several)
    images = [{example.image for example in load(tmp_path / "own", split).examples} for split in USUAL]

    assert [len(load(tmp_path / "own", split).examples) for split in USUAL] == [2 * len(found) for found in images]
    assert sum(map(len, images)) == 400 and not images[0] & images[1] and not (images[0] | images[1]) & images[2]
    assert 8 <= len(images[1]) <= 34 and 8 <= len(images[2]) <= 34, "about a twentieth each"
    own_pictures(tmp_path / "fewer", given[:200])
    assert {example.image for example in load(tmp_path / "fewer", "val").examples} < images[1], "of the name alone"


@pytest.mark.parametrize(("missing", "kept"), [("val", "test"), ("test", "val")])
def test_only_the_split_that_is_missing_is_carved_out_of_train(missing: str, kept: str, tmp_path: Path) -> None:
    given = [row | {"split": "train" if row["split"].startswith(missing) else row["split"]} for row in rows(400)]
    own_pictures(tmp_path / "own", given)

    assert 5 <= len(load(tmp_path / "own", missing).examples) <= 34
    assert len(load(tmp_path / "own", kept).examples) == 40
    assert sum(len(load(tmp_path / "own", split).examples) for split in USUAL) == 400
    folders = tmp_path / "folders"
    for split in ("train", kept):
        write_csv(folders / split / "metadata.csv", of_split(split, given))
    assert load(folders, missing).examples and len(load(folders, kept).examples) == 40


def test_several_texts_of_a_picture_are_examples_of_their_own(tmp_path: Path) -> None:
    given = rows(10)
    own_pictures(tmp_path / "own", [*given, given[0] | {"text": "Another  Text", "label": "blue"}])
    found = [example for example in load(tmp_path / "own").examples if example.image == "pics/000.png"]

    assert [(e.id, e.group, e.stratum) for e in found] == [
        ("pics/000.png", "pics/000.png", "red"),
        ("pics/000.png#2", "pics/000.png#2", "blue"),
    ]
    assert found[1].candidates[0].query.text == "Another Text"


def test_a_shift_takes_rows_out_of_every_split_into_a_test_of_their_own(tmp_path: Path) -> None:
    given = [row | {"Where from": ("web", "shop", "book")[number % 4 % 3]} for number, row in enumerate(rows())]
    own_pictures(tmp_path / "own", given)
    named = with_options(shift={"column": "Where from", "values": ["shop", "book"], "name": "paid"})
    folder = str(tmp_path / "own")
    elsewhere = {row["file_name"] for row in given if row["Where from"] != "web"}

    assert splits_of(named, folder) == (*USUAL, "test_paid")
    images = {
        split: {e.image for e in load(tmp_path / "own", split, named).examples} for split in (*USUAL, "test_paid")
    }
    assert images["test_paid"] == elsewhere and len(elsewhere) == 30
    assert set.union(*(images[split] for split in USUAL)) == {row["file_name"] for row in given} - elsewhere
    unnamed = with_options(shift={"column": "Where from", "values": ["shop"]})
    assert splits_of(unnamed, folder)[-1] == "test_where_from"
    assert data_content(named, folder, tmp_path / "c").digest != data_content(TASK, folder, tmp_path / "c").digest


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    names = {"file_name": "img", "text": "caption", "label": "class", "split": "part"}
    own_pictures(tmp_path / "plain")
    write_csv(tmp_path / "own" / "metadata.csv", [{names[key]: row[key] for key in row} for row in rows()])
    task = with_options(**{f"{column}_column": name for column, name in names.items()})

    assert seen(tmp_path / "own", task) == seen(tmp_path / "plain")


def test_labels_may_be_numbers_or_truths(tmp_path: Path) -> None:
    write_lines(tmp_path / "own" / "metadata.jsonl", [row | {"label": n % 2} for n, row in enumerate(rows())])
    write_parquet(tmp_path / "b" / "metadata.parquet", [row | {"label": n % 2 > 0} for n, row in enumerate(rows())])

    assert load(tmp_path / "own").classes == ("0", "1")
    assert load(tmp_path / "b").classes == ("false", "true")


def test_a_byte_order_mark_and_quoted_commas_and_lines_are_plain_csv(tmp_path: Path) -> None:
    given = [row | {"text": 'one, "two",\nthree' if not number else row["text"]} for number, row in enumerate(rows())]
    path = write_csv(tmp_path / "own" / "metadata.csv", given)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())

    assert load(tmp_path / "own").examples[0].candidates[0].query.text == 'one, "two", three'
    assert len(load(tmp_path / "own").examples) == 48


def test_low_shot_subsets_are_stratified_by_the_label(tmp_path: Path) -> None:
    own_pictures(tmp_path / "own", rows(300))
    few, more = (subset(load(tmp_path / "own"), fraction, 3) for fraction in (0.05, 0.2))

    assert [sum(e.stratum == label for e in few.examples) for label in COLOURS] == [4, 4, 4]
    assert {e.id for e in few.examples} < {e.id for e in more.examples}


def test_f1_is_that_of_scikit_learn(tmp_path: Path) -> None:
    own_pictures(tmp_path / "own", rows(200))
    split = load(tmp_path / "own", "val")
    rng = np.random.default_rng(5)
    for limit in (3, 2):  # of the last class nothing is predicted the second time
        probabilities = rng.dirichlet([1.0] * 3, size=len(split.examples))
        probabilities[:, limit:] = 0
        truth, said = [e.targets[0][0] for e in split.examples], probabilities.argmax(1)
        metrics, _ = score(split, probabilities)

        assert metrics["macro_f1"] == pytest.approx(f1_score(truth, said, average="macro"))
        each = f1_score(truth, said, average=None, labels=[0, 1, 2], zero_division=0)
        assert [metrics[f"f1_{name}"] for name in ("blue", "green", "red")] == pytest.approx(list(each))
        assert metrics["accuracy"] == pytest.approx(np.mean(truth == said))


def test_metrics_of_classes_have_plain_names_and_no_two_alike() -> None:
    assert metric_names(("A-b", "a b", "a_b_2", "katze & hund", "!", "?")) == (
        "f1_a_b",
        "f1_a_b_2",
        "f1_a_b_2_2",
        "f1_katze_hund",
        "f1_other",
        "f1_other_2",
    )


BAD: dict[str, tuple[Callable[[list[Row]], list[Row]], str]] = {
    "empty text": (lambda r: [*r[:5], r[5] | {"text": "  "}, *r[6:]], r"line 7: .*text is empty; give the picture a"),
    "empty label": (
        lambda r: [*r[:5], r[5] | {"label": ""}, *r[6:]],
        r"line 7: .*label is empty; give the row a label",
    ),
    "unknown label": (
        lambda r: [*r[:8], r[8] | {"label": "gren"}, *r[9:]],
        r"line 10: .*label 'gren' of val is not among those of train: did you mean green\?",
    ),
    "unknown split": (
        lambda r: [*r[:5], r[5] | {"split": "holdout"}, *r[6:]],
        r"line 7: .*split is 'holdout', expected train, val or test",
    ),
    "outside": (
        lambda r: [*r[:5], r[5] | {"file_name": "../x.png"}, *r[6:]],
        r"line 7: .*picture '\.\./x\.png' lies outside the image folder",
    ),
    "absolute": (
        lambda r: [*r[:5], r[5] | {"file_name": "/etc/x.png"}, *r[6:]],
        r"line 7: .*picture '/etc/x\.png' lies outside the image folder",
    ),
    "backslashes": (
        lambda r: [*r[:5], r[5] | {"file_name": "pics\\5.png"}, *r[6:]],
        r"line 7: .*use / between folders",
    ),
    "another label": (
        lambda r: [*r, r[0] | {"label": "blue"}],
        r"line 62: .*picture pics/000\.png with this text is red already, and blue here; keep one of the rows",
    ),
    "another split": (
        lambda r: [*r, r[0] | {"text": "new", "split": "test"}],
        r"line 62: .*picture pics/000\.png is in train already, and in test here; keep all its rows in one split",
    ),
    "twice": (lambda r: [*r, r[0]], r"line 62: .*has this text twice; remove one of the rows"),
    "the same by another name": (
        lambda r: [*r, r[0] | {"file_name": "pics/./000.png"}],
        r"line 62: .*has this text twice",
    ),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_row_is_named_with_its_line_and_the_remedy(fault: str, tmp_path: Path) -> None:
    change, said = BAD[fault]
    own_pictures(tmp_path / "own")
    write_csv(tmp_path / "own" / "metadata.csv", change(rows()))

    with pytest.raises(UnreadableData, match=said):
        load(tmp_path / "own")


def replaced(old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "metadata.csv"
        path.write_bytes(path.read_bytes().replace(old, new, 1))

    return change


def two_kinds(folder: Path) -> None:
    write_lines(folder / "metadata.jsonl", rows())


def one_label(folder: Path) -> None:
    write_csv(folder / "metadata.csv", [row | {"label": "red"} for row in rows()])


def no_train(folder: Path) -> None:
    (folder / "metadata.csv").unlink()
    write_csv(folder / "test" / "metadata.csv", of_split("test", rows()))


def semicolons(folder: Path) -> None:
    path = folder / "metadata.csv"
    path.write_text(path.read_text().replace(",", ";"))


def utf_16(folder: Path) -> None:
    path = folder / "metadata.csv"
    path.write_text(path.read_text(), encoding="utf-16")


def without_names(folder: Path) -> None:
    (folder / "metadata.csv").unlink()
    write_parquet(folder / "train-0.parquet", rows())


def damaged(folder: Path) -> None:
    (folder / "metadata.csv").unlink()
    (folder / "metadata.parquet").write_bytes(b"PAR1 no PAR1")


def numbers_beyond(folder: Path) -> None:
    (folder / "metadata.csv").unlink()
    feature = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    given = [row | {"label": -1 if number == 4 else number % 2} for number, row in enumerate(rows())]
    write_parquet(folder / "metadata.parquet", given, **feature)


BAD_FILES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing column": (
        replaced(b"file_name", b"filename"),
        r"metadata\.csv: no column file_name; there are filename, text, label, split: rename filename, or say which "
        r"column it is by task\.image_text\.file_name_column",
    ),
    "missing column, far from all": (replaced(b"label", b"xyz"), r"no column label; there are .*: add it, or say"),
    "latin 1": (replaced(b"A red", b"A r\xe9d"), r"metadata\.csv, line 2: .*byte 0xe9 is not UTF-8; save the file as"),
    "utf 16": (utf_16, r"metadata\.csv is UTF-16; save it as UTF-8"),
    "a comma that is not quoted": (
        replaced(b'"A red sheet, number 0"', b"x,y,z"),
        r"line 2: .*6 fields, but the first line has 4; put texts with commas in quotes",
    ),
    "semicolons": (semicolons, r"its fields are separated by ';'; save it with commas"),
    "two kinds": (two_kinds, r"both metadata\.csv and metadata\.jsonl exist; keep one of them"),
    "one label": (one_label, r"train has one label, red; a student needs at least two"),
    "Parquet without pictures": (without_names, r"train-0\.parquet: no column image with pictures; name"),
    "damaged Parquet": (damaged, r"metadata\.parquet: not a Parquet file: .*; get the file again"),
    "a number without a name": (
        numbers_beyond,
        r"metadata\.parquet, line 5: .*label is -1, and the file names 0 to 1; remove rows without a label",
    ),
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_a_bad_file_is_named_with_the_remedy(fault: str, tmp_path: Path) -> None:
    spoil, said = BAD_FILES[fault]
    own_pictures(tmp_path / "own")
    spoil(tmp_path / "own")

    with pytest.raises(UnreadableData, match=said):
        load(tmp_path / "own")


def test_a_folder_without_metadata_or_train_says_what_to_write(tmp_path: Path) -> None:
    with pytest.raises(
        MissingData, match=r"missing:\n.*metadata\.csv\nHow to get it: write metadata\.csv, metadata\.j"
    ):
        load(tmp_path)

    own_pictures(tmp_path / "own")
    no_train(tmp_path / "own")
    with pytest.raises(MissingData, match=r"there is test, and no train; write metadata\.csv"):
        load(tmp_path / "own")


def test_pictures_of_one_name_and_different_bytes_are_named(tmp_path: Path) -> None:
    given = inside(rows())
    given[3]["image"]["path"] = given[0]["image"]["path"]
    write_parquet(tmp_path / "own" / "metadata.parquet", given)

    with pytest.raises(
        UnreadableData, match=r"rows 1 and 4 hold different pictures under one name; give each picture"
    ):
        data_content(TASK, str(tmp_path / "own"), tmp_path / "c")


def test_a_row_of_parquet_without_a_picture_is_named(tmp_path: Path) -> None:
    given = inside(rows())
    given[9]["image"]["bytes"] = None
    write_parquet(tmp_path / "own" / "metadata.parquet", given)

    with pytest.raises(UnreadableData, match=r"metadata\.parquet: row 10 has no picture; put its bytes into the file"):
        data_content(TASK, str(tmp_path / "own"), tmp_path / "c")


def test_a_picture_that_changes_inside_parquet_makes_another_data_set(tmp_path: Path) -> None:
    folder, given = tmp_path / "own", inside(rows())
    write_parquet(folder / "metadata.parquet", given)
    first = data_content(TASK, str(folder), tmp_path / "c")
    given[0]["image"]["bytes"] = picture(rows()[0] | {"file_name": "another.png"})
    write_parquet(folder / "metadata.parquet", given)
    second = data_content(TASK, str(folder), tmp_path / "c")

    assert first.pictures != second.pictures and first.digest != second.digest


def test_files_of_one_name_in_folders_of_splits_all_count(tmp_path: Path) -> None:
    as_split_folders(tmp_path / "own")
    first = data_content(TASK, str(tmp_path / "own"), tmp_path / "c").annotations
    path = tmp_path / "own" / "train" / "metadata.jsonl"
    path.write_text(path.read_text().replace("number 1", "number one"))

    assert data_content(TASK, str(tmp_path / "own"), tmp_path / "c").annotations != first


def test_a_row_group_too_large_for_memory_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "metadata.parquet", inside(rows()))
    size = pq.ParquetFile(path).metadata.row_group(0).total_byte_size
    assert size < MOST_BYTES
    monkeypatch.setattr("ablative.trainables.data.picture_tables.MOST_BYTES", size // 2)

    with pytest.raises(UnreadableData, match=r"row group 1 has .* bytes, .*row_group_size=100"):
        Pictures(tmp_path).read("pics/000.png")


def test_pictures_without_a_name_are_pictures_of_their_own(tmp_path: Path) -> None:
    table = pa.table({"image": [picture(row) for row in rows()], "text": ["a"] * 60, "label": ["x", "y"] * 30})
    (tmp_path / "own").mkdir()
    pq.write_table(table, tmp_path / "own" / "train.parquet")

    images = [e.image for split in USUAL for e in load(tmp_path / "own", split).examples]
    assert sorted(images) == sorted(f"train/{number}" for number in range(60))
    assert Pictures(tmp_path / "own").read("train/7") == picture(rows()[7])


def test_a_trial_names_it_with_its_options_like_any_task() -> None:
    given = {"name": "image_text", "data": "/data/own", "image_text": {"text_column": "caption"}}
    config = TrialConfig.model_validate({"task": given})

    assert config.task.part.changes == {"text_column": "caption"}
    assert config.task.part.at(Path("/data/own")).options.text_column == "caption"


def study(task: str, *lines: str) -> str:
    return "\n".join(["study: own", "question: Does it help?", f"base: {{task: {task}}}", *lines])


OWN = "{name: image_text, data: /data/own, image_text: {shift: {column: source, values: [web]}}}"


def test_a_study_of_it_may_evaluate_its_shifted_test_and_aim_at_a_class() -> None:
    lines = ("evaluate: [val, test, test_source]", "target: {metric: val/f1_dog}")

    assert load_text(study(OWN, *lines)).evaluate == ("val", "test", "test_source")
    (mistake,) = mistakes(study("{name: snli_ve}", lines[0]))
    assert (mistake.path, mistake.found) == ("evaluate[2]", '"test_source"')


@pytest.mark.parametrize(
    ("shift", "path", "expected"),
    [
        ("{column: source}", "shift.values", "the values of source whose rows are the shifted test"),
        ("{values: [web]}", "shift.column", "the column that has shift.values"),
        ("{column: Shifted, values: [web]}", "shift.name", "another name: test_shifted stands for all shifted tests"),
    ],
)
def test_a_shift_that_is_half_said_is_a_mistake_of_the_study(shift: str, path: str, expected: str) -> None:
    (mistake,) = mistakes(study(f"{{name: image_text, data: /data/own, image_text: {{shift: {shift}}}}}"))

    assert (mistake.path, mistake.expected) == (f"base.task.image_text.{path}", expected)


def test_the_quickstarts_data_has_no_files_of_the_other_tasks() -> None:
    (mistake,) = mistakes(study("{name: snli_ve, data: mini_questions}"))

    assert (mistake.path, mistake.expected) == ("base.task.data", "mini, as mini_questions has no files of snli_ve")


def test_the_bundled_benchmark_has_no_files_of_it() -> None:
    (mistake,) = mistakes(study("{name: image_text}"))

    assert (mistake.path, mistake.expected) == (
        "base.task.data",
        "a folder, as the bundled benchmark has no files of image_text",
    )
