"""Writes the reference of study files, commands and views from the schema, the program and kept records.

    python docs/make_reference.py        # docs/reference/study_file.md, commands.md and views.md

`make docs` does so before it builds the site. The pages are never edited, and git ignores them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pyarrow as pa

from ablative.analysis.views.asking import VIEWS
from ablative.analysis.views.results import load
from ablative.orchestrator.commands.cli import ablate

DOCS = Path(__file__).resolve().parent
SCHEMA = DOCS.parent / "search_spaces" / "study.schema.json"
PLUMBING = {"Changes": "path of a setting: value", "Field": "path of a setting"}
"""Parts of the schema that repeat the configuration, path by path, for editors -> what stands in their place."""
_REF = "#/$defs/"
_MOST_VALUES = 24
_LONGEST_EXAMPLE = 60
_WIDTH = 100

Json = dict[str, Any]


def study_file() -> str:
    """Return the page on study files: a section for each object, a row for each of its settings."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    parts: list[str] = [
        "# Reference: the study file",
        "Made from the schema, which `ablate schema` prints. [The study file](../study_file.md) "
        "explains what belongs together. A setting without a default must be given.",
        "## Top level",
        _table(schema),
    ]
    sections = schema["$defs"]
    for name in _reached(schema, sections):
        if rows := _tables(sections[name]):
            parts += [
                f"## {name}",
                *([sections[name]["description"]] if "description" in sections[name] else []),
                *rows,
            ]
    return "\n\n".join(parts) + "\n"


def commands() -> str:
    """Return the page on commands: what each prints for `--help`."""
    parts = [
        "# Reference: commands",
        "What `ablate COMMAND --help` prints. [Commands for scripts](../commands.md) has exit statuses and JSON.",
    ]
    for path, command in _commands(ablate, ("ablate",)):
        context = click.Context(command, info_name=" ".join(path), terminal_width=_WIDTH, max_content_width=_WIDTH)
        help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts += [f"## {' '.join(path)}", f"```text\n{help_text}\n```"]
    return "\n\n".join(parts) + "\n"


def views() -> str:
    """Return the page on views: each column with its type, and its first value in the records of the quickstart."""
    results = load(str(DOCS / "results" / "quickstart"), "quickstart")
    parts = [
        "# Reference: the views",
        "Every view that `ablate query` answers from, with the first value of each column in the kept records of "
        "the quickstart. A column without a value is empty there. [Records and views](../records.md) says what the "
        "columns mean.",
    ]
    for view in VIEWS:
        table = results.answer(f"select * from {view}")
        rows = ["| column | type | for example |", "| --- | --- | --- |"]
        for field in table.schema:
            kind = re.sub(r"<(item|element|l): ", "<", str(field.type))
            rows.append(f"| `{field.name}` | {kind.replace('<', '&lt;')} | {_example(table[field.name])} |")
        parts += [f"## {view}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def _example(column: pa.ChunkedArray) -> str:
    """Return the first value as code, cut short; nothing if there is none."""
    values = (scalar.as_py() for scalar in column)
    value = next((value for value in values if value not in (None, "", [])), None)
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    short = text if len(text) <= _LONGEST_EXAMPLE else text[: _LONGEST_EXAMPLE - 3] + "..."
    return "" if value is None else f"`{_cell(short)}`"


def _commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            if not inner.hidden:
                yield from _commands(inner, (*path, name))


def _reached(schema: Json, sections: Json) -> list[str]:
    """Return the objects that settings refer to, in the order in which a reader meets them."""
    found: dict[str, None] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop(0)):
            if name not in found and name not in PLUMBING:
                found[name] = None
                waiting.append(sections[name])
    return list(found)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if str(node.get("$ref", "")).startswith(_REF) and "/" not in (name := node["$ref"].removeprefix(_REF)):
            yield name
        for key, value in node.items():
            if key != "$defs":
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _tables(section: Json) -> list[str]:
    """Return the tables of an object, one a form if it has several."""
    forms = section.get("anyOf") or section.get("oneOf") or [section]
    return [_table(form) for form in forms if form.get("properties")]


def _table(section: Json) -> str:
    rows = ["| setting | values | default | meaning |", "| --- | --- | --- | --- |"]
    for name, setting in section["properties"].items():
        if name.startswith("$"):
            continue
        default = _code(setting["default"]) if "default" in setting else ""
        if "default" in setting and isinstance(setting["default"], dict) and _named(setting):
            default = "its own"
        rows.append(f"| `{name}` | {_values(setting)} | {default} | {_cell(setting.get('description', ''))} |")
    return "\n".join(rows)


def _named(setting: Json) -> bool:
    return "$ref" in setting or any("$ref" in form for form in setting.get("anyOf", []))


def _values(setting: Json) -> str:
    """Return in words what a setting may be."""
    if "$ref" in setting:
        name = setting["$ref"].removeprefix(_REF)
        return PLUMBING.get(name, f"[{name}](#{name.lower()})")
    if "const" in setting:
        return _code(setting["const"])
    if "enum" in setting:
        values = [_code(value) for value in setting["enum"]]
        return ", ".join(values[:_MOST_VALUES]) + (", ..." if len(values) > _MOST_VALUES else "")
    for key in ("anyOf", "oneOf"):
        if key in setting:
            return " or ".join(dict.fromkeys(_values(form) for form in setting[key]))
    kind = setting.get("type", "anything")
    if kind == "array":
        return f"list of {_values(setting['items'])}" if setting.get("items") else "list"
    if kind == "object":
        if any("." in name for name in setting.get("properties", {})):
            return "path of a setting: list of values"
        inner = setting.get("additionalProperties")
        return f"name: {_values(inner)}" if isinstance(inner, dict) and inner else "mapping"
    if isinstance(kind, list):
        return " or ".join(_PLAIN[one] for one in kind)
    return _PLAIN.get(kind, kind) + _bounds(setting)


_PLAIN = {
    "number": "number",
    "integer": "whole number",
    "boolean": "`true` or `false`",
    "string": "text",
    "null": "`null`",
}


def _bounds(setting: Json) -> str:
    """Return the bounds of a number in words."""
    low, above = setting.get("minimum"), setting.get("exclusiveMinimum")
    high, below = setting.get("maximum"), setting.get("exclusiveMaximum")
    said = [f"from {low:g}" if low is not None else f"above {above:g}" if above is not None else ""]
    said += [f"to {high:g}" if high is not None else f"below {below:g}" if below is not None else ""]
    words = " ".join(filter(None, said))
    return f" {words}" if words else ""


def _code(value: Any) -> str:
    return f"`{_cell(json.dumps(value, ensure_ascii=False))}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES = {"study_file.md": study_file, "commands.md": commands, "views.md": views}


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (DOCS / "reference").mkdir(exist_ok=True)
        (DOCS / "reference" / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
