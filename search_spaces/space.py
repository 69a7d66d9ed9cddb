"""The search space of one configuration: which parameters are active, in which order, and which matter at all.

A parameter's ``when`` may name fields of the configuration and parameters declared earlier. So a setting is drawn
in the order of declaration, each parameter seeing the values chosen before it.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel

from ablative.search_spaces.configuration import differing
from ablative.search_spaces.configuration import replaced
from ablative.search_spaces.configuration import value_at
from ablative.search_spaces.domains import Choice
from ablative.search_spaces.domains import Domain
from ablative.search_spaces.when import holds

Space = tuple[tuple[str, Domain], ...]
Canonical = Callable[[Any], Any]
MOST_SETTINGS = 256
"""Settings tried before a parameter is assumed to matter."""


def is_active(domain: Domain, chosen: Mapping[str, Any], config: BaseModel) -> bool:
    """Whether a parameter is searched, given the values `chosen` before it and else those of `config`."""
    return holds(domain.when, lambda path: chosen[path] if path in chosen else value_at(config, path))


def active(space: Space, chosen: Mapping[str, Any], config: BaseModel) -> Space:
    """The parameters whose ``when`` holds for the values `chosen` so far and else those of `config`."""
    return tuple((path, domain) for path, domain in space if is_active(domain, chosen, config))


def draw(space: Space, config: BaseModel, suggest: Callable[[str, Domain], Any]) -> dict[str, Any]:
    """One setting: `suggest(path, domain)` is asked for each active parameter, in the order of declaration."""
    chosen: dict[str, Any] = {}
    for path, domain in space:
        if is_active(domain, chosen, config):
            chosen[path] = suggest(path, domain)
    return chosen


def grid(space: Space, config: BaseModel) -> list[dict[str, Any]]:
    """Every setting of a space of finite domains, the last parameter varying fastest."""
    settings: list[dict[str, Any]] = [{}]
    for path, domain in space:
        values = domain.values() or ()
        settings = [
            extended
            for chosen in settings
            for extended in (
                [{**chosen, path: value} for value in values] if is_active(domain, chosen, config) else [chosen]
            )
        ]
    return settings


def _settings(space: Space, config: BaseModel, thorough: str) -> Iterator[dict[str, Any]]:
    """Settings that stand for the space: all options of choices and of `thorough`, the high end of other domains."""

    def extend(chosen: dict[str, Any], rest: Space) -> Iterator[dict[str, Any]]:
        if not rest:
            yield chosen
            return
        (path, domain), *others = rest
        if not is_active(domain, chosen, config):
            yield from extend(chosen, tuple(others))
            return
        probes = domain.probes()
        for value in probes if isinstance(domain, Choice) or path == thorough else probes[-1:]:
            yield from extend({**chosen, path: value}, tuple(others))

    return extend({}, space)


def _dependents(path: str, space: Space) -> set[str]:
    """The parameter and those that are active or not by its value, directly or through others."""
    found = {path}
    for later, domain in space:  # a parameter depends on earlier ones only, so one pass sees all
        if found & domain.when.keys():
            found.add(later)
    return found


def _matters(path: str, space: Space, config: BaseModel, canonical: Canonical) -> bool:
    own = _dependents(path, space)
    results: dict[str, Any] = {}
    for count, setting in enumerate(_settings(space, config, path)):
        if count >= MOST_SETTINGS:
            return True
        if path not in setting:
            continue
        rest = repr({name: value for name, value in setting.items() if name not in own})
        result = canonical(replaced(config, setting))
        if results.setdefault(rest, result) != result:
            return True
    return False


def searched(space: Space, config: BaseModel, canonical: Canonical) -> Space:
    """The parameters of `space` that can be active and can change the result in some setting, for this `config`."""
    kept = space
    for path, _ in space:
        if not _matters(path, kept, config, canonical):
            kept = tuple(parameter for parameter in kept if parameter[0] != path)
    return kept


def reduced(config: BaseModel, space: Space, canonical: Canonical) -> BaseModel:
    """`config` without what cannot matter in any setting of `space`.

    Canonical, but for fields that only matter once a searched parameter switches them on: those keep their
    values. For every setting, `canonical(replaced(reduced, setting)) == canonical(replaced(config, setting))`.
    """
    plain = canonical(config)
    lost = differing(plain, config)
    if not lost or not space:
        return plain
    results = [canonical(replaced(config, s)) for s in islice(_settings(space, config, ""), MOST_SETTINGS)]
    needed = [path for path in lost if any(value_at(r, path) == value_at(config, path) for r in results)]
    return replaced(plain, {path: value_at(config, path) for path in needed})
