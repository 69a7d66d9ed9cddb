"""The contract of trainables, as tests: subclass `TrainableContract`, give your trainable, and pytest runs them.

    class TestMine(TrainableContract):
        @pytest.fixture
        def part(self) -> Trainable:
            return MINE

        @pytest.fixture
        def config(self, part: Trainable) -> Any:  # a short one; the defaults unless given
            return part.config(steps=8)

Trials run in this process, on one worker, with a link that keeps what they save.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic import ValidationError

from ablative.progress import silent
from ablative.trainables.boundary import attempt
from ablative.trainables.job import Alone
from ablative.trainables.job import CurvePoint
from ablative.trainables.job import TrialJob
from ablative.trainables.job import TrialOutcome
from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.trainable import Trainable

SEED = 1


class TrainableContract:
    """The tests of one trainable; some need no more than one evaluation on val, others need two."""

    @pytest.fixture
    def part(self) -> Trainable:
        """The trainable; a subclass gives it."""
        raise NotImplementedError("write a fixture `part` that returns your trainable")

    @pytest.fixture
    def config(self, part: Trainable) -> Any:
        """The configuration of the tested trials: the defaults, unless a subclass gives a shorter one."""
        return part.config_type(catalogue_with(part))()

    @pytest.fixture
    def diverging(self) -> Any:
        """A configuration whose loss or target becomes NaN or infinite; None to skip that test."""
        return None

    @pytest.fixture
    def target(self) -> str:
        """The trials' target: a metric on val; more is better."""
        return "accuracy"

    @pytest.fixture(scope="class")
    @classmethod
    def kept(cls) -> list[Trials]:
        """The trials that the tests of this class have prepared so far."""
        return []

    @pytest.fixture
    def trials(
        self, part: Trainable, config: Any, target: str, kept: list[Trials], tmp_path_factory: pytest.TempPathFactory
    ) -> Trials:
        """Trials of `config`, prepared once for all tests."""
        for one in kept:
            if (one.part.name, one.config, one.target) == (part.name, config, target):
                return one
        kept.append(Trials(part=part, config=config, target=target, cache=tmp_path_factory.mktemp("cache")))
        return kept[-1]

    def test_its_configuration_is_frozen_and_has_defaults_only(self, part: Trainable, config: Any) -> None:
        """A study sets only the fields it changes; an unknown key is an error."""
        kind = part.config_type(catalogue_with(part))
        assert issubclass(kind, BaseModel), f"{_of(part)}: config is {kind!r}; wanted a pydantic model"
        owed = [name for name, field in kind.model_fields.items() if field.is_required()]
        assert not owed, f"{_of(part)}: {', '.join(owed)} has no default; give every field one"
        with pytest.raises(ValidationError):
            kind.model_validate({"there_is_no_such_field": 1})
            pytest.fail(f"{_of(part)}: its configuration takes unknown keys; derive it from ablative.Frozen")
        name = next(iter(kind.model_fields))
        with pytest.raises(ValidationError):
            setattr(config, name, getattr(config, name))
            pytest.fail(f"{_of(part)}: its configuration can be changed; derive it from ablative.Frozen")
        assert kind.model_validate_json(config.model_dump_json()) == config

    def test_the_canonical_form_is_its_own_and_keeps_the_identity(self, part: Trainable, config: Any) -> None:
        """It only resets fields without effect, so applying it twice changes nothing more."""
        for name, one in variants(part, config).items():
            once = part.canonical(one)
            assert part.canonical(once) == once, f"{_of(part)}: {name}: canonical twice is not canonical once"
            assert part.content(part.canonical(once)) == part.content(once)

    def test_its_identity_tells_apart_what_its_canonical_form_does(self, part: Trainable, config: Any) -> None:
        """Configurations that compute different things have different identities."""
        found: dict[str, Any] = {}
        for name, one in variants(part, config).items():
            once = part.canonical(one)
            other = found.setdefault(repr(part.content(once)), (name, once))
            assert other[1] == once, f"{_of(part)}: {other[0]} and {name} are different, and have one identity"

    def test_the_paths_of_its_roles_are_settings(self, part: Trainable, config: Any) -> None:
        """Each path leads to a setting with a value in its valid range."""
        for role in ("task", "data_fraction", "evaluations"):
            path = getattr(part.roles, role)
            try:
                _ = path is None or attrgetter(path)(config)
            except AttributeError:
                raise AssertionError(
                    f"{_of(part)}: roles.{role} is {path!r}, which is not one of its settings"
                ) from None
        assert 0 < part.roles.data_fraction_of(config) <= 1
        assert (part.roles.evaluations_of(config) or 1) >= 1
        assert isinstance(part.roles.task_of(config), str)

    def test_its_arms_are_valid_changes_of_its_configuration(self, part: Trainable, config: Any) -> None:
        """Each path is a setting, and each value is valid for it."""
        for name, changes in part.named_arms(catalogue_with(part)).items():
            try:
                changed(config, changes)
            except (AttributeError, ValidationError, TypeError) as error:
                raise AssertionError(f"{_of(part)}: arm {name}: {error}") from error

    def test_its_splits_begin_with_train_and_have_val_and_a_test(self, part: Trainable, config: Any) -> None:
        """Each is listed once, and `all_splits`, the names open to a study, includes them all."""
        splits = part.splits(config)
        assert splits[:1] == ("train",), f"{_of(part)}: splits are {splits}; wanted `train` first"
        assert len(set(splits)) == len(splits), f"{_of(part)}: splits are {splits}: one of them twice"
        assert {"val", "test"} <= set(splits), f"{_of(part)}: splits are {splits}; wanted val and test among them"
        if part.all_splits is not None:
            known = part.all_splits(catalogue_with(part))
            missing = [split for split in splits[1:] if split not in known]
            assert not missing, f"{_of(part)}: all_splits lacks {', '.join(missing)}"

    def test_a_trial_is_completed_with_the_target_of_every_split(self, trials: Trials) -> None:
        """The trial measures each split in its job, and each target is finite."""
        outcome = trials.whole()
        for split in trials.evaluate:
            wanted = f"{split}/{trials.target}"
            assert wanted in outcome.metrics, f"{_of(trials.part)}: {wanted} is missing in {sorted(outcome.metrics)}"
            assert math.isfinite(outcome.metrics[wanted]), f"{wanted} is {outcome.metrics[wanted]}"

    def test_one_split_alone_is_measured_when_no_other_is_asked_for(self, trials: Trials) -> None:
        """A trial evaluates test data only if the study asks for it."""
        outcome = trials.run(evaluate=("val",))
        others = [name for name in outcome.metrics if name.partition("/")[0] not in ("val", "train")]
        assert not others, f"{_of(trials.part)}: the job evaluates val alone, but the outcome has {', '.join(others)}"

    def test_its_curve_is_handed_in_as_it_comes(self, trials: Trials) -> None:
        """It reports the target on val, in step order, as often as the configuration says."""
        link = Watching()
        outcome = trials.run(link)
        told = [point for point in link.points if point.metric == trials.target and point.split == "val"]
        assert told, f"{_of(trials.part)}: no val/{trials.target} was reported; stopping rules need it"
        steps = [point.step for point in told]
        assert steps == sorted(set(steps)), f"{_of(trials.part)}: reported at steps {steps}"
        role, expected = trials.part.roles.evaluations, trials.part.roles.evaluations_of(trials.config)
        assert expected in (None, len(told)), (
            f"{_of(trials.part)}: {len(told)} evaluations were reported; {role} says {expected}"
        )
        assert _values(outcome, trials.target) == [point.value for point in told], (
            "the outcome's curve differs from the reported one"
        )

    def test_a_seed_decides_all_of_a_trial(self, trials: Trials) -> None:
        """Earlier trials of the same process leave no trace."""
        first = trials.whole()
        trials.run(seed=SEED + 1)
        again = trials.run()
        assert again.metrics == first.metrics, f"{_of(trials.part)}: the same seed gave other metrics"
        assert _values(again, trials.target) == _values(first, trials.target)

    def test_a_paused_trial_goes_on_as_if_nothing_had_happened(self, trials: Trials) -> None:
        """It resumes from its checkpoint, repeats no evaluation, and matches an unbroken trial's curve and metrics."""
        trials.require_two_evaluations()
        link = Watching()
        paused = trials.run(link, status="paused", pause_after=1)
        assert not paused.metrics, f"{_of(trials.part)}: a paused trial has metrics"
        assert link.checkpoint is not None, f"{_of(trials.part)}: a paused trial has saved nothing"
        before = len(link.points)
        resumed, whole = trials.run(link), trials.whole()
        first = [point.step for point in link.points[before:]]
        assert min(first) > max(point.step for point in link.points[:before]), (
            f"{_of(trials.part)}: resumed at its first evaluation, it reported steps {first}: "
            "it started from the beginning"
        )
        assert resumed.metrics == whole.metrics, f"{_of(trials.part)}: resumed, it has other metrics"
        assert _values(resumed, trials.target) == _values(whole, trials.target)

    def test_the_checkpoint_of_another_trial_is_left_alone(self, trials: Trials) -> None:
        """The trial also ignores a checkpoint that cannot be read."""
        trials.require_two_evaluations()
        other = Watching()
        trials.run(other, status="paused", pause_after=1, trial_id="another", seed=SEED + 1)
        for content in (other.checkpoint, b"", b"no checkpoint"):
            found = trials.run(Watching(checkpoint=content))
            assert found.metrics == trials.whole().metrics, f"{_of(trials.part)}: it went on from {content!r:.60}"

    def test_it_stops_when_it_is_asked_to(self, trials: Trials) -> None:
        """It stops after the current evaluation, as cancelled, with its best target so far."""
        trials.require_two_evaluations()
        link = Watching(stop_after=1)
        outcome = trials.run(link, status="stopped")
        assert outcome.cause == "cancelled", f"{_of(trials.part)}: stopped by {outcome.cause}; wanted cancelled"
        assert len(_values(outcome, trials.target)) == 1
        assert outcome.metrics.get(f"val/{trials.target}") == _values(outcome, trials.target)[0]

    def test_it_stops_below_a_floor(self, trials: Trials) -> None:
        """Below the floor it ends as `fell_behind`; above the floor it continues."""
        trials.require_two_evaluations()
        assert trials.run(status="stopped", floors=((1, 1e9),)).cause == "fell_behind"
        trials.run(floors=((1, -1e9),))

    def test_it_heeds_the_time_limit(self, trials: Trials) -> None:
        """A trial over the limit fails with the cause `time_limit`."""
        assert trials.run(status="failed", time_limit_s=1e-9).cause == "time_limit"

    def test_what_diverges_is_a_result_with_a_named_cause(self, trials: Trials, diverging: Any) -> None:
        """A NaN or infinite loss or target fails the trial as `non_finite`."""
        if diverging is None:
            pytest.skip("no fixture `diverging` gives a configuration that diverges")
        outcome = trials.run(status="failed", config=diverging)
        assert outcome.cause == "non_finite", f"{_of(trials.part)}: it diverged as {outcome.cause}: {outcome.error}"


