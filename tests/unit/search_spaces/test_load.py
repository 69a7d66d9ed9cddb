from __future__ import annotations

from pathlib import Path

import pytest

from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.load import load_study
from ablative.search_spaces.load import sketched_study
from ablative.search_spaces.stopping import RULES
from ablative.trainables.config import CONTROLS
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import load
from tests.helpers.study_text import mistakes
from tests.helpers.study_text import subjects
from tests.helpers.tasks import TASKS

SPACE = HEAD + "search:\n  trials: 4\n  space:\n"

# What is added to a sound head, then place, value found and remedy of the only mistake.
SINGLE_MISTAKES = {
    "unknown section": ("seed: {confirm: [1]}", "seed", "unknown key", "seeds"),
    "unknown key": ("search: {trails: 3}", "search.trails", "unknown key", "trials"),
    "wrong type": ("search: {trials: three}", "search.trials", '"three"', "a whole number"),
    "number in quotes": ('search: {trials: "3"}', "search.trials", '"3"', "a whole number"),
    "real for whole": ("seeds: {confirm: [1.0]}", "seeds.confirm[0]", "1.0", "a whole number"),
    "out of range": ("comparisons: {alpha: 1.5}", "comparisons.alpha", "1.5", "at least 1e-6 and at most 0.5"),
    "enum typo": ("target: {mode: maxx}", "target.mode", '"maxx"', "max"),
    "unknown design": ("arms: {design: ladde}", "arms.design", '"ladde"', "ladder"),
    "unknown split": ("evaluate: [val, test_sytle]", "evaluate[1]", '"test_sytle"', "test_style"),
    "split twice": ("evaluate: [val, val]", "evaluate[1]", "second time", "once"),
    "target on a test split": ("target: {metric: test/accuracy}", "target.metric", "test/", "val/accuracy"),
    "seed twice": ("seeds: {confirm: [1, 2, 1]}", "seeds.confirm[2]", "seed 1", "listed once"),
    "seed of both phases": ("seeds: {search: [3], confirm: [3]}", "seeds.confirm[0]", "seed 3", "no search trial"),
    "negative seed": ("seeds: {confirm: [-1]}", "seeds.confirm[0]", "-1", "at least 0 and below"),
    "claim of an unknown arm": (
        "comparisons: {claims: {gain: {arm: bse, against: base}}}",
        "comparisons.claims.gain.arm",
        "an unknown arm bse",
        "base",
    ),
    "claim of an arm against itself": (
        "comparisons: {claims: {gain: {arm: base, against: base}}}",
        "comparisons.claims.gain.against",
        "the arm itself",
        "another arm",
    ),
    "claim of a difference and of none": (
        "arms: {controls: [no_distillation]}\n"
        "comparisons: {claims: {gain: {arm: base, against: no_distillation, at_least: 0.1, equivalent_within: 0.2}}}",
        "comparisons.claims.gain.equivalent_within",
        "0.2 beside at_least: 0.1",
        "left out, or moved to a second claim",
    ),
    "claim of at least nothing": (
        "arms: {controls: [no_distillation]}\n"
        "comparisons: {claims: {gain: {arm: base, against: no_distillation, at_least: 0}}}",
        "comparisons.claims.gain.at_least",
        "0",
        "above 0",
    ),
    "margin that is no share": (
        "comparisons: {margin: 2 percent}",
        "comparisons.margin",
        "2 percent",
        "a share of the reference arm's mean, as 2%",
    ),
    "weights of what is no condition": (
        "conditions: {task.data_fraction: [0.1, 1.0]}\ncomparisons: {weights: {task.name: {vqa: 2}}}",
        "comparisons.weights.task.name",
        "task.name, which is not a condition",
        "task.data_fraction",
    ),
    "weight of a value that does not occur": (
        'conditions: {task.data_fraction: [0.1, 1.0]}\ncomparisons: {weights: {task.data_fraction: {"0.2": 2}}}',
        "comparisons.weights.task.data_fraction.0.2",
        "0.2",
        "0.1",
    ),
    "weight of nothing": (
        'conditions: {task.data_fraction: [0.1, 1.0]}\ncomparisons: {weights: {task.data_fraction: {"0.1": 0}}}',
        "comparisons.weights.task.data_fraction.0.1",
        "0",
        "at least 1e-6",
    ),
    "weights of medians": (
        "conditions: {task.data_fraction: [0.1, 1.0]}\n"
        'comparisons: {estimate: median, weights: {task.data_fraction: {"0.1": 2}}}',
        "comparisons.weights",
        "weights beside estimate: median",
        "estimate: mean",
    ),
    "claim about what is no condition": (
        "arms: {controls: [no_distillation]}\n"
        "conditions: {task.data_fraction: [0.1, 1.0]}\n"
        "comparisons: {claims: {gain: {arm: base, against: no_distillation, where: {task.name: [vqa]}}}}",
        "comparisons.claims.gain.where.task.name",
        "task.name, which is not a condition",
        "task.data_fraction",
    ),
    "claim about a level that does not occur": (
        "arms: {controls: [no_distillation]}\n"
        "conditions: {task.data_fraction: [0.1, 1.0]}\n"
        "comparisons: {claims: {gain: {arm: base, against: no_distillation, where: {task.data_fraction: [0.2]}}}}",
        "comparisons.claims.gain.where.task.data_fraction[0]",
        "0.2",
        "0.1",
    ),
    "claim on a split that is not evaluated": (
        "arms: {controls: [no_distillation]}\n"
        "comparisons: {claims: {gain: {arm: base, against: no_distillation, splits: [test_style]}}}",
        "comparisons.claims.gain.splits[0]",
        "test_style, which the study does not evaluate",
        "test",
    ),
    "the method of a sampler": ("search: {sampler: bayes}", "search.sampler", '"bayes"', "tpe (one of"),
    "a field of the base": ("optim: {lr: 0.1}", "optim", "an unknown key", "base.optim.lr"),
    "a term that there is not": (
        "arms: {listed: {a: {distillation.terms.focal: 1.0}}}",
        "arms.listed.a.distillation.terms.focal",
        "an unknown field",
        "distillation.terms.image, distillation.terms.text,",
    ),
    "a number of seeds": ("seeds: {confirm: 7}", "seeds.confirm", "7", "or a range, as 1-7"),
    "a range that falls": ("seeds: {confirm: 9-1}", "seeds.confirm", '"9-1"', "a range, as 1-6"),
    "a range without end": ("seeds: {confirm: 1-99999999}", "seeds.confirm", "99999999", "of at most 1000"),
    "no seeds": ("seeds: {confirm: []}", "seeds.confirm", "[]", "at least one entry"),
    "GPU share": ("resources: {gpus_per_worker: 1.5}", "resources.gpus_per_worker", "1.5", "whole number"),
    "large batch": (
        "search: {trials: 2, batch: 4, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.batch",
        "4",
        "at most search.trials (2)",
    ),
    "data without its price": (
        "search: {trials: 4, space: {task.data_fraction: {uniform: [0.01, 1.0]}}}",
        "search.space.task.data_fraction",
        "best share of data",
        "search.cost",
    ),
    "price of what is not searched": (
        "search: {trials: 4, space: {optim.lr: {uniform: [1e-5, 1e-3]}}, cost: {path: task.data_fraction}}",
        "search.cost.path",
        "not in search.space",
        "optim.lr",
    ),
    "price of a word": (
        "search: {trials: 4, space: {optim.precision: {choice: [float32, bfloat16]}}, cost: {path: optim.precision}}",
        "search.cost.path",
        "not numbers",
        "a searched number",
    ),
    "logarithm of nothing": (
        "search: {trials: 4, space: {student.dropout: {uniform: [0.0, 0.3]}}, "
        "cost: {path: student.dropout, scale: log}}",
        "search.cost.scale",
        "not above 0",
        "linear",
    ),
    "stop beside a price": (
        "search: {trials: 4, stop: {median: {}}, space: {optim.lr: {uniform: [1e-5, 1e-3]}}, cost: {path: optim.lr}}",
        "search.stop",
        "search.cost",
        "left out",
    ),
    "cmaes of two targets": (
        "search: {trials: 4, sampler: cmaes, cost: {path: optim.lr}, "
        "space: {optim.lr: {uniform: [1e-5, 1e-3]}, student.dropout: {uniform: [0.0, 0.3]}}}",
        "search.sampler",
        "two targets",
        "search.cost.weight",
    ),
    "order without a path": ("arms: {order: racing}", "arms.order", "racing", "only the design `path`"),
    "path of one step": (
        "arms: {design: path, factors: {student.dropout: [0.2]}}",
        "arms.factors",
        "one factor",
        "two or more",
    ),
    "path with two levels a factor": (
        "arms: {design: path, factors: {distillation.distance: [l1, mse], student.dropout: [0.2]}}",
        "arms.factors.distillation.distance",
        "2 alternatives",
        "one",
    ),
    "race with one seed": (
        "arms: {design: path, order: racing, factors: {distillation.distance: [l1], student.dropout: [0.2]}}\n"
        "seeds: {search: [0]}",
        "seeds.search",
        "one seed",
        "two or more",
    ),
    "looks that fall": (
        "arms: {listed: {a: {}, b: {student.dropout: 0.2}}}\n"
        "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8], sequential: {looks: [7, 6]}}",
        "seeds.sequential.looks",
        "7, 6",
        "rising",
    ),
    "a look beyond the end": (
        "arms: {listed: {a: {}, b: {student.dropout: 0.2}}}\n"
        "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8], sequential: {looks: [8]}}",
        "seeds.sequential.looks",
        "8",
        "below 8",
    ),
    "a look that can decide nothing": (
        "arms: {listed: {a: {}, b: {student.dropout: 0.2}}}\n"
        "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], sequential: {looks: [5]}}",
        "seeds.sequential.looks[0]",
        "5 seeds",
        "at least 7",
    ),
    "looks with a share of false findings": (
        "arms: {listed: {a: {}, b: {student.dropout: 0.2}}}\n"
        "comparisons: {correction: benjamini_hochberg}\n"
        "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], sequential: {looks: [8]}}",
        "comparisons.correction",
        "benjamini_hochberg",
        "auto, holm, max_t or none",
    ),
    "futility without a margin": (
        "arms: {listed: {a: {}, b: {student.dropout: 0.2}}}\n"
        "seeds: {confirm: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], sequential: {looks: [8], futility: 0.1}}",
        "seeds.sequential.futility",
        "0.1 without a margin",
        "a comparisons.margin",
    ),
    "looks of a path": (
        "arms: {design: path, factors: {distillation.distance: [l1], student.dropout: [0.2]}}\n"
        "seeds: {sequential: {looks: [3]}}",
        "seeds.sequential",
        "design `path`",
        "left out",
    ),
    "two stopping rules": (
        "search: {trials: 4, stop: {median: {}, halving: {}}, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.stop",
        "halving",
        f"one of {', '.join([*RULES][:-1])} and {[*RULES][-1]}",
    ),
    "stop after the end": (
        "search: {trials: 4, stop: {median: {grace: 9}}, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.stop.median.grace",
        "9",
        "optim.evaluations",
    ),
    "halving of one": (
        "search: {trials: 4, batch: 1, stop: {halving: {}}, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.batch",
        "1",
        "2 or more",
    ),
    "cmaes of one number": (
        "search: {trials: 4, sampler: cmaes, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.sampler",
        "only optim.lr",
        "two searched numbers",
    ),
    "endless grid": (
        "search: {trials: 4, sampler: grid, space: {optim.lr: {uniform: [1e-5, 1e-3]}}}",
        "search.space.optim.lr",
        "infinitely many values",
        "choice, randint",
    ),
    "cut grid": (
        "search: {trials: 4, sampler: grid, space: {optim.epochs: {randint: [1, 6]}}}",
        "search.trials",
        "too few for the whole grid",
        "at least 5",
    ),
    "warm start from itself": (
        "search: {warm_start: tiny}",
        "search.warm_start",
        "the study itself",
        "another study",
    ),
    "trials of nothing": ("search: {trials: 2}", "search.trials", "empty search.space", "1"),
    "empty condition": ("conditions: {task.name: []}", "conditions.task.name", "[]", "at least one entry"),
    "unknown task": ("conditions: {task.name: [vcr, snli]}", "conditions.task.name[1]", '"snli"', "snli_ve"),
    "condition out of range": ("conditions: {task.data_fraction: [2]}", "conditions.task.data_fraction[0]", "2", "1"),
    "condition twice": ("conditions: {task.name: [vcr, vcr]}", "conditions.task.name[1]", "second time", "once"),
    "condition of a group": ("conditions: {task: [vcr]}", "conditions.task", "a group", "task.name"),
    "path without its group": ("conditions: {data_fraction: [1.0]}", "conditions.data_fraction", "unknown", "task."),
    "unknown control": (
        "arms: {controls: [shufled_teacher]}",
        "arms.controls.shufled_teacher",
        "unknown control shufled_teacher",
        "shuffled_",
    ),
    "control twice": (
        "arms: {controls: [text_only, text_only]}",
        "arms.controls",
        "text_only",
        "no name occurs twice",
    ),
    "unknown named arm": ("arms: {listed: {naive: }}", "arms.listed.naive", "unknown arm naive", "naive_text"),
    "unknown path in an arm": ("arms: {listed: {a: {optim.lrr: 1}}}", "arms.listed.a.optim.lrr", "lrr", "optim.lr"),
    "bad value in an arm": (
        "arms: {listed: {a: {optim.lr: 0}}}",
        "arms.listed.a.optim.lr",
        "0",
        "at least 1e-9 and at most 100",
    ),
    "unknown reference": ("arms: {listed: {a: {}}, reference: b}", "arms.reference", "unknown arm b", "one of a"),
    "factors of no design": ("arms: {factors: {optim.lr: [1.0]}}", "arms.factors", "listed", "ladder"),
    "design of no factors": ("arms: {design: ladder}", "arms.factors", "no factors", "ladder to vary"),
    "factor of two forms": (
        "arms: {design: ladder, factors: {a: {with: {optim.lr: 1.0}, without: {optim.lr: 2.0}}}}",
        "arms.factors.a",
        "without, with",
        "one of",
    ),
    "form of another design": (
        "arms: {design: leave_one_out, factors: {a: {with: {optim.lr: 1.0}}}}",
        "arms.factors.a",
        "by with",
        "without",
    ),
    "empty change": ("arms: {design: ladder, factors: {a: {with: {}}}}", "arms.factors.a.with", "no changes", "one"),
    "empty levels": ("arms: {design: add_one, factors: {optim.lr: []}}", "arms.factors.optim.lr", "[]", "one"),
    "bad level": (
        "arms: {design: add_one, factors: {student.dropout: [0.2, 1.0]}}",
        "arms.factors.student.dropout[1]",
        "1.0",
        "below 1",
    ),
    "level that is the base": (
        "arms: {design: add_one, factors: {a: {with: {student.dropout: 0.1}}}}",
        "arms.factors.a",
        "the base's own values",
        "change that differs",
    ),
    "condition that an arm changes": (
        "arms: {controls: [text_only]}\nconditions: {task.inputs: [both, image]}",
        "arms.controls.text_only",
        "task.inputs",
        "removed here, or from conditions",
    ),
    "arms with one name": (
        "arms: {listed: {a: {}}, controls: {a: {optim.lr: 0.1}}}",
        "arms.controls.a",
        "a",
        "another name",
    ),
    "a key twice": ("evaluate: [val]\nevaluate: [test]", "evaluate", "second time", "first on line 5"),
}

