"""`ablate init`: a folder to start from, which checks, runs and passes its test at once."""

from __future__ import annotations

import keyword
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from importlib.machinery import PathFinder
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from ablative.errors import AblativeError
from ablative.orchestrator.commands.boundary import QUIET
from ablative.orchestrator.commands.boundary import boundary
from ablative.orchestrator.errors import OrchestratorError

KINDS = ("study", "data", "term", "task", "student", "trainable")
_STARTERS = "ablative.starters"
_STANDS_FOR_NAME = "starter"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@click.command()
@click.argument("name")
@click.option(
    "--kind", type=click.Choice(KINDS), default="study", show_default=True, help="The part that you want to write."
)
@QUIET
@boundary
def init(name: str, kind: str, quiet: bool) -> None:
    """Write a folder NAME with a study, the part of your own that it compares, and a test of both.

    It checks, runs and passes its test as written; change it step by step. `data` is a study of your own pictures and
    texts and needs no code; the other kinds come with a Python file.

    \b
    ablate init my_study
    ablate init my_loss --kind term
    ablate init my_pictures --kind data
    """
    _require_name(name)
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OrchestratorError(f"{folder}: already exists; give another name, or move the folder")
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as place:
        made = Path(place) / name
        written = write_starter(kind, name, made)
        _require_sound(made, name)
        made.replace(folder)
    if quiet:
        return
    click.echo(f"{folder}: {', '.join(written)}")
    for line in _next_commands(folder):
        click.echo(f"  {line}")


def write_starter(kind: str, name: str, folder: Path) -> list[str]:
    """Write the starter of a kind under a name into a folder; return the names of its files."""
    source = resources.files(_STARTERS) / kind
    for path, content in _files(source, ""):
        target = folder / _named(path, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_named(content.read_text(encoding="utf-8"), name), encoding="utf-8")
    if kind in ("data", "task"):
        _draw_pictures(folder)
    return sorted(path.relative_to(folder).as_posix() for path in folder.iterdir())


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for found in folder.iterdir():
        if found.is_dir() and not found.name.startswith(("_", ".")):
            yield from _files(found, f"{above}{found.name}/")
        elif found.is_file() and not found.name.endswith(".pyc"):
            yield f"{above}{found.name}", found


def _named(text: str, name: str) -> str:
    """Return a text with its placeholders replaced by the name and the class name."""
    of_class = "".join(word.capitalize() for word in name.split("_"))
    return text.replace(_STANDS_FOR_NAME, name).replace(_STANDS_FOR_NAME.capitalize(), of_class)


def _require_name(name: str) -> None:
    """Raise OrchestratorError for a name that no study, part or module can have."""
    if not _NAME.fullmatch(name):
        raise OrchestratorError(
            f"{name!r}: not a name; use a lower-case letter, then up to 39 lower-case letters, digits or underscores"
        )
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or _is_installed(name):
        raise OrchestratorError(f"{name}: already a Python keyword or module; give another name")


def _require_sound(folder: Path, name: str) -> None:
    """Raise OrchestratorError if a shipped study, a part or a setting already has the name."""
    from ablative.orchestrator.commands import composition
    from ablative.search_spaces.shipped import shipped

    if name in shipped():
        raise OrchestratorError(f"{name}: a shipped study has this name; give another one")
    own = folder / f"{name}.py"
    try:
        composition.load(folder / f"{name}.yaml", (), [own] if own.is_file() else [])
    except AblativeError as error:
        said = str(error).replace(f"{folder}{os.sep}", "")
        raise OrchestratorError(f"{name}: give another name: {said}") from error


def _is_installed(name: str) -> bool:
    here = {"", str(Path.cwd())}
    found = PathFinder.find_spec(name, [entry for entry in sys.path if entry not in here])
    return found is not None and found.origin is not None


def _draw_pictures(folder: Path) -> None:
    """Draw what the tables of a starter name, such as `red_circle.png`."""
    import csv

    for table in sorted(folder.rglob("*.csv")):
        with table.open(encoding="utf-8", newline="") as file:
            names = sorted({row.get("picture") or row["file_name"] for row in csv.DictReader(file)})
        place = table.parent / "pictures" if (table.parent.name != "pictures") else table.parent
        place.mkdir(exist_ok=True)
        for name in names:
            _draw(place / name)


def _draw(path: Path) -> None:
    from PIL import Image
    from PIL import ImageDraw

    colour, shape = path.stem.split("_")
    picture = Image.new("RGB", (96, 96), "white")
    pen, box = ImageDraw.Draw(picture), (20, 20, 76, 76)
    if shape == "circle":
        pen.ellipse(box, fill=colour)
    elif shape == "square":
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(20, 76), (48, 20), (76, 76)], fill=colour)
    picture.save(path)


def _next_commands(folder: Path) -> Iterator[str]:
    """Yield what to type next: the commands of the starter's own page."""
    yield f"cd {folder}"
    page = (folder / "README.md").read_text(encoding="utf-8")
    yield from page.partition("```sh\n")[2].partition("```")[0].splitlines()
