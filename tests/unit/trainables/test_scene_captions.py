"""Pictures and captions of `mini_scene_encoder`: what they promise, and that what they call true is true."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from ablative.trainables.benchmark.concepts import by_name
from ablative.trainables.benchmark.concepts import plural_of
from ablative.trainables.benchmark.contents import Contents
from ablative.trainables.benchmark.questions import questions
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.spec import preset
from ablative.trainables.benchmark.statements import statements
from ablative.trainables.teachers.scene_captions import SEED
from ablative.trainables.teachers.scene_captions import captions
from ablative.trainables.teachers.scene_captions import teacher_scenes
from ablative.trainables.teachers.scene_facts import NUMBERS
from ablative.trainables.teachers.scene_facts import SOMEBODY
from ablative.trainables.teachers.scene_facts import Claim
from ablative.trainables.teachers.scene_facts import Facts
from ablative.trainables.teachers.scene_facts import facts

Captioned = list[tuple[Scene, Facts, list[tuple[Claim, str]]]]


@pytest.fixture(scope="module")
def captioned() -> Captioned:
    return [
        (shown, known, captions(shown, known, np.random.default_rng([SEED, 1, shown.index]), 12))
        for shown in islice(teacher_scenes(200), 200)
        for known in [facts(shown)]
    ]


def bears(shown: Scene, place: int, name: str) -> bool:
    concept = shown.things[place].concept
    coloured = {concept.name} if shown.shows_colour or not concept.colour else set()
    return name in {concept.noun, concept.category} | coloured


def holds(shown: Scene, claim: Claim) -> bool:
    """The claim, read from the scene graph as a person would."""
    places = [place for place in range(len(shown.things)) if bears(shown, place, claim.name)]
    if claim.kind == "there":
        return bool(places)
    if claim.kind == "absent":
        return not places
    if claim.kind == "only":
        return len(places) == 1
    if claim.kind == "count":
        return len(places) == NUMBERS[claim.value]
    if claim.kind == "colour":
        return [shown.things[place].concept.colour for place in places] == [claim.value]
    others = [place for place in range(len(shown.things)) if bears(shown, place, claim.other)]
    if claim.kind == "side":
        return any(
            a != b and relation(shown.things[a].box, shown.things[b].box) == claim.value
            for a in places
            for b in others
        )
    owned = [shown.things[place].owner for place in others]
    return any(owner is not None and (claim.name == SOMEBODY or owner in places) for owner in owned)


def test_captions_come_in_pairs_of_what_holds_in_the_scene_and_what_does_not(captioned: Captioned) -> None:
    for shown, known, said in captioned:
        for number, (claim, text) in enumerate(said):
            assert known.truth(claim) is (number % 2 == 0), text
            assert holds(shown, claim) is (number % 2 == 0), text
    kinds = {claim.kind for *_, said in captioned for claim, _ in said}
    assert kinds == {"there", "absent", "count", "only", "side", "colour", "with"}


def test_a_false_caption_is_mostly_about_the_same_things_as_the_true_one_before_it(captioned: Captioned) -> None:
    pairs = [(said[n][0], said[n + 1][0]) for *_, said in captioned for n in range(0, 12, 2)]
    sides = [(true, false) for true, false in pairs if true.kind == "side"]
    same = [(true.name, true.other) == (false.name, false.other) for true, false in sides]
    assert len(sides) > 50 and np.mean(same) > 0.9


def test_colours_are_left_open_in_a_line_drawing(captioned: Captioned) -> None:
    hearts = [
        known
        for shown, known, _ in captioned
        if shown.style == "line" and any(thing.concept.noun == "heart" for thing in shown.things)
    ]
    assert hearts
    for known in hearts:
        assert known.truth(Claim("there", "heart")) is True
        assert known.truth(Claim("there", "red heart")) is None
        assert known.truth(Claim("absent", "red heart")) is None
        assert known.truth(Claim("colour", "heart", "red")) is None


def test_no_picture_or_caption_shows_what_the_teacher_must_not_know(captioned: Captioned) -> None:
    hidden = [concept for concept in by_name().values() if not concept.teacher_sees]
    assert hidden
    forms = {form for concept in hidden for form in (concept.noun, plural_of(concept.noun))}
    assert not forms & {word for *_, said in captioned for _, text in said for word in text.split()}
    assert not forms & {thing.concept.noun for shown, *_ in captioned for thing in shown.things}


def test_no_picture_has_contents_that_a_split_of_the_benchmark_may_have(captioned: Captioned) -> None:
    for shown, *_ in captioned:
        names = tuple(thing.concept.name for thing in shown.things)
        assert Contents(names=names, kind=shown.kind).split == "pretrain"


def test_no_caption_is_worded_as_a_statement_or_question_of_the_benchmark(captioned: Captioned) -> None:
    spec = preset("mini")
    for split in ("val", "test"):
        drawn = [scene(spec, split, index) for index in range(spec.sizes[split].scenes)]
        things = [shown for shown in drawn if shown.kind == "things"]
        texts = [said.text for said in statements(spec, split, things)]
        texts += [asked.text for asked in questions(spec, split, drawn)]
        worded = {text.lower().rstrip(".?") for text in texts}
        assert not worded & {text for *_, said in captioned for _, text in said}


def test_scenes_and_captions_are_the_same_every_time(captioned: Captioned) -> None:
    again = list(islice(teacher_scenes(200), 20))
    assert again == [shown for shown, *_ in captioned[:20]]
    known = facts(again[7])
    assert captions(again[7], known, np.random.default_rng([SEED, 1, 7]), 12) == captioned[7][2]
