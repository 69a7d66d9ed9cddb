from __future__ import annotations

import copy
import json
from typing import Any

import yaml
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.shipped import FOLDER
from ablative.trainables.config import TrialConfig
from tests.helpers.study_text import HEAD
from tests.helpers.study_text import cells_of
from tests.helpers.study_text import loaded
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


SCALARS = st.one_of(
    st.sampled_from(
        [0, -1, 1e-300, 1e300, -0.0, 2**31, 10**17, 10**400, 99999999999, True, None, "", " ", "1e-3", "a\\x00b"]
    ),
    st.sampled_from(
        ["\\uD800", "\\uDC00x", "\\e[2J", "../..", "~nobody/x", "-", "1-9", "9-1", "x" * 3000, "é", "\\u202E"]
    ),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8).map(lambda text: json.dumps(text)[1:-1]),
)
LEAVES = (
    *(f"base.{path}" for path in leaves(TrialConfig)),
    *(f"conditions.{path}=[" for path in leaves(TrialConfig)),
    *(f"search.space.{path}={{choice: [0.5, " for path in leaves(TrialConfig)),
    *("study", "question", "storage", "strict", "target.metric", "target.mode", "evaluate", "arms.design"),
    *("arms.base", "arms.reference", "arms.resolution", "search.trials", "search.batch", "search.sampler"),
    *("search.warm_start", "search.device_seconds", "search.cost.path", "search.cost.weight", "seeds.search"),
    *("search.stop.halving.grace", "search.stop.halving.reduction", "search.stop.median.least", "seeds.confirm"),
    *("seeds.sequential.looks=[", "resources.workers", "resources.cpus_per_worker", "resources.gpus_per_worker"),
    *("resources.custom.x", "resources.max_concurrent", "resources.time_limit_s", "resources.trials_per_group"),
    *("resources.memory_limit_mb", "resources.retry_out_of_memory", "comparisons.alpha", "comparisons.correction"),
    *("sinks.tensorboard", "sinks.mlflow", "sinks.wandb", "search.space.optim.lr={quniform: [0.0, 1.0, "),
    *("search.space.optim.lr={loguniform: [0.001, ", "search.space.optim.epochs={randint: [1, "),
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


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(LEAVES), SCALARS)
def test_whatever_scalar_is_written_at_whatever_field_is_sane_or_a_mistake_that_can_be_printed(
    field: str, value: Any
) -> None:
    written = f'"{value}"' if isinstance(value, str) else json.dumps(value)
    place, _, opening = field.partition("=")
    closing = {"": "", "[": "]", "{": "]}"}[opening[:1]]
    try:
        study = loaded(HEAD, f"{place}={opening}{written}{closing}").study
    except StudyError as error:
        str(error).encode()
        return
    study.model_dump_json().encode()
    for number in (value,) if isinstance(value, int | float) and not isinstance(value, bool) else ():
        assert number == 0 or 1e-12 < abs(number) < 1e12 or place in ("study", "question")
