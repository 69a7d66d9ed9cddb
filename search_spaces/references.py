"""The second check: every dotted path, value and name, one by one, against the trial configuration."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ablative.search_spaces.arms import FORMS
from ablative.search_spaces.arms import spelled
from ablative.search_spaces.configuration import expectation
from ablative.search_spaces.configuration import groups
from ablative.search_spaces.configuration import kinds
from ablative.search_spaces.configuration import leaves
from ablative.search_spaces.configuration import negligible
from ablative.search_spaces.configuration import options
from ablative.search_spaces.configuration import unusual
from ablative.search_spaces.document import Document
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.domains import LogRandInt
from ablative.search_spaces.domains import RandInt
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.nearest import nearest
from ablative.search_spaces.study import Arms
from ablative.search_spaces.study import Changes
from ablative.search_spaces.study import Factor
from ablative.search_spaces.study import Search
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import Subject
from ablative.search_spaces.when import mentioned
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import shown
from ablative.splits import SHIFTED

LEAST_SHARE = 1e-4
"""Smallest share of a GPU, because Ray counts in ten-thousandths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Checks of what a study refers to."""

    document: Document
    subject: Subject
    unsound: Collection[str]
    """Sections with bad parts left out, so that missing values there are not mistakes."""

    def check(self, study: Study) -> Iterator[Mistake]:
        """All mistakes in paths, values and names."""
        yield from self._arms(study)
        for path, values in study.conditions.items():
            yield from self._values(("conditions", path), path, values)
        for position, path in enumerate(study.search.space):
            yield from self._parameter(study, path, tuple(study.search.space)[:position])
        yield from self._numbers(study)
        yield from self._resources(study)
        yield from self._splits(study)

    def _path(self, place: Place, path: str) -> Iterator[Mistake]:
        if path in groups(self.subject.config_type):
            inside = [leaf for leaf in leaves(self.subject.config_type) if leaf.startswith(f"{path}.")]
            yield self.document.mistake(place, f"{path}, which is a group", f"a field in it: {', '.join(inside)}")
        elif path not in leaves(self.subject.config_type):
            known = leaves(self.subject.config_type)
            group = path.rpartition(".")[0]
            beside = [leaf for leaf in known if leaf.rpartition(".")[0] == group]
            choices = known if nearest(path, known) else beside or known
            yield self.document.mistake(place, f"an unknown field {path}", one_of(path, choices))

    def _value(self, place: Place, path: str, value: Any) -> Iterator[Mistake]:
        expected = expectation(self.subject.config_type, path, value) or negligible(value)
        if expected is not None:
            yield self.document.mistake(place, shown(value), expected)
        elif (better := unusual(self.subject.config_type, path, value)) is not None:
            yield self.document.warning(place, shown(value), better)

    def _values(self, place: Place, path: str, values: Iterable[Any]) -> Iterator[Mistake]:
        unknown = list(self._path(place, path))
        yield from unknown
        values = tuple(values)
        for index, value in enumerate(values):
            if not unknown:
                yield from self._value((*place, index), path, value)
            if any(_readings(value) & _readings(earlier) for earlier in values[:index]):
                yield self.document.mistake((*place, index), f"{shown(value)} a second time", "listed once")

    def _changes(self, place: Place, changes: Mapping[str, Any], prefix: str = "") -> Iterator[Mistake]:
        for name, value in changes.items():
            path, here = prefix + name, (*place, name)
            if path in groups(self.subject.config_type) and isinstance(value, Mapping):
                yield from self._changes(here, value, f"{path}.")
            elif unknown := list(self._path(here, path)):
                yield from unknown
            else:
                yield from self._value(here, path, value)

    def _arms(self, study: Study) -> Iterator[Mistake]:
        arms = study.arms
        for name, factor in arms.factors.items():
            yield from self._factor(("arms", "factors", name), name, factor)
        if "arms" not in self.unsound:
            yield from self._design(arms)
        yield from self._named_arms(("arms", "listed"), arms.listed, "arm")
        yield from self._named_arms(("arms", "controls"), arms.controls, "control")

    def _named_arms(self, place: Place, named: Mapping[str, Changes | None], role: str) -> Iterator[Mistake]:
        known = self.subject.named_arms
        for name, changes in named.items():
            if changes is not None:
                yield from self._changes((*place, name), changes)
            elif name not in known:
                expected = f"its changes to the base, {{}} for none, or a known name: {one_of(name, known)}"
                yield self.document.mistake((*place, name), f"an unknown {role} {name}", expected)

    def _design(self, arms: Arms) -> Iterator[Mistake]:
        place = ("arms", "factors")
        if arms.design == "listed":
            if arms.factors:
                designs = ", ".join(FORMS)
                yield self.document.mistake(
                    place, "factors in the design `listed`", f"removed, or used with another design: {designs}"
                )
            return
        if not arms.factors:
            yield self.document.mistake(
                place, "no factors", f"at least one factor, for the design {arms.design} to vary"
            )
        allowed = FORMS[arms.design]
        for name, factor in arms.factors.items():
            if factor.form in FORMS["factorial"] and factor.form not in allowed:
                expected = f"one of {', '.join(allowed)} in the design {arms.design}"
                yield self.document.mistake((*place, name), f"a factor given by {factor.form}", expected)

    def _factor(self, place: Place, name: str, factor: Factor) -> Iterator[Mistake]:
        if factor.form not in FORMS["factorial"]:
            expected = f"given by exactly one of {', '.join(FORMS['factorial'])}"
            yield self.document.mistake(
                place, f"a factor given by {factor.form}" if factor.form else "an empty factor", expected
            )
        for form, changes in (("without", factor.without), ("with", factor.with_)):
            if changes is not None:
                yield from self._level((*place, form), changes)
        for level, changes in (factor.levels or {}).items():
            yield from self._level((*place, "levels", level), changes)
        if factor.values is not None:
            yield from self._values(place, name, factor.values)

    def _level(self, place: Place, changes: Mapping[str, Any]) -> Iterator[Mistake]:
        yield from self._changes(place, changes)
        if not changes and "levels" not in place:  # an empty named level is the base's
            yield self.document.mistake(place, "no changes", "at least one {path: value}")

    def _parameter(self, study: Study, path: str, earlier: tuple[str, ...]) -> Iterator[Mistake]:
        place, domain = ("search", "space", path), study.search.space[path]
        unknown = list(self._path(place, path))
        yield from unknown or self._domain(place, path, domain)
        for needed, requirement in domain.when.items():
            here = (*place, "when", needed)
            if strange := list(self._path(here, needed)):
                yield from strange
            elif needed in study.search.space and needed not in earlier:
                found = "the parameter itself" if needed == path else "a parameter declared later"
                yield self.document.mistake(here, found, f"a fixed field or a parameter declared before {path}")
            else:
                yield from self._requirement(here, needed, requirement, study.search.space.get(needed))

    def _requirement(self, place: Place, path: str, requirement: Any, domain: Domain | None) -> Iterator[Mistake]:
        for value in mentioned(requirement):
            yield from self._value(place, path, value)
            if domain is not None and not domain.contains(value) and isinstance(domain, Choice):
                yield self.document.mistake(
                    place, f"{shown(value)}, a value that the search never chooses", one_of(value, domain.choice)
                )

    def _domain(self, place: Place, path: str, domain: Domain) -> Iterator[Mistake]:
        kind = next(iter(type(domain).model_fields.keys() - {"when"}))
        here = (*place, kind)
        if isinstance(domain, Choice):
            for index, value in enumerate(domain.choice):
                yield from self._value((*here, index), path, value)
        elif suited := self._suited(path, domain):
            yield self.document.mistake(here, kind, suited)
        else:
            for index, bound in enumerate(domain.probes()):
                yield from self._value((*here, index), path, bound)

    def _suited(self, path: str, domain: Domain) -> str | None:
        """The domains that suit a field, where `domain` does not."""
        types = kinds(self.subject.config_type, path)
        if options(leaves(self.subject.config_type)[path].annotation) or not types & {int, float}:
            return "choice, because the field does not take numbers"
        if float not in types and not isinstance(domain, (RandInt, LogRandInt)):
            return "randint, lograndint or choice, because the field takes whole numbers"
        return None

    def _numbers(self, study: Study) -> Iterator[Mistake]:
        if "search" not in self.unsound:
            yield from self._budget(study.search)
        for phase in ("search", "confirm") if "seeds" not in self.unsound else ():
            yield from self._seeds(study, phase)

    def _resources(self, study: Study) -> Iterator[Mistake]:
        resources = study.resources
        yield from self._gpus(("resources",), resources.gpus_per_worker)
        for index, entry in enumerate(resources.where):
            place = ("resources", "where", index)
            yield from self._gpus(place, entry.gpus_per_worker or 0)
            for path, requirement in entry.when.items():
                here = (*place, "when", path)
                unknown = list(self._path(here, path))
                yield from unknown or self._requirement(here, path, requirement, study.search.space.get(path))

    def _gpus(self, place: Place, gpus: float) -> Iterator[Mistake]:
        if (gpus > 1 and gpus != int(gpus)) or 0 < gpus < LEAST_SHARE:
            expected = f"below 1 or a whole number; 0, or at least {LEAST_SHARE:g}"
            yield self.document.mistake((*place, "gpus_per_worker"), shown(gpus), expected)

    def _budget(self, search: Search) -> Iterator[Mistake]:
        if search.batch > search.trials:
            expected = f"at most search.trials ({search.trials})"
            yield self.document.mistake(("search", "batch"), shown(search.batch), expected)
        if search.trials > 1 and not search.space:
            yield self.document.mistake(
                ("search", "trials"), f"{search.trials} trials, but an empty search.space", "1"
            )

    def _seeds(self, study: Study, phase: str) -> Iterator[Mistake]:
        seeds: tuple[int, ...] = getattr(study.seeds, phase)
        for index, seed in enumerate(seeds):
            place = ("seeds", phase, index)
            if seed in seeds[:index]:
                yield self.document.mistake(place, f"seed {seed} a second time", "a seed that is listed once")
            elif phase == "confirm" and seed in study.seeds.search and not study.seeds.nested:
                expected = "a seed that no search trial has used"
                yield self.document.mistake(place, f"seed {seed}, which search uses", expected)

    def _splits(self, study: Study) -> Iterator[Mistake]:
        split, slash, name = study.target.metric.partition("/")
        place = ("target", "metric")
        if split != "val" or not slash or not name:
            expected = f"val/{name or 'accuracy'}, because search is judged on the validation split only"
            yield self.document.mistake(place, shown(study.target.metric), expected)
        elif self.subject.metrics and name not in self.subject.metrics:
            near = one_of(name, self.subject.metrics)
            yield self.document.mistake(place, f"an unknown metric {name}", f"val/ and {near}")
        evaluated = study.evaluate if "evaluate" not in self.unsound else ()
        for index, chosen in enumerate(evaluated):
            if chosen in study.evaluate[:index]:
                yield self.document.mistake(("evaluate", index), f"{chosen} a second time", "listed once")
        known = Splits(self.subject, study)
        unknown = [
            mistake for at, split in enumerate(evaluated) for mistake in self._split(("evaluate", at), split, known)
        ]
        yield from unknown
        if evaluated and not unknown and "test" not in evaluated:
            found = f"{', '.join(evaluated)}, so effects are measured on the split that also chose the settings"
            yield self.document.warning(("evaluate",), found, "a list that includes test, such as [val, test]")

        for name, claim in study.comparisons.claims.items() if "comparisons" not in self.unsound else ():
            for index, chosen in enumerate(claim.splits):
                yield from self._split(("comparisons", "claims", name, "splits", index), chosen, known)

    def _split(self, place: Place, split: str, known: Splits) -> Iterator[Mistake]:
        if self.subject.splits and split not in known.names and not split.startswith(known.starts):
            yield self.document.mistake(place, shown(split), one_of(split, known.names))


class Splits:
    """What a study may evaluate."""

    def __init__(self, subject: Subject, study: Study) -> None:
        self.names = (*subject.splits, SHIFTED)
        tasks = _values_of(study, subject.task) if subject.task else set()
        self.starts = tuple(start for task in tasks for start in subject.open_splits.get(task, ()))
        """How further names may begin."""


def _values_of(study: Study, path: str) -> set[str]:
    """Return the texts that a field has in the base or a condition; not those of arms, which compare within a task."""
    value: Any = study.base
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return {text for text in (value, *study.conditions.get(path, ())) if isinstance(text, str)}


def _readings(value: Any) -> set[str]:
    """How a value is written in the names of cells and conditions, where two values must not look alike."""
    return {str(value), spelled(value)}