# What is added to the space of a sound study.
SINGLE_SPACE_MISTAKES = {
    "a range without its domain": (
        "optim.lr: [1e-4, 1e-3]",
        "optim.lr",
        "[0.0001, 0.001]",
        "such as {loguniform: [0.0001, 0.001]}",
    ),
    "whole numbers without their domain": ("optim.epochs: [2, 5]", "optim.epochs", "[2, 5]", "{randint: [2, 6]}"),
    "options without their domain": (
        "distillation.distance: [l1, mse]",
        "distillation.distance",
        '["l1", "mse"]',
        '{choice: ["l1", "mse"]}',
    ),
    "unknown field": ("optim.wait_decay: {uniform: [0, 1]}", "optim.wait_decay", "unknown", "optim.weight_decay"),
    "field without its group": ("lr: {uniform: [1, 2]}", "lr", "unknown field", "optim.lr"),
    "unknown domain": ("optim.lr: {logunifrm: [1e-5, 1]}", "optim.lr", "logunifrm", "loguniform"),
    "two domains": ("optim.lr: {uniform: [1, 2], loguniform: [1, 2]}", "optim.lr", "uniform", "not several"),
    "bounds reversed": ("optim.lr: {uniform: [2, 1]}", "optim.lr.uniform", "[2, 1]", "low < high"),
    "three bounds": ("optim.lr: {uniform: [1, 2, 3]}", "optim.lr.uniform", "[1, 2, 3]", "[low, high]"),
    "logarithm of zero": ("optim.lr: {loguniform: [0, 1]}", "optim.lr.loguniform", "[0, 1]", "low > 0"),
    "beyond the field": ("student.dropout: {uniform: [0, 1]}", "student.dropout.uniform[1]", "1", "below 1"),
    "real for whole": ("optim.epochs: {uniform: [1, 9]}", "optim.epochs.uniform", "uniform", "randint"),
    "number for a name": ("student.preset: {randint: [1, 9]}", "student.preset.randint", "randint", "choice"),
    "option unknown": (
        "distillation.distance: {choice: [l1, l3]}",
        "distillation.distance.choice[1]",
        '"l3"',
        "l1",
    ),
    "one option": ("distillation.distance: {choice: [l1]}", "distillation.distance.choice", '["l1"]', "two values"),
    "unknown key": ("optim.lr: {uniform: [1, 2], wen: {}}", "optim.lr.wen", "unknown key", "when"),
    "unknown when": (
        "optim.lr: {uniform: [1, 2], when: {task.nam: vcr}}",
        "optim.lr.when.task.nam",
        "nam",
        "task.name",
    ),
    "impossible when": (
        "optim.lr: {uniform: [1, 2], when: {task.name: {in: [vcr, foo]}}}",
        "optim.lr.when.task.name",
        '"foo"',
        "one of",
    ),
    "shapeless when": (
        "optim.lr: {uniform: [1, 2], when: {task.name: {nto: vcr}}}",
        "optim.lr.when.task.name",
        "nto",
        "{not: value}",
    ),
    "when that never holds": ("optim.lr: {uniform: [1, 2], when: {task.name: vcr}}", "optim.lr", "no arm", "active"),
    "parameter that cannot matter": (
        "distillation.weighting.max_weight: {uniform: [1, 2]}",
        "distillation.weighting.max_weight",
        "no arm uses",
        "removed",
    ),
}


