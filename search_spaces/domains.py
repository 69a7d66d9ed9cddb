"""Domains of searched parameters, under Ray Tune's names and with its meaning.

A domain is written as one key, its name, and an optional ``when``: ``{loguniform: [1e-5, 1e-3], when: {...}}``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated
from typing import Any
from typing import Union

from pydantic import BeforeValidator
from pydantic import Discriminator
from pydantic import Field
from pydantic import Tag
from pydantic_core import PydanticCustomError

from ablative.frozen import Frozen
from ablative.search_spaces.when import When

LEAST_APART = 1e-4
"""Of the ends of a range, relative to the larger."""
MOST_STEPS = 100_000


def _require(holds: bool, expected: str) -> None:
    if not holds:
        raise PydanticCustomError("domain", "{expected}", {"expected": expected})


def _is_number(value: Any, whole: bool) -> bool:
    return isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)


def _numbers(shape: str, *, whole: bool = False, positive: bool = False) -> Callable[[Any], Any]:
    def validate(value: Any) -> Any:
        count = shape.count(",") + 1
        fits = isinstance(value, (list, tuple)) and len(value) == count and all(_is_number(v, whole) for v in value)
        _require(fits, f"{count} {'whole ' if whole else ''}numbers: {shape}")
        low, high = value[0], value[1]
        _require(not positive or low > 0, f"{shape} with low > 0, because the scale is logarithmic")
        _require(high - low > (1 if whole else 0), f"{shape} with {'at least two values' if whole else 'low < high'}")
        if count == 3:
            _check_steps(*value)
        elif not whole:
            apart = high - low >= LEAST_APART * max(abs(low), abs(high))
            _require(
                apart,
                f"{shape} with bounds that differ in their first four digits, because settings are rounded to six",
            )
        return value

    return validate


def _check_steps(low: float, high: float, step: float) -> None:
    _require(step > 0, "[low, high, step] with step > 0")
    _require((high - low) / step < MOST_STEPS, f"[low, high, step] with at most {MOST_STEPS} multiples, or uniform")
    _require(
        max(abs(low), abs(high)) / step < 1e12,
        "[low, high, step] with a larger step, of which both bounds are multiples",
    )
    multiples = all(math.isclose(bound / step, round(bound / step), abs_tol=1e-9) for bound in (low, high))
    _require(multiples, "[low, high, step] with low and high multiples of step")


def _options(value: Any) -> Any:
    _require(isinstance(value, (list, tuple)) and len(value) >= 2, "a list of at least two values")
    spelled = [repr(option) for option in value]
    _require(len(set(spelled)) == len(spelled), "a list of distinct values")
    return value


class _Domain(Frozen):
    when: When = Field(
        {}, description="Conditions under which the parameter is searched: {path: value | {not: value} | {in: [...]}}."
    )

    def values(self) -> Sequence[Any] | None:
        """All values, in order; None where there are infinitely many."""
        return None


class Uniform(_Domain):
    """A real number, low <= x <= high, uniform."""

    uniform: Annotated[tuple[float, float], BeforeValidator(_numbers("[low, high]"))] = Field(
        description="[low, high]: a real number between them, uniform."
    )

    @property
    def low(self) -> float:
        return self.uniform[0]

    @property
    def high(self) -> float:
        return self.uniform[1]

    def probes(self) -> tuple[Any, ...]:
        """Values that represent the domain in the check whether a parameter matters."""
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return _is_number(value, whole=False) and self.low <= value <= self.high


class LogUniform(_Domain):
    """A positive real number, low <= x <= high, uniform in its logarithm."""

    loguniform: Annotated[tuple[float, float], BeforeValidator(_numbers("[low, high]", positive=True))] = Field(
        description="[low, high]: a positive real number between them, uniform in its logarithm."
    )

    @property
    def low(self) -> float:
        return self.loguniform[0]

    @property
    def high(self) -> float:
        return self.loguniform[1]

    def probes(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return _is_number(value, whole=False) and self.low <= value <= self.high


class QUniform(_Domain):
    """A multiple of step, low <= x <= high, uniform."""

    quniform: Annotated[tuple[float, float, float], BeforeValidator(_numbers("[low, high, step]"))] = Field(
        description="[low, high, step]: a multiple of step, both ends included, uniform."
    )

    @property
    def low(self) -> float:
        return self.quniform[0]

    @property
    def high(self) -> float:
        return self.quniform[1]

    @property
    def step(self) -> float:
        return self.quniform[2]

    @property
    def steps(self) -> int:
        """Steps from low to high; there is one value more."""
        return round((self.high - self.low) / self.step)

    def at(self, index: int) -> float:
        """The value `index` steps above low, with no digits but those that low and step are written with."""
        return float(Decimal(repr(self.low)) + index * Decimal(repr(self.step)))

    def nearest(self, value: float) -> float:
        """The multiple nearest to `value`."""
        return self.at(min(max(round((value - self.low) / self.step), 0), self.steps))

    def values(self) -> Sequence[Any]:
        """All multiples, in order."""
        return tuple(self.at(index) for index in range(self.steps + 1))

    def probes(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return _is_number(value, whole=False) and math.isclose(value, self.nearest(value), abs_tol=1e-6 * self.step)


class RandInt(_Domain):
    """A whole number, lower <= x < upper, uniform; `high` is the greatest value drawn, upper - 1."""

    randint: Annotated[tuple[int, int], BeforeValidator(_numbers("[lower, upper]", whole=True))] = Field(
        description="[lower, upper]: a whole number, upper excluded, uniform."
    )

    @property
    def low(self) -> int:
        return self.randint[0]

    @property
    def high(self) -> int:
        return self.randint[1] - 1

    def values(self) -> Sequence[Any]:
        """All whole numbers, in order."""
        return range(self.low, self.high + 1)

    def probes(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return _is_number(value, whole=True) and self.low <= value <= self.high


class LogRandInt(_Domain):
    """A positive whole number, lower <= x < upper, uniform in its logarithm; `high` is upper - 1."""

    lograndint: Annotated[tuple[int, int], BeforeValidator(_numbers("[lower, upper]", whole=True, positive=True))] = (
        Field(description="[lower, upper]: a positive whole number, upper excluded, uniform in its logarithm.")
    )

    @property
    def low(self) -> int:
        return self.lograndint[0]

    @property
    def high(self) -> int:
        return self.lograndint[1] - 1

    def values(self) -> Sequence[Any]:
        """All whole numbers, in order."""
        return range(self.low, self.high + 1)

    def probes(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def contains(self, value: Any) -> bool:
        return _is_number(value, whole=True) and self.low <= value <= self.high


class Choice(_Domain):
    """One of the listed values."""

    choice: Annotated[tuple[Any, ...], BeforeValidator(_options)] = Field(description="One of the listed values.")

    def values(self) -> Sequence[Any]:
        """The options, as listed."""
        return self.choice

    def probes(self) -> tuple[Any, ...]:
        return self.choice

    def contains(self, value: Any) -> bool:
        return value in self.choice


DOMAINS: dict[str, type[_Domain]] = {
    "uniform": Uniform,
    "loguniform": LogUniform,
    "quniform": QUniform,
    "randint": RandInt,
    "lograndint": LogRandInt,
    "choice": Choice,
}


def _name(value: Any) -> str | None:
    keys = value.keys() if isinstance(value, dict) else type(value).model_fields if isinstance(value, _Domain) else ()
    named = [name for name in DOMAINS if name in keys]
    return f"<{named[0]}>" if len(named) == 1 else None


# Tags in angle brackets cannot be keys of a study file, so they are told apart in a location.
Domain = Annotated[
    Union[  # noqa: UP007 - the members are annotated
        Annotated[Uniform, Tag("<uniform>")],
        Annotated[LogUniform, Tag("<loguniform>")],
        Annotated[QUniform, Tag("<quniform>")],
        Annotated[RandInt, Tag("<randint>")],
        Annotated[LogRandInt, Tag("<lograndint>")],
        Annotated[Choice, Tag("<choice>")],
    ],
    Discriminator(_name, custom_error_type="domain", custom_error_message="one domain: " + ", ".join(DOMAINS)),
]
