"""The bundled benchmark as files: the same bytes again, whole or not at all, read by the readers of the real data."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from ablative.trainables.benchmark import build
from ablative.trainables.benchmark import spec
from ablative.trainables.benchmark.build import benchmark_folder
from ablative.trainables.benchmark.build import ensure_benchmark
from ablative.trainables.benchmark.build import write_benchmark
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.draw import render
from ablative.trainables.benchmark.draw import sprite_picture
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.config import TrialConfig
from ablative.trainables.data.decoding import decoded
from ablative.trainables.data.load import load_split
from ablative.trainables.data.splits import splits_of
from ablative.trainables.data.stored import StoredExamples
from ablative.trainables.prepare import prepare
from tests.golden.make_mini_smoke import GOLDEN
from tests.golden.make_mini_smoke import text_digests
from tests.helpers.tasks import TASKS

pytestmark = pytest.mark.slow

SMOKE = preset("mini_smoke")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    ensure_benchmark("mini_smoke", folder)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_spec_gives_the_same_bytes(cache: Path, tmp_path: Path) -> None:
    write_benchmark(SMOKE, tmp_path, lambda what, done, total: None)

    again = digests(tmp_path)
    assert len(again) > 300
    assert again == digests(benchmark_folder("mini_smoke", cache))


def test_texts_have_the_bytes_that_this_version_of_the_generator_wrote(cache: Path) -> None:
    """If this fails on purpose: raise GENERATOR_VERSION, and make the file again as its script says."""
    assert text_digests(benchmark_folder("mini_smoke", cache)) == json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
def test_every_split_loads_with_pictures_and_boxes(cache: Path, task: str) -> None:
    from PIL import Image

    seen: set[str] = set()
    for name in splits_of(TASKS[task], "mini_smoke"):
        split = load_split(TASKS[task], "mini_smoke", name, cache)
        assert len(split.examples) >= 15
        images = {example.image for example in split.examples}
        assert images == set(split.boxes)
        assert not images & seen
        seen |= images
        with Image.open(Path(split.image_folder) / split.examples[0].image) as picture:
            assert picture.size == (224, 224)
        for image in images:  # decoded as ever: its features are what they were
            content = (Path(split.image_folder) / image).read_bytes()
            with Image.open(io.BytesIO(content)) as picture:
                assert decoded(content).tobytes() == picture.convert("RGB").tobytes()


@pytest.mark.parametrize("task", ["snli_ve", "vqa", "vcr"])
def test_no_training_text_names_a_held_out_concept_and_test_slices_do(cache: Path, task: str) -> None:
    words = {word for concept in concepts() if concept.held_out for word in (concept.noun, concept.plural)}

    def texts(name: str) -> str:
        split = load_split(TASKS[task], "mini_smoke", name, cache)
        pairs = [(c.query, c.response) for example in split.examples for c in example.candidates]
        return " ".join([*split.classes, *(text.text for pair in pairs for text in pair if text)])

    for name in splits_of(TASKS[task], "mini_smoke"):
        assert bool(words & set(texts(name).replace(".", " ").replace("?", " ").split())) == (name == "test")
    slices = {
        name for example in load_split(TASKS[task], "mini_smoke", "test", cache).examples for name in example.slices
    }
    assert slices == {"seen", "heldout_known", "heldout_unknown"}


def test_one_picture_serves_all_tasks(cache: Path) -> None:
    folder = benchmark_folder("mini_smoke", cache)
    thing = scene(SMOKE, "val", 0)
    paths = [
        folder / f"vqa/val2014/COCO_val2014_{thing.number:012d}.jpg",
        folder / f"snli_ve/flickr30k_images/{thing.number}.jpg",
    ]

    assert paths[0].samefile(paths[1])
    metadata = json.loads(paths[0].with_suffix(".json").read_text())
    assert [box[:4] for box in metadata["boxes"]] == [list(map(float, one.box)) for one in thing.things]


def test_boxes_hold_the_drawn_things_and_nothing_is_drawn_elsewhere() -> None:
    for index in (0, 1, SMOKE.sizes["train"].scenes - 1):
        shown = scene(SMOKE, "train", index)
        bare = scene(SMOKE, "train", index).__class__(
            **{name: getattr(shown, name) for name in shown.__slots__} | {"things": ()}
        )
        changed = (np.asarray(render(shown)) != np.asarray(render(bare))).any(axis=2)
        inside = np.zeros_like(changed)
        for thing in shown.things:
            x1, y1, x2, y2 = thing.box
            assert changed[y1:y2, x1:x2].mean() > 0.05
            inside[y1:y2, x1:x2] = True
        assert not (changed & ~inside).any()


def test_line_drawings_have_no_colour_and_differ_from_the_coloured_sprite() -> None:
    for concept in concepts():
        line = np.asarray(sprite_picture(concept, "line", size_px=72), dtype=int)
        colour = np.asarray(sprite_picture(concept, "colour", size_px=72), dtype=int)
        assert np.ptp(line, axis=2).max() <= 8, concept.name
        assert (line < 128).mean() > 0.01, concept.name
        assert np.abs(line - colour).max() > 50, concept.name


def test_processes_that_want_it_at_once_generate_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Path] = []

    def write(spec: object, folder: Path, progress: object) -> None:
        calls.append(folder)
        (folder / "benchmark.json").write_text("{}")

    monkeypatch.setattr(build, "write_benchmark", write)
    threads = [threading.Thread(target=ensure_benchmark, args=("mini_smoke", tmp_path)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(calls) == 1
    assert (benchmark_folder("mini_smoke", tmp_path) / "benchmark.json").is_file()


def test_a_generation_that_fails_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(spec: object, folder: Path, progress: object) -> None:
        (folder / "half").write_text("")
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "write_benchmark", fail)
    with pytest.raises(KeyboardInterrupt):
        ensure_benchmark("mini_smoke", tmp_path)

    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


def test_progress_counts_scenes_to_the_end(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    write_benchmark(SMOKE, tmp_path, lambda *row: seen.append(row))

    assert seen[-1][1] == seen[-1][2] == sum(size.scenes for size in SMOKE.sizes.values())
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def in_parts(folder: Path, workers: int) -> dict[str, str]:
    write_benchmark(SMOKE, folder, lambda what, done, total: None, scenes_a_part=20, workers=workers)
    return digests(folder)


def test_parts_that_processes_make_at_once_are_those_made_one_after_the_other(tmp_path: Path) -> None:
    assert in_parts(tmp_path / "one", 1) == in_parts(tmp_path / "two", 2)


def test_a_split_made_in_parts_has_every_picture_and_row_and_no_id_twice(cache: Path, tmp_path: Path) -> None:
    in_parts(tmp_path, 1)

    whole = benchmark_folder("mini_smoke", cache)
    pictures = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.jpg")}
    assert pictures == {path.relative_to(whole) for path in whole.rglob("*.jpg")}
    assert not (tmp_path / "parts").exists()
    pairs = [json.loads(line)["pairID"] for line in (tmp_path / "snli_ve/snli_ve_train.jsonl").open()]
    assert len(set(pairs)) == len(pairs) > 0.9 * SMOKE.sizes["train"].statements
    asked = json.loads((tmp_path / "vqa/v2_OpenEnded_mscoco_train2014_questions.json").read_text())["questions"]
    answered = json.loads((tmp_path / "vqa/v2_mscoco_train2014_annotations.json").read_text())["annotations"]
    assert [row["question_id"] for row in asked] == [row["question_id"] for row in answered]
    assert len({row["question_id"] for row in asked}) == len(asked) > 0.9 * SMOKE.sizes["train"].questions


def test_a_large_train_is_stored_and_gives_the_examples_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = TrialConfig.model_validate({"task": {"name": "snli_ve", "data": "mini_smoke"}})
    read = load_split(config.task.part, "mini_smoke", "train", tmp_path).examples
    monkeypatch.setattr(spec, "MOST_IN_MEMORY", 100)
    prepare([config], tmp_path, lambda what, done, total: None)

    stored = load_split(config.task.part, "mini_smoke", "train", tmp_path).examples
    assert isinstance(stored, StoredExamples) and not isinstance(read, StoredExamples)
    assert tuple(stored) == tuple(read)
