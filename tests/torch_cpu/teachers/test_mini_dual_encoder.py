"""The bundled teacher: as it is shipped, and aligned on a few emoji."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from safetensors.torch import save_file

from ablative.trainables.teachers.alignment_pictures import draw
from ablative.trainables.teachers.alignment_pictures import single_pictures
from ablative.trainables.teachers.dual_encoder import DualEncoder
from ablative.trainables.teachers.mini_dual_encoder import SHIPPED
from ablative.trainables.teachers.mini_dual_encoder import align_mini_dual_encoder
from ablative.trainables.teachers.mini_dual_encoder import load_mini_dual_encoder
from ablative.trainables.teachers.mini_dual_encoder import untrained_mini_dual_encoder
from ablative.trainables.teachers.recipe import RECIPE
from ablative.trainables.teachers.recipe import recipe_digest
from ablative.trainables.teachers.retrieval import held_out_retrieval
from tests.helpers.tasks import TASKS

SMALL = RECIPE.model_copy(update={"every": 48, "composed": 16, "batch_size": 16, "epochs": 30, "held_out_share": 0.4})

DIGEST = "f87a5f000d75457f763ad791ed53da4de87893e9a27fea13dab31dceaa514985"

pytestmark = pytest.mark.slow


def test_the_shipped_projections_are_those_that_were_measured() -> None:
    """If this fails on purpose: say in docs/log.md what was made anew, and measure its retrieval again."""
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() == DIGEST
    assert SHIPPED.stat().st_size < 2_000_000


def test_the_teacher_is_loaded_as_it_is_shipped_and_nothing_is_aligned(tmp_path: Path) -> None:
    calls: list[object] = []
    align_mini_dual_encoder(tmp_path, lambda *stage: calls.append(stage))
    teacher = load_mini_dual_encoder(tmp_path, lambda *stage: calls.append(stage))

    assert (calls, list(tmp_path.iterdir())) == ([], [])
    state = teacher.model.state_dict()
    assert all(torch.equal(state[name], value) for name, value in load_file(SHIPPED).items())


def test_a_cache_that_has_projections_of_its_own_keeps_to_them(tmp_path: Path) -> None:
    own = {name: value + 1 for name, value in load_file(SHIPPED).items()}
    folder = tmp_path / "teachers" / recipe_digest()[:16]
    folder.mkdir(parents=True)
    save_file(own, folder / "projections.safetensors")

    state = load_mini_dual_encoder(tmp_path, lambda *stage: None).model.state_dict()

    assert all(torch.equal(state[name], value) for name, value in own.items())


def test_the_shipped_teacher_knows_emoji_that_its_alignment_never_saw_as_well_as_was_measured() -> None:
    teacher = load_mini_dual_encoder(Path("/nowhere"), lambda *stage: None)
    found = held_out_retrieval(teacher, RECIPE.model_copy(update={"styles": ("colour",)}))
    with safe_open(SHIPPED, "pt") as shipped:
        measured = json.loads(shipped.metadata()["held_out_retrieval"])

    assert found["colour"] == pytest.approx(measured["colour"], abs=0.02)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def stages() -> list[str]:
    return []


@pytest.fixture(scope="module")
def teacher(cache: Path, stages: list[str]) -> DualEncoder:
    return load_mini_dual_encoder(cache, lambda stage, done, total: stages.append(stage), SMALL)


@pytest.fixture(scope="module")
def untrained() -> DualEncoder:
    return untrained_mini_dual_encoder()


def test_alignment_reports_its_stages_and_records_recipe_and_retrieval(teacher, cache, stages):
    assert list(dict.fromkeys(stages)) == [
        "teacher pictures",
        "teacher labels",
        "teacher alignment",
        "teacher retrieval",
    ]
    (folder,) = [path for path in (cache / "teachers").iterdir() if path.is_dir()]
    record = json.loads((folder / "recipe.json").read_text())
    assert record["recipe"] == SMALL.model_dump(mode="json")
    assert set(record["held_out_retrieval"]) == {"colour", "line"}
    assert 0 <= record["held_out_retrieval"]["line"]["recall_at_1"] <= 1


def test_the_aligned_teacher_is_read_back_without_aligning_again(teacher, cache):
    calls = []
    again = load_mini_dual_encoder(cache, lambda *stage: calls.append(stage), SMALL)
    assert not calls
    assert all(torch.equal(v, again.model.state_dict()[k]) for k, v in teacher.model.state_dict().items())


def test_it_tells_its_training_pictures_apart_and_the_untrained_control_does_not(teacher, untrained):
    pictures = [p for p in single_pictures(SMALL, held_out=False) if p.style == "colour"]
    from ablative.trainables.teachers.alignment_pictures import subjects
    from ablative.trainables.teachers.retrieval import recall

    labels = [subjects()[picture.shown[0]].labels[0] for picture in pictures]
    images = [draw(picture) for picture in pictures]
    scores = [recall(t.encode_images(images) @ t.encode_texts(labels).T)["recall_at_1"] for t in (teacher, untrained)]
    assert scores[0] > 0.8
    assert scores[1] < 0.3


def test_the_untrained_control_is_the_same_every_time_and_tells_pictures_apart_at_all(untrained):
    again = untrained_mini_dual_encoder().model.state_dict()
    assert all(torch.equal(value, again[name]) for name, value in untrained.model.state_dict().items())
    pictures = [draw(picture) for picture in single_pictures(SMALL, held_out=True)[:6]]
    embeddings = untrained.encode_images(pictures)
    assert torch.isfinite(embeddings).all()
    assert float((embeddings - embeddings.mean(0)).abs().max()) > 1e-4


def test_pooled_region_features_give_the_embedding_of_the_image(teacher, tmp_path):
    from ablative.trainables.data.examples import Candidate
    from ablative.trainables.data.examples import Example
    from ablative.trainables.data.examples import TaskSplit
    from ablative.trainables.data.examples import Text
    from ablative.trainables.vision.regions import build_regions
    from ablative.trainables.vision.regions import open_regions

    picture = draw(single_pictures(SMALL, held_out=False)[0]).resize((300, 200))
    picture.save(tmp_path / "a.png")
    query = Candidate(query=Text(text="x"))
    example = Example(id="a", image="a.png", candidates=(query,), targets=((0, 1.0),), stratum="a", group="a")
    split = TaskSplit(
        task=TASKS["snli_ve"], split="val", examples=(example,), image_folder=str(tmp_path), boxes={}, classes=("a",)
    )
    build_regions(split, tmp_path, lambda *_: None)
    features, _, _ = open_regions(tmp_path, str(tmp_path)).read(["a.png"])
    found = teacher.encode_pooled(torch.from_numpy(features[:, 0]).float())
    with Image.open(tmp_path / "a.png") as stored:
        expected = teacher.encode_images([stored])
    assert teacher.reads_region_trunk
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)  # regions are stored as float16
