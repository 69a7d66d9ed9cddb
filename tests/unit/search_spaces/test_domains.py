from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic import ValidationError

from ablative.search_spaces.domains import DOMAINS
from ablative.search_spaces.domains import Domain

ADAPTER: TypeAdapter[Any] = TypeAdapter(Domain)


@pytest.mark.parametrize(
    ("written", "low", "high", "inside", "outside"),
    [
        ({"uniform": [0, 1]}, 0, 1, [0.0, 0.5, 1], [-0.1, 1.1, True, "0.5"]),
        ({"loguniform": [1e-4, 1e-2]}, 1e-4, 1e-2, [1e-3], [0.1]),
        ({"quniform": [0.0, 1.0, 0.25]}, 0, 1, [0.0, 0.75, 1.0], [0.3, 1.25]),
        ({"randint": [1, 4]}, 1, 3, [1, 3], [0, 4, 1.0, True]),
        ({"lograndint": [1, 64]}, 1, 63, [63], [64, 0]),
    ],
)
def test_bounds_have_ray_tunes_meaning(
    written: dict[str, Any], low: float, high: float, inside: list[Any], outside: list[Any]
) -> None:
    domain = ADAPTER.validate_python(written)
    assert (domain.low, domain.high) == (low, high)
    assert all(domain.contains(value) for value in inside)
    assert not any(domain.contains(value) for value in outside)


def test_a_choice_contains_its_options_only() -> None:
    domain = ADAPTER.validate_python({"choice": ["a", None, 2]})
    assert all(domain.contains(value) for value in ("a", None, 2))
    assert not domain.contains("b")


@pytest.mark.parametrize(
    "written",
    [
        {"uniform": [1, 1]},
        {"uniform": [1]},
        {"uniform": ["a", "b"]},
        {"uniform": [False, True]},
        {"loguniform": [-1, 1]},
        {"quniform": [0, 1]},
        {"quniform": [0, 1, 0]},
        {"quniform": [0, 1, 0.3]},
        {"randint": [1, 2]},
        {"randint": [1.0, 4.0]},
        {"lograndint": [0, 4]},
        {"choice": [1]},
        {"choice": [1, 1]},
        {"choice": "abc"},
        {"normal": [0, 1]},
        {"uniform": [0, 1], "randint": [0, 3]},
        {},
        3,
    ],
)
def test_domains_without_meaning_are_refused(written: Any) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(written)


@pytest.mark.parametrize("name", DOMAINS)
def test_every_domain_survives_being_written_down(name: str) -> None:
    values: dict[str, Any] = {"quniform": [1, 3, 1], "choice": ["a", "b"]}
    domain = ADAPTER.validate_python({name: values.get(name, [1, 3]), "when": {"a.b": {"not": "c"}}})
    assert isinstance(domain, DOMAINS[name])
    assert ADAPTER.validate_json(ADAPTER.dump_json(domain)) == domain
