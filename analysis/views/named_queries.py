"""The queries that ship with the program: SQL files whose first line describes the answer."""

from __future__ import annotations

from importlib.resources import files

from ablative.search_spaces.nearest import nearest

_FOLDER = files("ablative.analysis.views") / "queries"
_SUFFIX = ".sql"


def named_queries() -> dict[str, str]:
    """Return name -> description of the answer, sorted by name."""
    names = sorted(file.name.removesuffix(_SUFFIX) for file in _FOLDER.iterdir() if file.name.endswith(_SUFFIX))
    return {name: sql_of(name).partition("\n")[0].removeprefix("--").strip() for name in names}


def sql_of(name: str) -> str:
    """Return the SQL of a named query; raises FileNotFoundError if it does not exist."""
    return (_FOLDER / f"{name}{_SUFFIX}").read_text(encoding="utf-8")


def known_query(name: str) -> str:
    """Return the named query that an unknown name may mean, and how to list all of them."""
    near = nearest(name, named_queries())
    meant = f"; the nearest is {near}" if near else ""
    return f"Nor is {name!r} a named query{meant}: `ablate query --list` names them"
