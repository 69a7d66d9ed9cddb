"""What a trainable is: a configuration, and the function that runs one trial of it. Imports no torch.

The engine, the search and the analysis know of a trainable what stands here, and no trainable by name.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from operator import attrgetter
from pathlib import Path
from typing import Any
from typing import ClassVar
from typing import Literal
from typing import Protocol

from pydantic import BaseModel

from ablative.progress import Progress
from ablative.trainables.job import Link
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.part import Kind
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.preparation import Preparation

DEFAULT = "clip_td"
"""Trainable of a study that names none: the first that there was, so that ids do not name it."""
Changes = Mapping[str, Any]
"""Dotted path -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Dotted paths of the settings that play a part in every kind of training; None where there is no such setting."""

    task: str | None = None
    """What is learned: comparisons are made within it and averaged over it."""
    data_fraction: str | None = None
    """Share of the training data, in (0, 1]."""
    evaluations: str | None = None
    """How often a trial reports its target on val: stopping rules need it."""

    def task_of(self, config: Any) -> str:
        """Return the name of what a configuration learns; empty where there is one thing to learn."""
        return "" if self.task is None else str(attrgetter(self.task)(config))

    def data_fraction_of(self, config: Any) -> float:
        """Return the share of the training data that a configuration uses; all of it where that is no setting."""
        return 1.0 if self.data_fraction is None else float(attrgetter(self.data_fraction)(config))

    def evaluations_of(self, config: Any) -> int | None:
        """Return how often a trial of a configuration reports its target."""
        return None if self.evaluations is None else int(attrgetter(self.evaluations)(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """What lies outside the configuration and decides what a trial computes, as digests; empty where nothing does."""

    data: str = ""
    teacher: str = ""
    student: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a trial is going to see of its training data."""

    examples: int | None = None
    """In its share of the training data; None where that is not known."""
    seen: int | None = None
    """Examples that all its steps take together, each as often as it is taken; None where that is not known."""
    sequences_each: int = 1
    """Sequences that pass through the student for one example."""
    note: str = ""
    """Where the number of examples is from, or why it is not known; empty where it was simply counted."""

    @property
    def passes(self) -> float | None:
        """Passes over the trial's share of the training data; None where they are not known."""
        return self.seen / self.examples if self.examples and self.seen is not None else None


Sees = Literal["teacher", "other", "both", "text", "image"]
"""What a student learns from: a teacher that can be probed, or another one; without a teacher from picture and text;
or, whatever its teacher, from one of the two alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What the teacher of a trial knows of its task, measured before the trial."""

    teacher: str
    measured: Mapping[str, Mapping[str, float]]
    """`probe` on the teacher's features, of its `image` or `text` side alone where that is known, and the `majority`
    class -> metric without its split -> value on val."""
    fitted: int
    """Training examples that the probe was fitted on."""
    examples: int
    """Of val, that it was measured on."""

    def values(self) -> dict[str, Any]:
        """Return it as JSON values, of which it can be made again."""
        return asdict(self)


class Foresights(Protocol):
    """What is known of the teachers of a study's trials before they run."""

    def sees(self, config: Any) -> Sees:
        """Return what the student of a configuration learns from."""
        ...

    def of(self, config: Any) -> Foresight | None:
        """Return what was measured of a configuration's teacher; None where nothing was."""
        ...

    def measure(self, configs: Iterable[Any], progress: Progress) -> None:
        """Measure and keep what is missing of the teachers of configurations."""
        ...


def _unchanged(config: Any) -> Any:
    return config


def _val_and_test(config: Any) -> tuple[str, ...]:
    return ("train", "val", "test")


def _unknown(config: Any) -> int:
    return 0