def test_a_name_instead_of_a_study_is_one_mistake() -> None:
    (mistake,) = mistakes(HEAD.replace("study:", "name:"))
    assert (mistake.path, mistake.expected.partition(" ")[0]) == ("name", "study")


def test_seeds_may_be_a_range_with_both_ends() -> None:
    study = load(HEAD + "seeds: {search: 0-1, confirm: 3-9}")
    assert (study.seeds.search, study.seeds.confirm) == ((0, 1), (3, 4, 5, 6, 7, 8, 9))
    assert load(HEAD, "seeds.confirm=1-9").seeds.confirm == tuple(range(1, 10))


@pytest.mark.parametrize("case", SINGLE_MISTAKES)
def test_each_mistake_is_told_with_its_place_value_and_remedy(case: str) -> None:
    text, place, found, expected = SINGLE_MISTAKES[case]
    (mistake,) = mistakes(HEAD + text)
    assert mistake.path == place
    assert found in mistake.found
    assert expected in mistake.expected
    assert mistake.line is not None and mistake.line >= 5


@pytest.mark.parametrize("case", SINGLE_SPACE_MISTAKES)
def test_each_mistake_in_a_search_space_is_told_with_its_place_value_and_remedy(case: str) -> None:
    text, place, found, expected = SINGLE_SPACE_MISTAKES[case]
    (mistake,) = mistakes(SPACE + f"    {text}\n    optim.weight_decay: {{uniform: [0.0, 0.1]}}")
    assert mistake.path == f"search.space.{place}"
    assert found in mistake.found
    assert expected in mistake.expected
    assert mistake.line == 8


