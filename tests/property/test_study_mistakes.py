from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from search_spaces.shipped import FOLDER
from tests.helpers.study_text import cells_of
from tests.helpers.study_text import mistakes

SOUND: dict[str, Any] = yaml.safe_load(
    (FOLDER / "clip_td_vcr.yaml").read_text(encoding="utf-8").replace("e-", ".0e-")
) | {"resources": {"workers": 1}, "comparisons": {"alpha": 0.05}}
SOUND["arms"] |= {
    "design": "factorial",
    "factors": {"a": {"without": {"distillation.terms.image": 0.0}}, "student.dropout": [0.2, 0.3]},
}
del SOUND["arms"]["listed"]["clip_td"]  # the design has the base already
SOUND["search"]["space"] = {
    "optim.lr": {"loguniform": [1e-5, 1e-3], "when": {"task.name": {"in": ["vcr"]}}},
    "distillation.weighting.schedule": {"choice": ["constant", "cosine"]},
}
ODD = st.one_of(
    st.sampled_from(
        [None, True, -1, 0, 1, 2.5, "", "a b", "vcr", "x|y,z=1", [], {}, [[]], [1, "a"], {"a": {}}, {"not": []}]
    ),
    st.dictionaries(
        st.sampled_from(["task", "task.name", "optim.lr", "when", "uniform", "choice", "without", "levels", "é"]),
        st.sampled_from([None, 1, "l1", [1, 2], ["a", "b"], {"in": ["vcr"]}, {"optim.lr": 2.0}]),
        max_size=3,
    ),
)


def places(tree: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place] * bool(place) + [found for step, value in inner for found in places(value, (*place, step))]


def test_the_study_that_is_spoilt_below_is_sound() -> None:
    assert mistakes(yaml.safe_dump(SOUND, sort_keys=False)) == ()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(places(SOUND)), ODD), min_size=1, max_size=3))
def test_whatever_is_written_either_has_cells_or_mistakes_with_a_place(changes: list[tuple[Any, Any]]) -> None:
    spoilt = copy.deepcopy(SOUND)
    for (*parents, last), value in changes:
        branch: Any = spoilt
        for step in parents:
            branch = branch[step] if isinstance(branch, dict) and step in branch else None
        if isinstance(branch, dict):
            branch[last] = value
    text = yaml.safe_dump(spoilt, sort_keys=False, allow_unicode=True)
    found = mistakes(text)
    assert all(mistake.line is not None or mistake.path in ("study", "question", "base") for mistake in found)
    if not found:
        assert cells_of(text)