def _nothing(*_: Any) -> Iterator[Any]:
    yield from ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trainable(Part):
    """A way to train. Its functions import what is heavy when they are called."""

    kind: ClassVar[Kind] = "trainable"
    config: type[BaseModel] | Callable[[Catalogue], type[BaseModel]]
    """The trial's configuration (frozen, every field with a default), or what makes it of the parts there are."""
    run: Callable[[TrialJob, Link], TrialOutcome]
    """Runs one trial; inside a Ray Train worker every rank calls it with the same job."""
    roles: Roles = field(default_factory=Roles)
    canonical: Callable[[Any], Any] = _unchanged
    """Configuration -> the same with every field that has no effect at its default, so that ids agree."""
    identity: Callable[[Any], dict[str, Any]] | None = None
    """Canonical configuration -> what of it enters ids, as JSON values: fields that differ from their defaults
    unless given. Paths are left out where a digest says what lies there."""
    uses: Callable[[Any, Catalogue], Iterable[Part]] = _nothing
    """Canonical configuration -> the parts that its trial runs, besides the trainable itself."""
    digests: Callable[[Path, Progress], Callable[[Any], Digests]] | None = None
    """(Cache, progress) -> configuration -> digests of what it reads, looked at once. Raises MissingData where that is
    not here."""
    exposure: Callable[[Path], Callable[[Any], Exposure]] | None = None
    """(Cache) -> configuration -> what its trial sees of the training data, counted once and by a glance: plans show
    it. Nothing is said of it unless given."""
    foresights: Callable[[Path, Callable[[Any], Digests]], Foresights] | None = None
    """(Cache, digests of a configuration) -> what is known of teachers before trials run: plans show it. There are no
    teachers unless given."""
    splits: Callable[[Any], tuple[str, ...]] = _val_and_test
    """Configuration -> the splits that a trial of it can evaluate, `train` first; shifted ones begin with `test_`."""
    all_splits: Callable[[Catalogue], Collection[str]] | None = None
    """Every split that some configuration has: what a study's `evaluate` may name. Any, unless given."""
    open_splits: Callable[[Catalogue], Mapping[str, tuple[str, ...]]] | None = None
    """Name of a task -> how further splits begin that studies of it may name."""
    metrics: Callable[[Catalogue], Collection[str]] | None = None
    """Names of metrics without their split, which a study may aim at. Any, unless given."""
    arms: Mapping[str, Changes] | Callable[[Catalogue], Mapping[str, Changes]] = field(default_factory=dict)
    """Named controls and methods, or what makes them of the parts there are: what each changes in a study's base."""
    recipes: Mapping[str, Changes] = field(default_factory=dict)
    """Published settings that `base.recipe` may name."""
    contradictions: Callable[[Any], Iterator[tuple[str, str, str]]] = _nothing
    """Configuration -> (path, found, wanted) of each field that cannot go together with another."""
    without_scale: Callable[[Any], Any] = _unchanged
    """Configuration -> one of those that differ from it by a constant factor of the objective only."""
    absent: Callable[[Iterable[Any]], tuple[str, ...]] | None = None
    """Configurations -> one line for each file or data set that is not on this machine, without reading any."""
    cpu_refusals: Callable[[Iterable[Any]], tuple[str, ...]] | None = None
    """Configurations -> one line for each reason for which this machine's processor would run no trial of some."""
    preparation: Callable[[], Preparation] | None = None
    """What makes ready, once and before any trial, what trials read; there is nothing to prepare unless given."""
    student_bytes: Callable[[Any], int] = _unknown
    """Configuration -> about how many bytes its trained weights take; 0 where that is not known."""
    identity_version: int = 1
    """Raised when code changes the results of trials; part of their ids."""

    def config_type(self, catalogue: Catalogue) -> type[BaseModel]:
        """Return the type of the trial's configuration, given all parts there are."""
        return self.config if isinstance(self.config, type) else self.config(catalogue)

    def steps(self) -> Preparation | None:
        """Return the steps of its preparation; None where there is nothing to prepare."""
        return None if self.preparation is None else self.preparation()

    def named_arms(self, catalogue: Catalogue) -> Mapping[str, Changes]:
        """Return the arms that a study may list by name, given all parts there are."""
        return self.arms(catalogue) if callable(self.arms) else self.arms

    def content(self, config: Any) -> dict[str, Any]:
        """Return what of a canonical configuration enters ids, as JSON values."""
        if self.identity is not None:
            return self.identity(config)
        content: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
        return content

    def used(self, config: Any, catalogue: Catalogue) -> dict[str, str]:
        """Return `kind/name` -> identity of the parts that a trial runs and that do not ship, itself among them."""
        return catalogue.identities((self, *self.uses(config, catalogue))) if catalogue.is_extended else {}
