"""Statements, questions and annotations of the bundled benchmark, checked against their scene graphs."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from ablative.trainables.benchmark.annotators import ten_answers
from ablative.trainables.benchmark.commonsense import Annotation
from ablative.trainables.benchmark.commonsense import vcr_annotations
from ablative.trainables.benchmark.concepts import concepts
from ablative.trainables.benchmark.concepts import with_article
from ablative.trainables.benchmark.questions import Question
from ablative.trainables.benchmark.questions import questions
from ablative.trainables.benchmark.relations import distance
from ablative.trainables.benchmark.relations import relation
from ablative.trainables.benchmark.rows import class_names
from ablative.trainables.benchmark.scene import Scene
from ablative.trainables.benchmark.scene import Thing
from ablative.trainables.benchmark.scene import scene
from ablative.trainables.benchmark.select import Candidate
from ablative.trainables.benchmark.select import select
from ablative.trainables.benchmark.spec import MiniSpec
from ablative.trainables.benchmark.spec import SplitSize
from ablative.trainables.benchmark.statements import Statement
from ablative.trainables.benchmark.statements import statements

SIZE = SplitSize(things=100, people=50, statements=400, questions=400, annotations=150)
SPEC = MiniSpec(sizes=dict.fromkeys(("train", "test", "test_style", "test_priors"), SIZE))
HELD_OUT = [concept for concept in concepts() if concept.held_out]
SIDE = r"(left of|right of|above|below)"
NUMBERS = {"two": 2, "three": 3}

Scenes = dict[str, list[Scene]]


@pytest.fixture(scope="module")
def drawn() -> Scenes:
    return {split: [scene(SPEC, split, index) for index in range(SIZE.scenes)] for split in SPEC.sizes}


@pytest.fixture(scope="module")
def said(drawn: Scenes) -> dict[str, list[Statement]]:
    return {split: statements(SPEC, split, scenes[: SIZE.things]) for split, scenes in drawn.items()}


@pytest.fixture(scope="module")
def asked(drawn: Scenes) -> dict[str, list[Question]]:
    return {split: questions(SPEC, split, scenes) for split, scenes in drawn.items()}


@pytest.fixture(scope="module")
def annotated(drawn: Scenes) -> dict[str, list[Annotation]]:
    return {split: vcr_annotations(SPEC, split, scenes[SIZE.things :]) for split, scenes in drawn.items()}


def called(of: Scene, name: str) -> list[Thing]:
    """The visible things that a text may call `name`: by noun, full name, plural or category."""
    things = of.visible
    for concept in concepts():
        forms = {concept.name: concept.name, concept.plural: concept.name, concept.noun: concept.noun}
        forms[concept.plural.removeprefix(f"{concept.colour} ")] = concept.noun
        if name in forms:
            return [thing for thing in things if forms[name] in (thing.concept.name, thing.concept.noun)]
    return [thing for thing in things if thing.concept.category == name.removesuffix("s")]


def truth(of: Scene, text: str) -> str:
    """Label a hypothesis anew, by its words and the documented semantics."""
    hidden = "neutral" if of.has_package else "contradiction"
    if match := re.fullmatch(r"There is no (.+)\.", text):
        if called(of, match[1]):
            return "contradiction"
        return "neutral" if of.has_package else "entailment"
    if match := re.fullmatch(r"There is only one (.+)\.", text):
        count = len(called(of, match[1]))
        assert count > 0
        if count > 1:
            return "contradiction"
        return "neutral" if of.has_package else "entailment"
    if match := re.fullmatch(r"There is an? (.+)\.", text):
        return "entailment" if called(of, match[1]) else hidden
    if match := re.fullmatch(r"There are (two|three) (.+)\.", text):
        missing = NUMBERS[match[1]] - len(called(of, match[2]))
        assert missing >= 0
        return hidden if missing else "entailment"
    if match := re.fullmatch(rf"The (.+) is {SIDE} the (.+)\.", text):
        first, second = called(of, match[1]), called(of, match[3])
        if not first or not second:
            return hidden
        ((one,), (other,)) = first, second
        assert relation(one.box, other.box)
        return "entailment" if relation(one.box, other.box) == match[2] else "contradiction"
    match = re.fullmatch(r"The (.+) is (.+)\.", text)
    assert match, text
    if not called(of, match[1]):
        return hidden
    (one,) = called(of, match[1])
    return "entailment" if one.concept.colour == match[2] else "contradiction"


def test_every_hypothesis_has_the_label_that_its_scene_gives_it(
    drawn: Scenes, said: dict[str, list[Statement]]
) -> None:
    for split, rows in said.items():
        assert len(rows) > 300
        assert [row.label for row in rows] == [truth(drawn[split][row.scene], row.text) for row in rows]


def test_labels_are_balanced_within_each_template(said: dict[str, list[Statement]]) -> None:
    for template in ("is", "is_no", "count", "only_one", "relation", "colour"):
        labels = Counter(row.label for row in said["train"] if row.template == template)
        assert max(labels.values()) <= 0.5 * labels.total()
        assert min(labels.values()) >= 0.2 * labels.total()


def test_frequent_labels_are_rare_where_priors_are_turned_over(said: dict[str, list[Statement]]) -> None:
    def share(split: str, template: str, label: str) -> float:
        rows = [row for row in said[split] if row.template == template]
        return sum(row.label == label for row in rows) / len(rows)

    assert share("train", "is", "entailment") > 0.4 > 0.3 > share("test_priors", "is", "entailment")
    assert share("train", "is_no", "contradiction") > 0.4 > 0.3 > share("test_priors", "is_no", "contradiction")


def test_neither_text_says_a_scene_twice(said: dict[str, list[Statement]], asked: dict[str, list[Question]]) -> None:
    for rows in (*said.values(), *asked.values()):
        assert max(Counter((row.scene, row.text) for row in rows).values()) == 1


def test_held_out_concepts_are_named_in_test_only_and_make_its_slices(
    said: dict[str, list[Statement]], asked: dict[str, list[Question]]
) -> None:
    words = {word for concept in HELD_OUT for word in (concept.name, concept.plural)}
    for rows_of in (said, asked):
        for split, rows in rows_of.items():
            named = [bool(words & set(re.findall(r"\w+", row.text))) for row in rows]
            assert named == [row.slice != "seen" for row in rows]
            assert any(named) == (split == "test")


def test_colours_are_not_asked_about_line_drawings(
    said: dict[str, list[Statement]], asked: dict[str, list[Question]]
) -> None:
    colours = {concept.colour for concept in concepts() if concept.colour}
    texts = [row.text for row in (*said["test_style"], *asked["test_style"])]

    assert not [text for text in texts if colours & set(re.findall(r"\w+", text.lower())) or "colour" in text]


def answer(of: Scene, text: str) -> str:
    """Answer a question anew, by its words."""
    if match := re.fullmatch(r"How many people are there\?", text):
        return str(len(of.people))
    if match := re.fullmatch(r"How many (.+) are there\?", text):
        return str(len(called(of, match[1])))
    if match := re.fullmatch(r"Is there an? (.+)\?", text):
        return "yes" if called(of, match[1]) else "no"
    if match := re.fullmatch(rf"Is the (.+?) {SIDE} the (.+)\?", text):
        ((one,), (other,)) = called(of, match[1]), called(of, match[3])
        return "yes" if relation(one.box, other.box) == match[2] else "no"
    if match := re.fullmatch(rf"What is {SIDE} the (.+)\?", text):
        (anchor,) = called(of, match[2])
        (found,) = [thing for thing in of.things if relation(thing.box, anchor.box) == match[1]]
        return found.concept.noun
    if match := re.fullmatch(r"What (.+) is in the picture\?", text):
        (found,) = called(of, match[1])
        return found.concept.noun
    if match := re.fullmatch(r"What colour is the (.+)\?", text):
        (found,) = called(of, match[1])
        return str(found.concept.colour)
    match = re.fullmatch(r"Is the (.+) (\w+)\?", text)
    assert match, text
    (found,) = called(of, match[1])
    return "yes" if found.concept.colour == match[2] else "no"


def test_every_question_has_the_answer_that_its_scene_gives_it(
    drawn: Scenes, asked: dict[str, list[Question]]
) -> None:
    for split, rows in asked.items():
        assert len(rows) > 300
        assert [row.answer for row in rows] == [answer(drawn[split][row.scene], row.text) for row in rows]


def test_answer_priors_are_skewed_and_turned_over(asked: dict[str, list[Question]]) -> None:
    def yes(split: str) -> float:
        answers = [row.answer for row in asked[split] if row.answer_type == "yes/no"]
        return answers.count("yes") / len(answers)

    assert 0.55 < yes("train") < 0.65
    assert 0.35 < yes("test_priors") < 0.45


def test_no_answer_is_a_held_out_concept(asked: dict[str, list[Question]]) -> None:
    nouns = {concept.noun for concept in HELD_OUT}

    assert not [row for rows in asked.values() for row in rows if row.answer in nouns]


def test_most_of_ten_annotators_agree_and_some_do_not() -> None:
    rng = np.random.default_rng(0)
    for truth_, kind in (("yes", "yes/no"), ("2", "number"), ("0", "number"), ("cat", "other"), ("red", "other")):
        said_ = [ten_answers(truth_, kind, rng) for _ in range(200)]
        counts = [sum(one.text == truth_ for one in ten) for ten in said_]
        assert all(len(ten) == 10 for ten in said_)
        assert min(counts) >= 6 and 9.4 < float(np.mean(counts)) < 9.8
        others = {one.text for ten in said_ for one in ten} - {truth_}
        assert "unknown" in others and len(others) >= 2
        assert not others & {concept.name for concept in HELD_OUT}
    assert {one.confidence for ten in said_ for one in ten} == {"yes", "maybe", "no"}


def words(tokens: list[str | list[int]]) -> str:
    return " ".join(token if isinstance(token, str) else "#" for token in tokens)


def test_right_answers_name_the_nearest_thing_and_wrong_ones_do_not(
    drawn: Scenes, annotated: dict[str, list[Annotation]]
) -> None:
    for split, rows in annotated.items():
        assert len(rows) == SIZE.annotations
        for row in rows:
            of = drawn[split][row.scene]
            people = next(token for token in row.question if isinstance(token, list))
            for place, choice in enumerate(row.answers):
                named = [
                    f" {form} " in f" {words(choice)} "
                    for person in people
                    for form in [nearest(of, person).concept.name]
                ]
                assert all(named) == (place == row.answer_label), (row, place)


def nearest(of: Scene, person: int) -> Thing:
    return min(of.visible, key=lambda thing: distance(of.things[person].box, thing.box))


def test_right_rationales_say_where_and_wrong_ones_say_another_side(
    drawn: Scenes, annotated: dict[str, list[Annotation]]
) -> None:
    for split, rows in annotated.items():
        for row in rows:
            of = drawn[split][row.scene]
            people = next(token for token in row.question if isinstance(token, list))
            own = [nearest(of, person) for person in people]
            first = of.things[people[0]] if len(people) == 1 else own[0]
            sides = [re.search(SIDE, words(choice))[0] for choice in row.rationales]  # type: ignore[index]
            assert len(set(sides)) == 4
            said_side = relation(first.box, own[-1].box)
            assert said_side in (None, sides[row.rationale_label])


def test_right_choices_repeat_the_tag_more_often_than_wrong_ones(annotated: dict[str, list[Annotation]]) -> None:
    repeated: dict[bool, list[bool]] = {True: [], False: []}
    for row in annotated["train"]:
        tag = next(token for token in row.question if isinstance(token, list))
        for choices, label in ((row.answers, row.answer_label), (row.rationales, row.rationale_label)):
            for place, choice in enumerate(choices):
                repeated[place == label].append(tag in choice)

    assert 0.6 < np.mean(repeated[True]) < 0.8
    assert 0.3 < np.mean(repeated[False]) < 0.5


def test_four_choices_differ_and_labels_are_spread(annotated: dict[str, list[Annotation]]) -> None:
    for rows in annotated.values():
        for row in rows:
            assert len({words(choice) for choice in row.rationales}) == 4
            assert len({words(choice).partition(" ")[2] for choice in row.answers}) == 4
        for labels in ([row.answer_label for row in rows], [row.rationale_label for row in rows]):
            assert min(Counter(labels).values()) > 0.15 * len(rows) and len(set(labels)) == 4


def test_people_are_persons_to_vcr(drawn: Scenes) -> None:
    people = drawn["train"][-1]
    assert [name == "person" for name in class_names(people)] == [
        place in people.people for place in range(len(people.things))
    ]


def test_selection_fills_cells_by_weight_and_spares_scenes() -> None:
    rng = np.random.default_rng(0)
    rows = [
        Candidate(item=(scene_, cell, heavy), scene=scene_, cell=(cell,), weight=9.0 if heavy else 1.0)
        for scene_ in range(100)
        for cell in "ab"
        for heavy in (True, False)
    ]
    taken = select(rows, {("a",): 3.0, ("b",): 1.0}, 80, rng)

    assert Counter(cell for _, cell, _ in taken) == {"a": 60, "b": 20}
    assert np.mean([heavy for _, _, heavy in taken]) > 0.7
    assert max(Counter(scene_ for scene_, _, _ in taken).values()) <= 3


def test_articles_fit() -> None:
    assert [with_article(name) for name in ("cat", "owl", "umbrella", "orange book", "elephant")] == [
        "a cat",
        "an owl",
        "an umbrella",
        "an orange book",
        "an elephant",
    ]