def test_base_mistakes_name_the_nearest_field_value_and_nesting() -> None:
    found = mistakes(
        """\
        study: tiny
        question: q
        base:
          task: {name: snlive, data_fraction: 2}
          optim: {lr: "1e-3", lrr: 3}
          task.inputs: text
        """
    )
    told = {mistake.path: (mistake.line, mistake.expected) for mistake in found}
    assert told["base.task.name"] == (4, f"snli_ve (one of {', '.join(TASKS)})")
    assert told["base.task.data_fraction"] == (4, "at least 1e-6 and at most 1")
    assert told["base.optim.lr"] == (5, "a number")
    assert told["base.optim.lrr"][1] == "lr"
    assert told["base.task.inputs"] == (6, "nested: task: {inputs: ...}")
    assert len(found) == 5


def test_missing_sections_are_told_together() -> None:
    found = mistakes("evaluate: [val]")
    assert [mistake.path for mistake in found] == ["base", "question", "study"]
    assert all(mistake.found == "nothing" for mistake in found)


def test_mistakes_of_all_kinds_come_at_once_in_the_order_of_the_file() -> None:
    found = mistakes(
        HEAD
        + """
conditions: {task.nme: [vcr]}
search: {trials: 0, space: {optim.lr: {uniform: [1, 0]}, student.dropout: {uniform: [0, 7]}}}
seeds: {confirm: [1, 1]}
evaluate: [vall]
"""
    )
    assert [mistake.path for mistake in found] == [
        "conditions.task.nme",
        "search.space.optim.lr.uniform",
        "search.space.student.dropout.uniform[1]",
        "search.trials",
        "seeds.confirm[1]",
        "evaluate[0]",
    ]


