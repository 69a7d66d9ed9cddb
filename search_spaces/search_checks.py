"""Checks that a study's search suits its cells: the sampler their spaces, the stopping rule their batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence
from math import prod

from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.design import Cell
from ablative.search_spaces.document import Document
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.proposals import SAMPLERS
from ablative.search_spaces.proposals import Sampler
from ablative.search_spaces.space import grid
from ablative.search_spaces.stopping import rule_of
from ablative.search_spaces.study import Study
from ablative.search_spaces.subject import Subject
from ablative.search_spaces.wording import one_of

MOST_OF_A_GRID = 100_000
ENOUGH_A_PARAMETER = 10
"""Settings per searched parameter at which a larger space is no longer a handicap, by the usual rule of thumb."""


def search_mistakes(document: Document, study: Study, subject: Subject, cells: Sequence[Cell]) -> Iterator[Mistake]:
    """All mistakes of the search of a study whose cells are sound."""
    if study.search.warm_start == study.study:
        yield document.mistake(("search", "warm_start"), "the study itself", "another study of the store")
    yield from _stop(document, study, subject.evaluations, cells)
    yield from _cost(document, study, subject.data_fraction)
    yield from _shared(document, study, cells)
    yield from _several(document, study)
    searched = [cell for cell in cells if cell.space]
    sampler = SAMPLERS[study.search.sampler]
    yield from _space(document, sampler, searched)
    if sampler.ends:
        yield from _grid(document, study, searched)
    elif not study.search.shared:
        yield from _unlike(document, study, cells)


def _cost(document: Document, study: Study, data_fraction: str | None) -> Iterator[Mistake]:
    space, cost, place = study.search.space, study.search.cost, ("search", "cost")
    if cost is None:
        if data_fraction in space:
            expected = "a condition, or searched with search.cost: more data is better, and the search must weigh it"
            yield document.mistake(("search", "space", data_fraction), "a search for the best share of data", expected)
        return
    if cost.path not in space:
        yield document.mistake(
            (*place, "path"), f"{cost.path}, which is not in search.space", one_of(cost.path, space)
        )
        return
    values = space[cost.path].probes()
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        yield document.mistake((*place, "path"), f"{cost.path}, whose values are not numbers", "a searched number")
    elif cost.scale == "log" and min(values) <= 0:
        yield document.mistake((*place, "scale"), "log, with values that are not above 0", "linear")
    if study.search.stop is not None:
        expected = "left out: a stopping rule compares learning curves, and those do not include the cost"
        yield document.mistake(("search", "stop"), "a stopping rule beside search.cost", expected)
    if study.search.trades and (sampler := SAMPLERS[study.search.sampler]).one_target:
        others = ", ".join(other.name for other in SAMPLERS.values() if not other.one_target)
        expected = f"one of {others}, or search.cost.weight: {sampler.name} optimises one target only"
        yield document.mistake(
            ("search", "sampler"), f"{sampler.name}, beside a cost without a weight (two targets)", expected
        )


def _shared(document: Document, study: Study, cells: Sequence[Cell]) -> Iterator[Mistake]:
    """All mistakes of a shared setting: it must mean the same in each arm, and all arms must search for it."""
    if not study.search.shared:
        return
    place = ("search", "shared")
    if not study.search.space:
        yield document.mistake(place, "a shared setting, but an empty search.space", "left out, or a search.space")
        return
    if study.arms.design == "path":
        yield document.mistake(
            place,
            "a shared setting in the design path",
            "left out: a path builds its arms one by one, so they cannot share a setting",
        )
    each = ("stop", "cost", "warm_start", "device_seconds")
    for name in (name for name in each if getattr(study.search, name) is not None):
        expected = "left out beside search.shared: it would apply to each arm's own search"
        yield document.mistake(("search", name), f"{name} beside a shared setting", expected)
    for group in _by_condition(cells):
        most = max(group, key=_size)
        known = {path for path, _ in most.space}
        for cell in group:
            if own := [path for path, _ in cell.space if path not in known]:
                found = f"{cell.arm} searches {own[0]}, but {most.arm}, the arm with most parameters, does not"
                expected = (
                    "one arm that searches all parameters; or leave search.shared out, so each arm has its own setting"
                )
                yield document.mistake(place, found, expected)
                return


def _several(document: Document, study: Study) -> Iterator[Mistake]:
    """All mistakes of a study whose cells have several searches, which must be independent."""
    seeds, search = study.seeds, study.search
    kinds = {"seeds.nested": seeds.nested, "search.repeats": search.repeats > 1, "search.shared": search.shared}
    given = [name for name, is_given in kinds.items() if is_given]
    if len(given) > 1:
        expected = f"only one of {', '.join(given)}: they are alternative ways to find settings"
        yield document.mistake(tuple(given[0].split(".")), f"{given[0]} beside {given[1]}", expected)
        return
    if not (seeds.nested or search.repeats > 1):
        return
    (name,) = given
    place = tuple(name.split("."))
    if not search.space:
        yield document.mistake(place, f"{name}, but an empty search.space", "left out, or a search.space")
        return
    if study.arms.design == "path":
        yield document.mistake(
            place, f"{name} in the design path", "left out: a path chooses its arms by one search each"
        )
    if search.warm_start is not None:
        expected = f"left out beside {name}: searches that learn from the same settings are not independent"
        yield document.mistake(("search", "warm_start"), search.warm_start, expected)
    if search.trades:
        expected = f"given a search.cost.weight: with {name} there is no single Pareto front"
        yield document.mistake(("search", "cost"), "two targets", expected)
    if seeds.nested and "search" in (document.value.get("seeds") or {}):
        expected = "left out beside seeds.nested, where each confirm seed has its own search"
        yield document.warning(("seeds", "search"), "search seeds that are not used", expected)
    if search.repeats > len(seeds.confirm):
        expected = f"at most {len(seeds.confirm)}, the number of seeds.confirm; or seeds.nested"
        yield document.mistake(place, f"{search.repeats}", expected)
    elif len(seeds.search) % search.repeats:
        expected = f"as many as search.repeats ({search.repeats}), or a multiple: they are divided among the searches"
        yield document.mistake(("seeds", "search"), f"{len(seeds.search)} seeds", expected)


def _unlike(document: Document, study: Study, cells: Sequence[Cell]) -> Iterator[Mistake]:
    """Warn of arms whose difference comes partly from their searches: equal trials in spaces of unequal size."""
    unlike = [(max(group, key=_size), min(group, key=_size)) for group in _by_condition(cells)]
    unlike = [(most, least) for most, least in unlike if _size(most) > _size(least)]
    if not unlike:
        return
    most, least = max(unlike, key=lambda pair: _size(pair[0]))
    needed, trials = ENOUGH_A_PARAMETER * _size(most), study.search.trials
    if trials < needed:
        found = f"{most.arm} searches {_counted(_size(most))} with {trials} settings, {least.arm} {_size(least)}"
        expected = (
            f"at least {needed} settings ({ENOUGH_A_PARAMETER} a parameter), or the same parameters in every arm: "
            "otherwise the unequal searches are part of the difference between arms"
        )
        yield document.warning(("search", "trials"), found, expected)


def _by_condition(cells: Sequence[Cell]) -> list[list[Cell]]:
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[repr(cell.condition)].append(cell)
    return list(groups.values())


def _size(cell: Cell) -> int:
    return len(cell.space)


def _counted(parameters: int) -> str:
    return f"{parameters} parameter{'s' if parameters > 1 else ''}"


def _space(document: Document, sampler: Sampler, cells: Sequence[Cell]) -> Iterator[Mistake]:
    for cell in cells:
        if (found := sampler.unsuited(cell.space)) is not None:
            expected = f"tpe or random; {sampler.name} needs {sampler.needs}"
            yield document.mistake(("search", "sampler"), f"{sampler.name}, though {found} in {cell.name}", expected)
            return


def _grid(document: Document, study: Study, cells: Sequence[Cell]) -> Iterator[Mistake]:
    infinite = [path for path, domain in study.search.space.items() if domain.values() is None]
    for path in infinite:
        place = ("search", "space", path)
        yield document.mistake(
            place,
            "a domain with infinitely many values",
            f"choice, randint, lograndint or quniform, for {study.search.sampler}",
        )
    if infinite:
        return
    for cell in cells:
        most = prod(len(domain.values() or ()) for _, domain in cell.space)
        size = len(grid(cell.space, cell.config)) if most <= MOST_OF_A_GRID else most
        if size > study.search.trials:
            found = f"{study.search.trials}, too few for the whole grid in {cell.name}"
            yield document.mistake(("search", "trials"), found, f"at least {size}, or a smaller grid")
            return


def _stop(document: Document, study: Study, evaluations: str | None, cells: Sequence[Cell]) -> Iterator[Mistake]:
    stop = study.search.stop
    if stop is None:
        return
    rule, of_study = rule_of(stop)
    if rule.compares_batch and study.search.batch < 2:
        yield document.mistake(("search", "batch"), "1", f"2 or more: {rule.name} compares the settings of a batch")
    if evaluations is None:
        expected = "left out: this trainable has no setting for how often its trials report their target"
        yield document.mistake(("search", "stop"), "a stopping rule", expected)
        return
    if not cells:
        return
    least = min(value_at(cell.config, evaluations) for cell in cells)
    if of_study.grace >= least:
        expected = f"below {least}, the number of evaluations of a trial ({evaluations})"
        yield document.mistake(("search", "stop", rule.name, "grace"), str(of_study.grace), expected)
