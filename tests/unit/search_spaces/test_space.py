from __future__ import annotations

from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.design import Cell
from ablative.search_spaces.space import active
from ablative.search_spaces.space import draw
from ablative.trainables.config import canonical
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import cells_of

PATHS = {
    "lr": "optim.lr: {loguniform: [1e-4, 1e-3]}",
    "score": "distillation.selection.score: {choice: [all, visual]}",
    "ratio": "distillation.selection.ratio: {uniform: [0.1, 0.9]}",
    "gated_ratio": "distillation.selection.ratio: {uniform: [0.1, 0.9], when: {distillation.selection.score: visual}}",
    "max_weight": "distillation.weighting.max_weight: {uniform: [2.0, 9.0]}",
}
ARMS = "arms: {listed: {plain: {distillation.terms: {image: 0.0, text: 0.0, tokens: 0.0}}, full: {}, clipped: {%s}}}\n"


def spaces(parameters: str, clipped: str = "distillation.weighting.confidence: clipped_ratio") -> dict[str, list[str]]:
    """Last words of the searched paths in each arm, where the study searches `parameters`."""
    space = "".join(f"    {PATHS[name]}\n" for name in parameters.split())
    found = cells_of(f"{HEAD}{ARMS % clipped}search:\n  trials: 4\n  space:\n{space}")
    return {arm: [path.rpartition(".")[2] for path, _ in cell.space] for arm, cell in found.items()}


def gated() -> Cell:
    """The cell of a study with one parameter that depends on another."""
    space = "".join(f"    {PATHS[name]}\n" for name in ("lr", "score", "gated_ratio"))
    return cells_of(f"{HEAD}search:\n  trials: 4\n  space:\n{space}")["base"]


def test_what_does_not_matter_in_a_cell_is_not_searched_there() -> None:
    assert spaces("lr ratio max_weight") == {
        "plain": ["lr"],
        "full": ["lr", "ratio"],
        "clipped": ["lr", "ratio", "max_weight"],
    }


def test_a_choice_that_only_switches_another_parameter_is_searched() -> None:
    assert spaces("lr score gated_ratio")["full"] == ["lr", "score", "ratio"]


def test_a_parameter_is_searched_where_some_choice_lets_it_matter() -> None:
    assert spaces("lr ratio score")["full"] == ["lr", "ratio", "score"]


def test_an_arm_that_sets_a_parameter_keeps_it() -> None:
    found = spaces("lr ratio", clipped="distillation.selection.ratio: 0.5")
    assert (found["full"], found["clipped"]) == (["lr", "ratio"], ["lr"])


def test_drawing_goes_in_order_and_asks_for_active_parameters_only() -> None:
    cell = gated()
    for score, expected in (("all", ["lr", "score"]), ("visual", ["lr", "score", "ratio"])):
        values = {"distillation.selection.score": score}
        chosen = draw(cell.space, cell.config, lambda path, domain, v=values: v.get(path, domain.probes()[0]))
        assert [path.rpartition(".")[2] for path in chosen] == expected
        assert active(cell.space, chosen, cell.config) == tuple(p for p in cell.space if p[0] in chosen)


def test_settings_of_what_search_may_switch_on_are_kept() -> None:
    text = """\
    study: tiny
    question: q
    base: {distillation: {selection: {ratio: 0.7, draw: sampled}, weighting: {temperature: 0.3}}}
    search: {trials: 4, space: {distillation.terms.tokens: {uniform: [0.0, 1.0]}}}
    """
    (cell,) = cells_of(text).values()
    config = cell.config
    assert config.distillation.selection.ratio == 0.7  # type: ignore[attr-defined]
    assert config.distillation.weighting.temperature == 0.1  # type: ignore[attr-defined] - needs `sigmoid`
    switched_on = canonical(replaced(config, {"distillation.terms.tokens": 0.5}))  # type: ignore[type-var]
    assert (switched_on.distillation.selection.ratio, switched_on.distillation.selection.draw) == (0.7, "sampled")
