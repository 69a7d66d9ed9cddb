"""Options of a task on a command line: `shift.column=source` for `task.<name>.shift.column` of a study."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any

import click

if TYPE_CHECKING:
    from ablative.trainables.parts.task import Task


def with_options(task: Task, given: Sequence[str]) -> Task:
    """Return the task with these options. Raises UsageError for an option that a study could not have either."""
    if not given:
        return task
    if task.options is None:
        raise click.UsageError(f"--option {given[0]}: the task {task.name} has no options")
    content: dict[str, Any] = {}
    for written in given:
        *groups, name = written.partition("=")[0].split(".")
        group = content
        value = _value(task.options, written)
        for part in groups:
            group = group.setdefault(part, {})
        group[name] = value
    chosen = task.options.model_validate_json(json.dumps(content))
    for path, found, wanted in task.contradictions(chosen):
        raise click.UsageError(f"--option {path}: found {found}; should be {wanted}")
    return task.with_options(chosen)


def _value(options: Any, written: str) -> Any:
    from ablative.search_spaces.configuration import expectation
    from ablative.search_spaces.configuration import leaves
    from ablative.search_spaces.document import read_value
    from ablative.search_spaces.wording import one_of
    from ablative.search_spaces.wording import shown

    path, equals, text = written.partition("=")
    if path not in leaves(options) or not equals:
        raise click.UsageError(f"--option {written}: wanted NAME=VALUE with {one_of(path, leaves(options))}")
    document = read_value(text, "--option")
    for mistake in document.mistakes:
        raise click.UsageError(f"--option {path}: found {mistake.found}; should be {mistake.expected}")
    value = document.value["value"]
    if (expected := expectation(options, path, value)) is not None:
        raise click.UsageError(f"--option {path}: found {shown(value)}; should be {expected}")
    return value
