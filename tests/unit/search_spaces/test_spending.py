from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablative.search_spaces.spending import spent_at


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=6, unique=True).map(sorted),
    st.sampled_from(["pocock", "obrien_fleming"]),
    st.floats(0.001, 0.2),
)
def test_what_is_spent_at_all_looks_is_alpha(looks: list[int], spending: str, alpha: float) -> None:
    parts = spent_at(looks, spending, alpha)  # type: ignore[arg-type]
    assert len(parts) == len(looks)
    assert min(parts) > 0
    assert sum(parts) == pytest.approx(alpha)


def test_the_first_of_two_looks_spends_what_lan_and_demets_say() -> None:
    assert spent_at((10, 20), "pocock", 0.05)[0] == pytest.approx(0.0310, abs=5e-5)
    assert spent_at((10, 20), "obrien_fleming", 0.05)[0] == pytest.approx(0.00557, abs=5e-5)
