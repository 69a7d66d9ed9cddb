"""A study file as read: plain values, each with its line.

YAML is read by the rules of YAML 1.2's core schema, so ``1e-5`` is a number, and ``no`` and dates are text; ``.inf``
and ``.nan`` are text too. Nothing is constructed but mappings, lists and scalars.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import unicodedata
from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ablative.places import PlaceError
from ablative.places import first_bytes
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.syntax import fault
from ablative.search_spaces.wording import Place
from ablative.search_spaces.wording import dotted

MOST_BYTES = 256 * 1024
MOST_DEPTH = 24
MOST_VALUES = 20_000
"""After aliases are expanded."""
MOST = 10**18
"""Of a whole number; no field takes a larger one."""
PLAIN = "text, numbers, true, false, null, and lists and mappings of them"
"""The contents of a study, from a file or from values."""
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """Composes nodes, with YAML 1.2's core schema and a bound on depth."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - the parent's attribute
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(
                problem=f"nesting deeper than {MOST_DEPTH} levels", problem_mark=self.peek_event().start_mark
            )
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_NUMBER = r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
for _kind, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    ("float", rf"^{_NUMBER}$", list("-+0123456789.")),  # no .inf and .nan: they fit no field
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(_pattern), _first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a value was written."""

    file: str
    line: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The contents of a study file."""

    file: str
    value: dict[str, Any]
    origins: dict[Place, Origin]
    mistakes: list[Mistake] = field(default_factory=list)
    """Found while reading: duplicate keys, keys that are not text, foreign tags, numbers out of any range."""

    def mistake(self, place: Place, found: str, expected: str) -> Mistake:
        """A mistake at `place`, with its line or that of the nearest entry around it."""
        around = next((self.origins[place[:n]] for n in range(len(place), -1, -1) if place[:n] in self.origins), None)
        origin = around or Origin(file=self.file, line=None)
        return Mistake(file=origin.file, line=origin.line, path=dotted(place), found=found, expected=expected)

    def warning(self, place: Place, found: str, expected: str) -> Mistake:
        """A warning at `place`: allowed, but the author may regret it."""
        return replace(self.mistake(place, found, expected), severity="warning")


class _Builder:
    """Turns nodes into plain values, noting lines and mistakes on the way."""

    def __init__(self, file: str) -> None:
        self.document = Document(file=file, value={}, origins={})
        self.count = 0

    def build(self, node: yaml.Node, place: Place, line: int | None) -> Any:
        self.count += 1
        if self.count > MOST_VALUES or len(place) > MOST_DEPTH:
            self.note(place, line, "aliases that expand without end", f"at most {MOST_VALUES} values")
            raise StudyError(tuple(self.document.mistakes))
        self.document.origins[place] = Origin(file=self.document.file, line=line)
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (_TAG + "map", _TAG + "seq"):
            self.note(place, line, f"the tag {node.tag}", "a plain mapping or list without a tag")
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, place)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*place, i), _line(item)) for i, item in enumerate(node.value)]
        return self.scalar(node, place, line)

    def mapping(self, node: yaml.MappingNode, place: Place) -> dict[str, Any]:
        built: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag != _TAG + "str":
                self.note(place, _line(key), "a key that is not text", "a name")
            elif strange := _strange(key.value):
                self.note(place, _line(key), f"a key with {strange}", "letters, digits, `_`, `-` and `.`")
            elif key.value in built:
                first = self.document.origins[(*place, key.value)].line
                self.note(
                    (*place, key.value), _line(key), "the key a second time", f"listed once (first on line {first})"
                )
            else:
                built[key.value] = self.build(value, (*place, key.value), _line(key))
        return built

    def scalar(self, node: yaml.Node, place: Place, line: int | None) -> Any:
        text, kind = node.value, node.tag.removeprefix(_TAG)
        if kind == "str":
            text = _joined(text)
            if strange := _strange(text):
                self.note(place, line, f"text with {strange}", "text without this character")
                return None
            return text
        try:
            value = _CONVERSIONS[kind](text)
        except (KeyError, ValueError):
            self.note(place, line, f"the tag {node.tag} on {text[:40]!r}", "a plain value without a tag")
            return None
        if (isinstance(value, int) and abs(value) > MOST) or (isinstance(value, float) and math.isinf(value)):
            self.note(place, line, text if len(text) < 40 else f"{text[:36]} ...", "a number that a field can take")
            return None
        return value

    def note(self, place: Place, line: int | None, found: str, expected: str) -> None:
        mistake = Mistake(file=self.document.file, line=line, path=dotted(place), found=found, expected=expected)
        self.document.mistakes.append(mistake)


