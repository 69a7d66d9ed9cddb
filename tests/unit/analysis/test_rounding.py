"""Rounding by uncertainty."""

from __future__ import annotations

import pytest

from ablative.analysis import rounding


@pytest.mark.parametrize(
    ("mean", "low", "high", "text"),
    [
        (0.5213, 0.5083, 0.5343, "0.521 ± 0.013"),
        (0.5213, 0.5129, 0.5297, "0.5213 ± 0.0084"),
        (52.13, 39.13, 65.13, "52 ± 13"),
        (0.5213, None, None, "0.521"),
        (0.5213, 0.5213, 0.5213, "0.521 ± 0.000"),
        (None, None, None, "-"),
    ],
)
def test_mean_and_half_interval_are_rounded_alike(
    mean: float | None, low: float | None, high: float | None, text: str
) -> None:
    assert rounding.with_half(mean, low, high) == text


@pytest.mark.parametrize(("p", "text"), [(0.03125, "0.031"), (1.0, "1"), (0.00001, "< 0.0001"), (None, "-")])
def test_p_values_have_two_significant_digits(p: float | None, text: str) -> None:
    assert rounding.p_text(p) == text


def test_differences_carry_their_sign() -> None:
    assert rounding.signed(0.0446, 0.012) == "+0.045"
    assert rounding.interval(-0.0061, 0.0077) == "-0.0061 to +0.0077"
    assert rounding.interval(-0.0, 0.048) == "+0.000 to +0.048"  # an end that the verdict cut at 0, turned round
    assert rounding.share(0.01) == "1 %"
    assert rounding.share(0.001) == "0.1 %"