def test_a_bad_part_causes_no_mistake_elsewhere() -> None:
    (mistake,) = mistakes(HEAD + "search: {trials: x, batch: 4, space: {optim.lr: {uniform: [1, 2]}}}")
    assert mistake.path == "search.trials"


def test_arms_that_come_out_identical_are_both_named() -> None:
    arms = "arms: {listed: {full: {}, hot: {distillation.weighting.max_weight: 9.0}}}"  # without effect on `ratio`
    (mistake,) = mistakes(HEAD + arms)
    assert mistake.path == "arms.listed.hot"
    assert "arm hot" in mistake.found and "arm full" in mistake.found


def test_arms_identical_under_one_condition_only_are_named_with_it() -> None:
    found = mistakes(
        HEAD
        + """\
arms: {listed: {full: {}, spread: {distillation.selection.score: all}}}
conditions: {distillation.terms.tokens: [0.0, 1.0]}
"""
    )
    assert [mistake.path for mistake in found] == ["arms.listed.spread"]
    assert "under distillation.terms.tokens=0.0" in found[0].found


@pytest.mark.parametrize(
    ("conditions", "values"),
    [
        ("task.data_fraction: [1, 1.0]", ("1.0", "as 1 ")),
        ("teacher.precision: [float16, float32]", ('"float32"', 'as "float16"')),
        ("optim.adversarial.kl_weight: [0.1, 0.5]", ("0.5", "as 0.1")),
        ("student.trunk_model: [RN50, RN101]", ('"RN101"', 'as "RN50"')),
    ],
)
def test_two_values_of_a_condition_that_no_arm_tells_apart_are_both_named(
    conditions: str, values: tuple[str, str]
) -> None:
    (mistake,) = mistakes(HEAD + f"arms: {{listed: {{no_distillation: }}}}\nconditions: {{{conditions}}}")

    assert mistake.path == f"conditions.{conditions.partition(':')[0]}[1]"
    assert all(value in mistake.found for value in values) and mistake.found.endswith("in every arm")
    assert mistake.expected == "removed, or a value that changes what some arm computes"


