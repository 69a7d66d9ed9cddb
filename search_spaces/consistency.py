"""The last check of a study, once each section is sound: whether the sections fit together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from math import prod

from pydantic import BaseModel
from pydantic import ValidationError

from ablative.search_spaces.arms import RESOLUTION
from ablative.search_spaces.arms import Arm
from ablative.search_spaces.arms import build_arms
from ablative.search_spaces.arms import levels
from ablative.search_spaces.arms import reference
from ablative.search_spaces.claim_checks import claim_mistakes
from ablative.search_spaces.claim_checks import weight_mistakes
from ablative.search_spaces.condition_checks import computed
from ablative.search_spaces.condition_checks import condition_mistakes
from ablative.search_spaces.config_checks import ConfigChecks
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import Cell
from ablative.search_spaces.design import cells_of
from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import grave
from ablative.search_spaces.fractional import columns
from ablative.search_spaces.fractional import runs
from ablative.search_spaces.search_checks import search_mistakes
from ablative.search_spaces.seed_checks import sequential_mistakes
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import Subject
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import one_of
from ablative.search_spaces.wording import phrase
from ablative.search_spaces.wording import shown

MOST_CELLS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Consistency:
    """Checks of a study as a whole."""

    document: Document
    subject: Subject

    def check(self, study: Study, base: BaseModel) -> tuple[tuple[Cell, ...], list[Mistake]]:
        """The study's cells, with all mistakes and warnings between its sections; no cells if there are mistakes."""
        found = [*self._factors(study, base), *self._size(study, base)]
        if grave(found):
            return (), found
        arms = build_arms(study.arms, base)
        found += [*self._names(study, arms), *self._collisions(study, arms)]
        if grave(found):
            return (), found
        try:
            built = cells_of(study, arms, base, self.subject.canonical)
        except ValidationError as error:
            return (), [self.document.mistake(("base",), "a combination", phrase(d)) for d in error.errors()]
        found += [*self._identical(arms, built), *self._unused(study, built)]
        found += condition_mistakes(self.document, study, built)
        found += [*self._elastic(study), *self._configurations(study, base, arms, built)]
        found += search_mistakes(self.document, study, self.subject, built)
        found += claim_mistakes(self.document, study, [arm.name for arm in arms])
        found += weight_mistakes(self.document, study)
        found += sequential_mistakes(self.document, study, self.subject.task, len(arms))
        return built, found

    def _elastic(self, study: Study) -> Iterator[Mistake]:
        place, found = ("resources", "workers"), "a range"
        if study.resources.fewer_workers and self.subject.elastic is None:
            expected = "a number: this trainable does not promise the same results whatever the number of workers"
            yield self.document.mistake(place, found, expected)
        elif study.resources.fewer_workers and study.resources.where:
            yield self.document.mistake(place, found, "a number beside resources.where")

    def _configurations(
        self, study: Study, base: BaseModel, arms: tuple[Arm, ...], built: tuple[Cell, ...]
    ) -> Iterator[Mistake]:
        def contradictions(config: BaseModel) -> Iterator[tuple[str, str, str]]:
            yield from self.subject.contradictions(config)
            if study.resources.fewer_workers and self.subject.elastic is not None:
                yield from self.subject.elastic(config, study.resources.most_workers)

        checks = ConfigChecks(
            document=self.document,
            contradictions=contradictions,
            without_scale=self.subject.without_scale,
            places={arm.name: partial(arm_place, arm) for arm in arms},
        )
        return checks.check(base, arms, built)

    def _factors(self, study: Study, base: BaseModel) -> Iterator[Mistake]:
        owners: dict[str, str] = {}
        for name, factor in study.arms.factors.items():
            place = ("arms", "factors", name)
            changed = levels(name, factor, base)
            if not changed:
                yield self.document.mistake(
                    place, "only the base's own values", "a value or change that differs from the base"
                )
            if len(factor.values or ()) > 1 and len(changed) == len(factor.values or ()):
                found = f"{shown(list(factor.values or ()))} beside the base's {shown(value_at(base, name))}"
                expected = (
                    "a list that includes the base's value (it is a level too), or a base that has one of these values"
                )
                yield self.document.warning(place, found, expected)
            if study.arms.design in ("fractional", "path") and len(changed) > 1:
                found = f"{len(changed)} alternatives to the base"
                yield self.document.mistake(
                    place, found, f"one alternative: a {study.arms.design} design takes factors with two levels"
                )
            for path in dict.fromkeys(path for level in changed for path in level.changes):
                owner = owners.setdefault(path, name)
                if owner != name and study.arms.design in ("ladder", "factorial", "fractional", "path"):
                    expected = "changes that do not overlap, or one factor with both as its levels"
                    yield self.document.mistake(place, f"{path}, which the factor {owner} changes too", expected)

    def _size(self, study: Study, base: BaseModel) -> Iterator[Mistake]:
        factors = [len(levels(name, factor, base)) for name, factor in study.arms.factors.items()]
        designed = _num_designed(study, factors)
        if study.arms.resolution is not None and study.arms.design != "fractional":
            found = f"{study.arms.resolution}"
            yield self.document.mistake(
                ("arms", "resolution"), found, "left out: only a fractional design has a resolution"
            )
        yield from self._path(study)
        arms = designed + len(study.arms.listed) + len(study.arms.controls)
        count = arms * prod(len(values) for values in study.conditions.values())
        if count > MOST_CELLS:
            place = ("arms",) if arms > MOST_CELLS else ("conditions",)
            yield self.document.mistake(place, f"{count} cells", f"at most {MOST_CELLS} cells")

    def _path(self, study: Study) -> Iterator[Mistake]:
        if study.arms.design != "path":
            if study.arms.order is not None:
                yield self.document.mistake(
                    ("arms", "order"), study.arms.order, "left out: only the design `path` has an order"
                )
            return
        if len(study.arms.factors) == 1:
            yield self.document.mistake(
                ("arms", "factors"), "one factor", "two or more factors, for the path to order"
            )
        if study.arms.order == "racing" and study.search.space:
            expected = (
                "greedy, or used without search.space: a race compares changes seed by seed, at one setting each"
            )
            yield self.document.mistake(("arms", "order"), "racing beside a search", expected)
        if study.arms.order == "racing" and len(study.seeds.search) == 1:
            expected = "two or more seeds: a race drops changes that fall behind before all seeds have run"
            yield self.document.mistake(("seeds", "search"), "one seed", expected)

    def _names(self, study: Study, arms: tuple[Arm, ...]) -> Iterator[Mistake]:
        names = [arm.name for arm in arms]
        for index, arm in enumerate(arms):
            if arm.name in names[:index]:
                yield self.document.mistake(
                    arm_place(arm), f"a second arm {arm.name}", "another name; this one is taken"
                )
        if reference(study.arms) not in names:
            place = ("arms", "reference")
            yield self.document.mistake(
                place, f"an unknown arm {study.arms.reference}", one_of(study.arms.reference, names)
            )

    def _collisions(self, study: Study, arms: tuple[Arm, ...]) -> Iterator[Mistake]:
        space, conditions = study.search.space, study.conditions
        for path in space.keys() & conditions.keys():
            expected = "searched or a condition, not both"
            yield self.document.mistake(
                ("search", "space", path), "a searched parameter that is also a condition", expected
            )
        reported: set[tuple[Place, str]] = set()
        for arm in arms:
            for path in arm.changes:
                place = arm_place(arm, path)
                if path in conditions and (place, path) not in reported:
                    yield self.document.mistake(
                        place, f"{path}, which is a condition", "removed here, or from conditions"
                    )
                if path in space and arm.levels and (place, path) not in reported:
                    expected = f"a factor or a search parameter, not both: remove search.space.{path}"
                    yield self.document.mistake(place, f"{path}, which is searched", expected)
                reported.add((place, path))

    def _identical(self, arms: tuple[Arm, ...], built: tuple[Cell, ...]) -> Iterator[Mistake]:
        alike: dict[tuple[str, str, str], list[Cell]] = {}
        for cell in built:  # compared by content, as comparing each with each would take the square of their number
            alike.setdefault((repr(cell.condition), *computed(cell)), []).append(cell)
        places = {arm.name: arm_place(arm) for arm in arms}
        reported: set[tuple[str, str]] = set()
        for group in alike.values():
            for first, second in combinations(group, 2):
                if (first.arm, second.arm) in reported:
                    continue
                reported.add((first.arm, second.arm))
                where = f" under {second.name.partition('|')[2]}" if second.condition else ""
                found = f"arm {second.arm}, which computes the same as arm {first.arm}{where}"
                expected = "removed, or changed so that it computes something else"
                yield self.document.mistake(places[second.arm], found, expected)

    def _unused(self, study: Study, built: tuple[Cell, ...]) -> Iterator[Mistake]:
        used = {path for cell in built for path, _ in cell.space}
        for path in study.search.space:
            if path not in used:
                found = "a parameter that no arm uses, so searching it has no effect"
                expected = "removed, or a parameter that is active and matters in some arm"
                yield self.document.mistake(("search", "space", path), found, expected)


def _num_designed(study: Study, num_levels: list[int]) -> int:
    """The number of arms that the design makes from factors with these numbers of alternatives."""
    if study.arms.design == "listed":
        return 0 if study.arms.listed else 1
    if study.arms.design == "path":
        return 1 + len(num_levels) * (len(num_levels) + 1) // 2
    if study.arms.design == "factorial":
        return prod(count + 1 for count in num_levels)
    if study.arms.design == "fractional":
        return sum(1 for _ in runs(columns(len(num_levels), study.arms.resolution or RESOLUTION)))
    return sum(num_levels) + 1


def arm_place(arm: Arm, path: str | None = None) -> Place:
    """Where an arm is written: the factor, whose level changes `path`, the control, or the listed arm."""
    if arm.levels:
        owners = [level for level in arm.levels if path is None or path in level.changes]
        return ("arms", "factors", owners[-1].factor)
    return ("arms", "controls" if arm.is_control else "listed", arm.name)
