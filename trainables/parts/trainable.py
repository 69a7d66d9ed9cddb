"""What a trainable is: a configuration, and the function that runs one trial of it. Imports no torch.

Engine, search and analysis know a trainable only by this description; they know no trainable by name.
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
"""Trainable of a study that names none. It was the first one, so ids do not name it."""
Changes = Mapping[str, Any]
"""Dotted path -> value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """Dotted paths of settings that most kinds of training have; None if this one lacks the setting."""

    task: str | None = None
    """The task. Comparisons are made within each task and averaged over tasks."""
    data_fraction: str | None = None
    """Share of the training data, in (0, 1]."""
    evaluations: str | None = None
    """How often a trial reports its target on val: stopping rules need it."""

    def task_of(self, config: Any) -> str:
        """Return the name of a configuration's task; empty if the trainable has only one."""
        return "" if self.task is None else str(attrgetter(self.task)(config))

    def data_fraction_of(self, config: Any) -> float:
        """Return the share of the training data that a configuration uses; 1 if there is no such setting."""
        return 1.0 if self.data_fraction is None else float(attrgetter(self.data_fraction)(config))

    def evaluations_of(self, config: Any) -> int | None:
        """Return how often a trial of a configuration reports its target."""
        return None if self.evaluations is None else int(attrgetter(self.evaluations)(config))


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Digests of what a trial reads besides its configuration; empty if it reads nothing."""

    data: str = ""
    teacher: str = ""
    student: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """How much of its training data a trial will see."""

    examples: int | None = None
    """Number of examples in its share of the training data; None if unknown."""
    seen: int | None = None
    """Examples that all its steps take together, counting repeats; None if unknown."""
    sequences_each: int = 1
    """Sequences that pass through the student for one example."""
    note: str = ""
    """Where the number of examples comes from, or why it is unknown; empty if it was counted."""

    @property
    def passes(self) -> float | None:
        """Passes over the trial's share of the training data; None if unknown."""
        return self.seen / self.examples if self.examples and self.seen is not None else None


Sees = Literal["teacher", "other", "both", "text", "image"]
"""What a student learns from: a teacher that can be probed (`teacher`), or one that cannot (`other`); without a
teacher `both` picture and text; or, whatever its teacher, one of the two alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """How well a trial's teacher knows its task, measured before the trial."""

    teacher: str
    measured: Mapping[str, Mapping[str, float]]
    """`probe` on the teacher's features, `image` or `text` for one side alone (if known), and the `majority` class ->
    metric without its split -> value on val."""
    fitted: int
    """Number of training examples to which the probe was fitted."""
    examples: int
    """Number of val examples on which it was measured."""

    def values(self) -> dict[str, Any]:
        """Return it as JSON values, from which it can be rebuilt."""
        return asdict(self)


