"""The project's own sources, read without importing them: files, modules and what each one imports."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
IMPORT_PATH = os.pathsep.join(map(str, (ROOT / "src", ROOT, ROOT / "benchmarks")))
"""What PYTHONPATH holds for a process that a test starts: the package, the tests themselves and the benchmarks."""
PACKAGE = "ablative"
ROOMS = ("search_spaces", "orchestrator", "trainables", "cluster", "analysis")


@functools.cache
def files() -> tuple[Path, ...]:
    """Return every file of the project, relative to its root: what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = sorted({Path(name) for name in listed.split("\0") if name})
    return tuple(path for path in found if (ROOT / path).is_file())


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One import statement's target."""

    target: str
    """Module as written; for `from a import b` both `a` and `a.b` are given."""
    at_import: bool
    """It runs when the module is imported: not inside a function, not for type checkers only."""
    line: int


@functools.cache
def modules() -> dict[str, Path]:
    """Return module name -> file, for every module of the package; the rooms lie at the top of the repository."""
    return {_module_name(path): path for path in files() if path.suffix == ".py" and path.parts[0] in (*ROOMS, "src")}


def _module_name(path: Path) -> str:
    first, *rest = path.with_suffix("").parts
    parts = rest if first == "src" else (PACKAGE, first, *rest)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a file of the project."""
    return ast.parse((ROOT / path).read_text(), filename=str(path))


@functools.cache
def imports(module: str) -> tuple[Import, ...]:
    """Return what `module` imports, wherever in the file."""
    return imported(modules()[module])


@functools.cache
def imported(path: Path) -> tuple[Import, ...]:
    """Return what a file of the project imports, wherever in it."""
    return tuple(_walk(tree(path), at_import=True))


def _walk(node: ast.AST, *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(target=name.name, at_import=at_import, line=child.lineno) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"relative import in line {child.lineno}"
            targets = [child.module or "", *(f"{child.module}.{name.name}" for name in child.names)]
            yield from (Import(target=target, at_import=at_import, line=child.lineno) for target in targets)
        else:
            yield from _walk(child, at_import=at_import and not _runs_later(child))


def _runs_later(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return True
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def loaded(module: str) -> frozenset[str]:
    """Return every module name, ours or foreign, that importing `module` imports by way of our own files."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        parent = name.rpartition(".")[0]
        if parent:
            waiting.append(parent)
        if name in modules():
            waiting.extend(found.target for found in imports(name) if found.at_import)
    return frozenset(seen)
