"""The subject of a study: everything against which its file is checked, given from outside."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from typing import Any

from pydantic import BaseModel

from ablative.search_spaces.config_checks import Contradictions
from ablative.search_spaces.config_checks import Elastic
from ablative.search_spaces.config_checks import WithoutScale
from ablative.search_spaces.config_checks import no_contradictions
from ablative.search_spaces.config_checks import unscaled
from ablative.search_spaces.recipe import Recipes

NamedArms = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One kind of trial."""

    config_type: type[BaseModel]
    """What dotted paths address."""
    canonical: Callable[[Any], Any]
    """Removes fields without effect from a configuration."""
    named_arms: NamedArms = field(default_factory=dict)
    """Arms that a study may list by name, as an arm or as a control -> their changes to the base."""
    metrics: Collection[str] = ()
    """Names without their split; if empty, any name passes."""
    splits: Collection[str] = ()
    """Splits that trials may be evaluated on; if empty, any name passes."""
    open_splits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Value of the field `task` -> beginnings of further splits that studies of it may name."""
    recipes: Recipes = field(default_factory=dict)
    """What `base.recipe` may name."""
    contradictions: Contradictions = no_contradictions
    elastic: Elastic | None = None
    """None where nothing is known of trials whose number of workers changes."""
    without_scale: WithoutScale = unscaled
    task: str | None = None
    """Dotted path of the task: pairs are formed within one task, and each task has its own."""
    data_fraction: str | None = None
    """Dotted path of the share of the data: more is always better, so a search must weigh it against a cost."""
    evaluations: str | None = None
    """Dotted path of how often a trial reports its target; rungs are counted in these evaluations."""


Subjects = Mapping[str, Callable[[], Subject]]
"""Name of a trainable -> the function that makes its subject, which may take a while."""
