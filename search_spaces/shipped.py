"""The studies that come with the package, and finding a study by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from ablative.places import is_uri
from ablative.places import shown
from ablative.search_spaces.errors import Mistake
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.nearest import nearest

FOLDER = Path(__file__).parent


def shipped() -> tuple[str, ...]:
    """Names of the shipped studies."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _missing(source: str, expected: str) -> StudyError:
    return StudyError((Mistake(file=source, line=None, path="", found="no such study", expected=expected),))


def find_study(source: str | Path) -> Path | str:
    """The file of a study given by path, or by the bare name of a shipped one; `-` is standard input.

    A path may lead to a pipe, such as a shell makes of `<(...)`. A URI, as text, is returned as it is.
    """
    text = os.fspath(source)
    if isinstance(source, str) and is_uri(text):
        return text
    if text == "-":
        return Path("/dev/stdin")
    path = Path(os.path.expanduser(text))
    bare = not isinstance(source, Path) and path.name == text and path.suffix not in (".yaml", ".yml")
    if bare and text in shipped():
        return FOLDER / f"{text}.yaml"
    if os.path.isdir(path) and not bare:
        raise _missing(text, "a file, but this is a folder")
    if not bare and os.path.exists(path):  # no error, whatever the text holds
        return path
    raise _missing(text, _remedy(path, bare))


def _remedy(path: Path, bare: bool) -> str:
    names = ", ".join(shipped())
    here = [name for name in (path.name, f"{path.name}.yaml") if os.path.isfile(path.with_name(name))]
    if bare and here:
        return f"a path, ./{here[0]}, because a bare name means a shipped study ({names})"
    beside = [file.stem for file in path.parent.glob("*.y*ml")] if os.path.isdir(path.parent) and not bare else []
    like = nearest(path.stem, beside)
    near = f"{like}{path.suffix or '.yaml'}" if like else nearest(path.stem, shipped())
    known = f"the path of a file or a shipped study ({names})"
    return f"{near}? Give {known}" if near else known


def display_name(path: Path | str) -> str:
    """How the file is called in mistakes: relative to the current folder where it lies inside it."""
    if isinstance(path, str):
        return shown(path)
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
