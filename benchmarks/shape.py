"""The shape of the code: files, functions, arguments, import cycles and tests.

    python benchmarks/shape.py                   # this project, room by room
    python benchmarks/shape.py PACKAGE [...]     # folders of other code, to compare
    python benchmarks/shape.py --quick           # the project as one, some seconds

Lines are all lines of a file, a function's from `def` to its end. A module is in a cycle if it can reach itself by
imports at the top of modules (those inside functions and under TYPE_CHECKING do not count). The last line is one JSON
object.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import networkx
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("search_spaces", "orchestrator", "trainables", "cluster", "analysis", "src/ablative")
TESTS = ROOT / "tests"
COLUMNS = (
    "code base",
    "files",
    "lines",
    "file median / p90 / max",
    "function median / p90 / max",
    "most args",
    "modules in a cycle",
    "test functions, test lines",
    "mock or monkeypatch uses",
)
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One file, parsed."""

    path: Path
    lines: int
    tree: ast.Module

    def functions(self) -> Iterator[_Function]:
        """Yield every function and method, inner ones too."""
        return (node for node in ast.walk(self.tree) if isinstance(node, _Function))


def modules(folder: Path) -> list[Module]:
    """Return the Python files below a folder; what a link leads to belongs to the folder that it leads to."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        if any((folder / part).is_symlink() for part in path.relative_to(folder).parents):
            continue
        text = path.read_text(encoding="utf-8")
        found.append(Module(path=path, lines=text.count("\n"), tree=ast.parse(text)))
    return found


def shape(found: Iterable[Module], root: Path, package: str) -> dict[str, float]:
    """Return the figures of these modules; `package`: what imports call `root`."""
    found = list(found)
    files = [module.lines for module in found]
    functions = [node for module in found for node in module.functions()]
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions] or [0]
    arguments = [len(node.args.args) + len(node.args.kwonlyargs) + len(node.args.posonlyargs) for node in functions]
    return {
        "files": len(found),
        "lines": sum(files),
        "file_median": float(np.median(files)),
        "file_p90": float(np.percentile(files, 90)),
        "file_max": max(files),
        "function_median": float(np.median(lengths)),
        "function_p90": float(np.percentile(lengths, 90)),
        "function_max": max(lengths),
        "most_arguments": max(arguments, default=0),
        "in_a_cycle": _in_a_cycle(found, root, package) / len(found),
    }


def _in_a_cycle(found: list[Module], root: Path, package: str) -> int:
    names = {_name(module.path, root, package): module for module in found}
    graph = networkx.DiGraph()
    for name, module in names.items():
        is_package = module.path.name == "__init__.py"
        graph.add_edges_from((name, other) for other in _imported(module.tree, name, is_package) if other in names)
    parts = networkx.strongly_connected_components(graph)
    return sum(len(part) for part in parts if len(part) > 1 or any(graph.has_edge(one, one) for one in part))


def _name(path: Path, root: Path, package: str) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join([package, *(part for part in parts if part != "__init__")])


def _imported(tree: ast.Module, importer: str, is_package: bool) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = importer.split(".")
            base = parents[: len(parents) - node.level + is_package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{origin}.{alias.name}"
            yield origin


def tests_of(found: Iterable[Module]) -> dict[str, int]:
    """Return how many tests there are, their lines, properties, and what they replace."""
    counts = {"tests": 0, "test_lines": 0, "properties": 0, "replacements": 0}
    for module in found:
        counts["test_lines"] += module.lines
        for node in module.functions():
            counts["tests"] += node.name.startswith("test_")
            counts["properties"] += any("given" in ast.unparse(one) for one in node.decorator_list)
        calls = [ast.unparse(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
        counts["replacements"] += sum(one.startswith("monkeypatch.setattr") or "mock" in one.lower() for one in calls)
    return counts


def _row(name: str, found: dict[str, float], tested: dict[str, int] | None = None) -> str:
    sizes = f"{found['file_median']:.0f} / {found['file_p90']:.0f} / {found['file_max']:.0f}"
    functions = f"{found['function_median']:.0f} / {found['function_p90']:.0f} / {found['function_max']:.0f}"
    counts = f"{found['files']:.0f} | {found['lines']:,.0f}"
    counted = f"{counts} | {sizes} | {functions} | {found['most_arguments']:.0f} | {found['in_a_cycle']:.0%}"
    return f"| {name} | {counted} | {_tests(tested)} |"


def _tests(tested: dict[str, int] | None) -> str:
    """Return tests with their lines and properties, and how often they replace something; `-` for other code."""
    if tested is None:
        return "- | -"
    properties = f"{tested['properties']} `@given`"
    return f"{tested['tests']:,}, {tested['test_lines']:,} ({properties}) | {tested['replacements']}"


def main() -> None:
    """Print the table and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--quick", action="store_true", help="this project as one row")
    asked = parser.parse_args()
    figures: dict[str, object] = {}
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    if asked.folders:
        for folder in asked.folders:
            found = shape(modules(folder), folder, folder.resolve().name)
            figures[folder.name] = found
            print(_row(folder.name, found))
    else:
        rooms = {room: modules(ROOT / room) for room in ROOMS}
        for room, inside in {} if asked.quick else rooms.items():
            print(_row(room, shape(inside, ROOT / room, f"ablative.{room}")))
        whole = shape([module for inside in rooms.values() for module in inside], ROOT, "ablative")
        tested = tests_of(modules(TESTS))
        figures = {**whole, **tested}
        print(_row("all", whole, tested))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