def test_a_condition_that_matters_to_one_arm_is_no_mistake() -> None:
    arms = "arms: {listed: {no_distillation: , naive_distillation: }}\n"
    assert mistakes(HEAD + arms + "conditions: {teacher.precision: [float16, float32]}") == ()


def test_conditions_that_are_alike_only_beside_another_are_named_with_it() -> None:
    arms = "arms: {listed: {no_distillation: }}\n"
    crossed = "conditions: {optim.adversarial.steps: [0, 2], optim.adversarial.kl_weight: [0.1, 0.5]}"
    (mistake,) = mistakes(HEAD + arms + crossed)
    assert mistake.path == "conditions.optim.adversarial.kl_weight[1]"
    assert mistake.found.endswith("in every arm under optim.adversarial.steps=0")
    both = "conditions: {task.data_fraction: [0.5, 1, 1.0], teacher.precision: [float16, float32]}"
    paths = [mistake.path for mistake in mistakes(HEAD + arms + both)]
    assert paths == ["conditions.task.data_fraction[2]", "conditions.teacher.precision[1]"]


def test_a_searched_parameter_may_be_fixed_by_an_arm_but_not_be_a_factor_or_condition() -> None:
    space = "search: {trials: 4, space: {distillation.selection.ratio: {uniform: [0.1, 0.9]}}}\n"
    listed = "arms: {listed: {full: {}, half: {distillation.selection.ratio: 0.5}}}"
    assert mistakes(HEAD + space + listed) == ()
    (mistake,) = mistakes(HEAD + space + "arms: {design: add_one, factors: {distillation.selection.ratio: [0.5]}}")
    assert mistake.path == "arms.factors.distillation.selection.ratio"
    assert "search.space.distillation.selection.ratio" in mistake.expected
    (mistake,) = mistakes(HEAD + space + "conditions: {distillation.selection.ratio: [0.5, 0.6]}")
    assert mistake.path == "search.space.distillation.selection.ratio"


