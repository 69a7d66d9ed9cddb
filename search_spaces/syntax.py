"""Explains what is wrong with text that is not YAML, in the words of a study's author."""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

_OPENED = {"sequence": ("[", "]"), "mapping": ("{", "}")}
_KEY = re.compile(r"\s*(?:- +)*([^:#]+): +(.+)")
_QUOTED = "the value in quotes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Where text stops being YAML."""

    line: int | None
    """From 1; for a quote or bracket that is not closed, the line where it opens."""
    found: str
    expected: str


def fault(text: str, error: yaml.YAMLError) -> Fault:
    """The fault in `text` that the YAML error describes."""
    if isinstance(error, yaml.reader.ReaderError):
        return Fault(
            line=text.count("\n", 0, error.position) + 1,
            found=f"the control character U+{error.character:04X}",
            expected="text, saved as UTF-8",
        )
    problem, context = getattr(error, "problem", None) or "unreadable text", getattr(error, "context", None) or ""
    line, begun = _line(error, "problem_mark"), _line(error, "context_mark")
    written = text.splitlines()[line - 1] if line and line <= len(text.splitlines()) else ""
    if "'\\t'" in problem:
        return Fault(
            line=line, found="a tab (\\t)", expected="spaces: YAML allows no tabs for indentation or between its parts"
        )
    if "another document" in problem:
        return Fault(line=line, found="a second document (---)", expected="one study in one file")
    if "mapping values" in problem:
        return _colon(written, line)
    if "sequence entries" in problem:
        return Fault(line=line, found="a list entry (-) behind a key", expected="on a line of its own, or in [...]")
    if "quoted scalar" in context and "end of stream" in problem:
        return Fault(line=begun, found="a quote that is not closed", expected="closed on its line")
    if "block scalar" in context:
        value = "".join(re.findall(r"[>|].*", written)[:1]).strip()
        found = f"{value}, where {value[:1]} starts a text of several lines"
        return Fault(line=line, found=found, expected=f'in quotes: "{value}"')
    if "cannot start any token" in problem:
        sign = problem.split("'")[1] if "'" in problem else "a sign"
        return Fault(line=line, found=f"{sign} at the beginning of a value", expected=_QUOTED)
    for kind, (opening, closing) in _OPENED.items():
        if context == f"while parsing a flow {kind}":
            expected = f"closed by {closing}, with commas between what is inside"
            return Fault(line=begun, found=f"{opening} that is not closed", expected=expected)
    if "<block end>" in problem:
        return Fault(line=line, found="a line that does not fit the lines above", expected="indented as they are")
    wanted, _, got = re.sub(r", but (found|got) ", "\0", problem).partition("\0")
    if got:
        return Fault(line=line, found=got, expected=wanted.removeprefix("expected "))
    return Fault(line=line, found=problem.removeprefix("found "), expected="YAML")


def _colon(written: str, line: int | None) -> Fault:
    """A colon where no key can stand: inside a text, or because of a line that is wrongly indented."""
    match = _KEY.fullmatch(written)
    if match and re.search(r":(\s|$)", match[2]) and match[2][0] not in "\"'{[":
        text = re.sub(r"\s+#.*", "", match[2]).replace("\\", "\\\\").replace('"', '\\"')
        return Fault(line=line, found="a colon inside a text", expected=f'in quotes: {match[1].strip()}: "{text}"')
    expected = "indented like its neighbours, with a colon and a space after each key (check the line above, too)"
    return Fault(line=line, found="a key in a place where YAML allows none", expected=expected)


def _line(error: yaml.YAMLError, mark: str) -> int | None:
    at = getattr(error, mark, None)
    return int(at.line) + 1 if at else None