@dataclass(slots=True)
class Watching(Alone):
    """A link that asks the trial to stop after `stop_after` evaluations."""

    stop_after: int | None = None
    asked: int = 0

    def stop_requested(self) -> bool:
        """Whether the trial has made enough evaluations; it asks after each."""
        self.asked += 1
        return self.asked == self.stop_after


@dataclass(slots=True, kw_only=True)
class Trials:
    """Trials of one configuration."""

    part: Trainable
    config: Any
    target: str
    cache: Path
    is_prepared: bool = False
    kept: list[TrialOutcome] = field(default_factory=list)

    @property
    def evaluate(self) -> tuple[str, ...]:
        """Every split but `train`."""
        return tuple(split for split in self.part.splits(self.config) if split != "train")

    def whole(self) -> TrialOutcome:
        """Return the outcome of an uninterrupted trial; it runs only once."""
        if not self.kept:
            self.kept.append(self.run())
        return self.kept[0]

    def run(
        self, link: Watching | None = None, *, status: str = "completed", config: Any = None, **changes: Any
    ) -> TrialOutcome:
        """Return the outcome of a trial, which must have `status`."""
        config = self.part.canonical(self.config if config is None else config)
        if not self.is_prepared:
            self.cache.mkdir(parents=True, exist_ok=True)
            if (steps := self.part.steps()) is not None:
                steps.here([config], self.cache, silent)
            self.is_prepared = True
        given: dict[str, Any] = {
            "trial_id": "trial",
            "config": config,
            "seed": SEED,
            "evaluate": self.evaluate,
            "cache": str(self.cache),
            "target": (self.target, "max"),
        }
        outcome = attempt(self.part.run, TrialJob(**{**given, **changes}), link or Watching())
        assert outcome.status == status, (
            f"{_of(self.part)}: the trial is {outcome.status} ({outcome.cause}); wanted {status}\n{outcome.error}"
        )
        return outcome

    def require_two_evaluations(self) -> None:
        """Fail where a trial could neither pause nor stop."""
        count = self.part.roles.evaluations_of(self.config)
        if count == 1:
            pytest.fail("the configuration has one evaluation; give a fixture `config` with two or more")