def test_overlapping_factors_of_a_factorial_are_a_mistake() -> None:
    (mistake,) = mistakes(
        HEAD
        + """\
arms:
  design: factorial
  factors:
    naive: {without: {distillation.terms: {image: 0.0, text: 0.0}}}
    image: {without: {distillation.terms.image: 0.0}}
"""
    )
    assert mistake.path == "arms.factors.image"
    assert "the factor naive" in mistake.found


def test_a_parameter_may_depend_on_earlier_parameters_only() -> None:
    ratio = "distillation.selection.ratio: {uniform: [0.1, 0.9], when: {distillation.selection.score: {not: all}}}"
    score = "distillation.selection.score: {choice: [all, visual]}"
    assert mistakes(SPACE + f"    {score}\n    {ratio}") == ()
    (mistake,) = mistakes(SPACE + f"    {ratio}\n    {score}")
    assert mistake.path.startswith("search.space.distillation.selection.ratio.when")
    assert "declared later" in mistake.found
    (mistake,) = mistakes(SPACE + f"    {score}\n    {ratio.replace('{not: all}', 'visual_semantic')}")
    assert "never chooses" in mistake.found


def test_a_design_too_large_to_run_is_refused_before_it_is_built() -> None:
    factors = "\n".join(f"    f{n}: {{levels: {{a: {{optim.epochs: {n + 20}}}}}}}" for n in range(40))
    values = ", ".join(str(n / 1000) for n in range(1, 400))
    text = f"arms:\n  design: add_one\n  factors:\n{factors}\nconditions: {{task.data_fraction: [{values}]}}"
    (mistake,) = mistakes(HEAD + text)
    assert mistake.path == "conditions"
    assert mistake.found == f"{41 * 399} cells"