def _joined(text: str) -> str:
    """`text` with the two halves of each surrogate pair, as JSON writes them, made one character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _strange(text: str) -> str:
    """The first character of a text that can be neither stored nor shown, in words; empty if there is none."""
    for sign in text:
        if 0xD800 <= ord(sign) < 0xE000:
            return f"half a character (U+{ord(sign):04X} of a surrogate pair)"
        if unicodedata.category(sign) == "Cc" and sign not in "\n\t":
            return f"the control character U+{ord(sign):04X}"
    return ""


def _whole(text: str) -> int:
    return int(text, 0) if text[:2] in ("0x", "0o") else int(text)


_CONVERSIONS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _whole,
    "float": float,
}


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _compose(file: str, text: str) -> yaml.Node | None:
    try:
        return _Loader(text).get_single_node()
    except yaml.YAMLError as error:
        said = fault(text, error)
        mistake = Mistake(file=file, line=said.line, path="", found=said.found, expected=said.expected)
        raise StudyError((mistake,)) from None


def read_value(text: str, file: str) -> Document:
    """The value of an override, under the key ``value``, with every line None."""
    builder = _Builder(file)
    node = _compose(file, text)
    value = None if node is None else builder.build(node, (), None)
    for place in builder.document.origins:
        builder.document.origins[place] = Origin(file=file, line=None)
    builder.document.value["value"] = value
    return builder.document


def refused(value: Any) -> Any:
    """Raise TypeError; `json.dumps` calls this for a value that no file can hold."""
    raise TypeError(f"a value of type {type(value).__name__}")


def given_document(value: Mapping[str, Any], file: str) -> Document:
    """A study given as plain values, called `file` in mistakes; StudyError if a value is not plain."""
    try:
        text = json.dumps(dict(value), default=refused)  # JSON is YAML, so given values are read like written ones
    except (TypeError, ValueError, RecursionError) as error:
        raise StudyError((Mistake(file=file, line=None, path="", found=str(error), expected=PLAIN),)) from None
    document = read_value(text, file)
    return Document(
        file=file, value=document.value["value"], origins=document.origins, mistakes=list(document.mistakes)
    )


def read_document(path: Path | str, file: str) -> Document:
    """The study file at a path or URI, called `file` in mistakes; StudyError unless it is a mapping in plain YAML."""

    def refuse(found: str, expected: str, line: int | None = None) -> StudyError:
        return StudyError((Mistake(file=file, line=line, path="", found=found, expected=expected),))

    try:
        if isinstance(path, str):
            data = first_bytes(path, MOST_BYTES + 1)
        else:
            with path.open("rb") as file_or_pipe:
                data = file_or_pipe.read(MOST_BYTES + 1)
    except PlaceError as error:
        said = f"{error}".removeprefix(f"{file}: ")
        raise refuse(f"a file that cannot be read ({said})", "the URI of a study file") from None
    except OSError as error:
        raise refuse(f"a file that cannot be read ({error.strerror})", "a readable file") from None
    if len(data) > MOST_BYTES:
        raise refuse(f"more than {MOST_BYTES} bytes", f"a study of at most {MOST_BYTES} bytes")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse("text in UTF-16", "saved as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise refuse(f"byte 0x{data[error.start]:02x}, which is not UTF-8", "saved as UTF-8", line) from None
    node = _compose(file, text)
    if node is None:
        raise refuse("an empty file", "a study; copy the shipped study `quickstart` to start from")
    if not isinstance(node, yaml.MappingNode):
        raise refuse("no mapping at the top", "keys such as `study:` and `base:`", _line(node))
    builder = _Builder(file)
    builder.document.value.update(builder.build(node, (), None))
    return builder.document