@cache
def catalogue_with(part: Trainable) -> Catalogue:
    """Return the parts that ship, and this one."""
    ships = bundled()
    known = ships.of(Trainable).get(part.name) is part
    return ships if known else ships.joined([(part, Origin(place="a test"))])


def variants(part: Trainable, config: Any) -> dict[str, Any]:
    """Return configurations named by their change: none, each arm's settings, each flag flipped."""
    found = {"its defaults": part.config_type(catalogue_with(part))(), "the tested one": config}
    for name, changes in part.named_arms(catalogue_with(part)).items():
        found[f"arm {name}"] = changed(config, changes)
    for name, value in config:
        if isinstance(value, bool):
            found[f"{name}={not value}"] = changed(config, {name: not value})
    return found


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """Return a configuration with new values at dotted paths. Raises if a path is unknown or a value invalid."""
    content = config.model_dump()
    for path, value in changes.items():
        _ = attrgetter(path)(config)
        *groups, name = path.split(".")
        group = content
        for each in groups:
            group = group[each]
        group[name] = value
    return type(config).model_validate(content)


def _values(outcome: TrialOutcome, metric: str) -> list[float]:
    def is_wanted(point: CurvePoint) -> bool:
        return (point.split, point.metric) == ("val", metric)

    return [point.value for point in outcome.curve if is_wanted(point)]


def _of(part: Trainable) -> str:
    return f"{part.defined_at}: trainable {part.name}"