def test_known_metrics_are_held_against_the_target() -> None:
    text = HEAD + "target: {metric: val/acuracy}"
    assert mistakes(text) == ()
    (mistake,) = mistakes(text, metrics=("accuracy", "accuracy_other"))
    assert "accuracy" in mistake.expected


def test_named_arms_and_controls_are_written_out_in_the_loaded_study() -> None:
    study = load(HEAD + "arms: {listed: {no_distillation: , full: {}}, controls: [text_only]}")
    assert study.arms.listed == {"no_distillation": CONTROLS["no_distillation"], "full": {}}
    assert study.arms.controls == {"text_only": CONTROLS["text_only"]}
    assert type(study).model_validate(study.model_dump(mode="json")) == study


def test_a_study_of_the_least_words_has_defaults() -> None:
    study = load(HEAD)
    assert (study.search.trials, study.search.batch, study.search.space) == (1, 1, {})
    assert study.seeds.confirm == (1, 2, 3, 4, 5, 6)
    assert study.evaluate == ("val", "test")
    assert study.storage == "ablate-results"


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        ("quikstart", "quickstart?"),
        ("nowhere/quickstart.yaml", "quickstart?"),
        (
            "zzz",
            "a shipped study (clip_td_lowshot, clip_td_snli_ve, clip_td_vcr, clip_td_vqa, easy_vqa, mad_snli_ve, "
            "mini_clip_td, mini_from_scratch, mini_low_shot, quickstart)",
        ),
    ],
)
def test_a_missing_study_lists_the_shipped_ones_and_the_nearest(source: str, remedy: str) -> None:
    with pytest.raises(StudyError) as caught:
        load_study(source, subjects=subjects(), default="clip_td")
    assert remedy in caught.value.mistakes[0].expected


def test_a_missing_path_names_the_nearest_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "lowshot.yaml").write_text(HEAD)
    with pytest.raises(StudyError, match=r"lowshot\.yaml\? Give"):
        load_study(tmp_path / "lowshots.yaml", subjects=subjects(), default="clip_td")
    with pytest.raises(StudyError, match="this is a folder"):
        load_study(tmp_path, subjects=subjects(), default="clip_td")


def test_a_bare_name_that_is_a_file_here_asks_for_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text(HEAD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=r"\./mine\.yaml"):
        load_study("mine", subjects=subjects(), default="clip_td")
    study = load_study("./mine.yaml", subjects=subjects(), default="clip_td").study
    assert study.study == "tiny"


def test_the_name_of_a_study_is_read_whatever_its_trials_are_made_of(tmp_path: Path) -> None:
    """Records are asked for where the parts are not that made them."""
    path = tmp_path / "own.yaml"
    path.write_text("study: own\nstorage: there\nquestion: what?\nbase: {distillation: {terms: {focal: 1.0}}}\n")

    sketch = sketched_study(path)

    assert (sketch.study, sketch.storage) == ("own", "there")
    with pytest.raises(StudyError, match="focal"):
        load_study(path, subjects=subjects(), default="clip_td")


@pytest.mark.parametrize(
    ("text", "said"), [("study: a b\n", "study: found"), ("question: what?\n", "found nothing"), ("study: [", "found")]
)
def test_a_file_without_a_sound_name_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """With its line."""
    path = tmp_path / "own.yaml"
    path.write_text(text)

    with pytest.raises(StudyError, match=said):
        sketched_study(path)