class Foresights(Protocol):
    """What is known of the teachers of a study's trials before they run."""

    def sees(self, config: Any) -> Sees:
        """Return what the student of a configuration learns from."""
        ...

    def of(self, config: Any) -> Foresight | None:
        """Return the measurements of a configuration's teacher; None if there are none."""
        ...

    def measure(self, configs: Iterable[Any], progress: Progress) -> None:
        """Measure the teachers of these configurations that have no measurements yet, and keep the results."""
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
    """A way to train. Its functions import heavy modules only when called."""

    kind: ClassVar[Kind] = "trainable"
    config: type[BaseModel] | Callable[[Catalogue], type[BaseModel]]
    """The trial's configuration (frozen, every field with a default), or a function that makes it from a catalogue."""
    run: Callable[[TrialJob, Link], TrialOutcome]
    """Runs one trial; inside a Ray Train worker every rank calls it with the same job."""
    roles: Roles = field(default_factory=Roles)
    canonical: Callable[[Any], Any] = _unchanged
    """Configuration -> the same with every field that has no effect at its default, so that ids agree."""
    identity: Callable[[Any], dict[str, Any]] | None = None
    """Canonical configuration -> the JSON values that enter ids: fields that differ from their defaults unless given.
    A path is left out if a digest covers its content."""
    uses: Callable[[Any, Catalogue], Iterable[Part]] = _nothing
    """Canonical configuration -> the parts that its trial runs, apart from the trainable itself."""
    digests: Callable[[Path, Progress], Callable[[Any], Digests]] | None = None
    """(Cache, progress) -> configuration -> digests of what its trials read, computed once. Raises MissingData if
    something is missing."""
    exposure: Callable[[Path], Callable[[Any], Exposure]] | None = None
    """(Cache) -> configuration -> how much of the training data its trial sees, counted once and quickly. Plans show
    it, if given."""
    foresights: Callable[[Path, Callable[[Any], Digests]], Foresights] | None = None
    """(Cache, digests of a configuration) -> what is known about teachers before trials run. Plans show it. Without it
    there are no teachers."""
    splits: Callable[[Any], tuple[str, ...]] = _val_and_test
    """Configuration -> the splits that its trial can evaluate, `train` first; shifted ones begin with `test_`."""
    all_splits: Callable[[Catalogue], Collection[str]] | None = None
    """Every split that a study's `evaluate` may name. Any split, unless given."""
    open_splits: Callable[[Catalogue], Mapping[str, tuple[str, ...]]] | None = None
    """Task -> prefixes of further splits that its studies may name."""
    metrics: Callable[[Catalogue], Collection[str]] | None = None
    """Metrics, without their split, that a study may have as its target. Any metric, unless given."""
    arms: Mapping[str, Changes] | Callable[[Catalogue], Mapping[str, Changes]] = field(default_factory=dict)
    """Named controls and methods, or a function that makes them from a catalogue: name -> changes to a study's base.
    """
    recipes: Mapping[str, Changes] = field(default_factory=dict)
    """Published settings that `base.recipe` may name."""
    contradictions: Callable[[Any], Iterator[tuple[str, str, str]]] = _nothing
    """Configuration -> (path, found, wanted) for each field that contradicts another."""
    elastic: Callable[[Any, int], Iterable[tuple[str, str, str]]] | None = None
    """(Configuration, workers) -> (path, found, wanted) of each field that makes results depend on how many workers a
    trial has, beyond the rounding of sums. With nothing found, a trial may go on from its checkpoint on any number
    that divides `workers`. Unless given, no trial's number of workers changes."""
    without_scale: Callable[[Any], Any] = _unchanged
    """Configuration -> the representative of all that differ only by a constant factor of the objective."""
    absent: Callable[[Iterable[Any]], tuple[str, ...]] | None = None
    """Configurations -> one line for each file or data set that this machine lacks, without reading any."""
    cpu_refusals: Callable[[Iterable[Any]], tuple[str, ...]] | None = None
    """Configurations -> one line for each reason why this machine's processor cannot run some of their trials."""
    preparation: Callable[[], Preparation] | None = None
    """The steps that make the files trials read, once and before any trial. Nothing to prepare, unless given."""
    student_bytes: Callable[[Any], int] = _unknown
    """Configuration -> approximate size of its trained weights in bytes; 0 if unknown."""
    identity_version: int = 1
    """Raised when code changes the results of trials; part of their ids."""

    def config_type(self, catalogue: Catalogue) -> type[BaseModel]:
        """Return the type of the trial's configuration for a catalogue."""
        return self.config if isinstance(self.config, type) else self.config(catalogue)

    def steps(self) -> Preparation | None:
        """Return the steps of its preparation; None if there is nothing to prepare."""
        return None if self.preparation is None else self.preparation()

    def named_arms(self, catalogue: Catalogue) -> Mapping[str, Changes]:
        """Return the arms that a study may list by name, for a catalogue."""
        return self.arms(catalogue) if callable(self.arms) else self.arms

    def content(self, config: Any) -> dict[str, Any]:
        """Return the JSON values of a canonical configuration that enter ids."""
        if self.identity is not None:
            return self.identity(config)
        content: dict[str, Any] = config.model_dump(mode="json", exclude_defaults=True)
        return content

    def used(self, config: Any, catalogue: Catalogue) -> dict[str, str]:
        """Return `kind/name` -> identity of each part, this one included, that a trial runs and is not bundled."""
        return catalogue.identities((self, *self.uses(config, catalogue))) if catalogue.is_extended else {}
