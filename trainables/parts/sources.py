"""Users' own parts: files named on the command line, and installed packages. Imports no torch.

A file's parts carry its bytes. Another machine's process imports the same bytes under the same module name
(`install`), so objects made from the parts can be pickled between processes.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from functools import cache
from functools import cached_property
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from ablative.trainables.parts.catalogue import Catalogue
from ablative.trainables.parts.catalogue import bundled
from ablative.trainables.parts.catalogue import parts_of
from ablative.trainables.parts.origin import Origin
from ablative.trainables.parts.part import KINDS
from ablative.trainables.parts.part import Part
from ablative.trainables.parts.part import PartError

MOST_BYTES = 20_000_000
"""Largest size of a file or folder of parts, because its bytes travel to every worker."""
_PREFIX = "ablative_with"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file or package folder that lists parts; two with the same bytes are equal."""

    name: str
    """The name of the file without its suffix, or of the folder."""
    files: tuple[tuple[str, bytes], ...]
    """(Path relative to the folder, content), sorted; for a single file just that file."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a package."""
        return any(name == "__init__.py" for name, _ in self.files)

    @cached_property
    def digest(self) -> str:
        """Hash of names and contents, 64 hex digits."""
        digest = hashlib.sha256()
        for name, content in self.files:
            digest.update(f"{len(name)} {name} {len(content)} ".encode() + content)
        return digest.hexdigest()

    @property
    def module(self) -> str:
        """The name of its module, the same in every process."""
        return f"{_PREFIX}_{self.digest[:12]}_{self.name}"


def read_source(path: Path) -> Source:
    """Return a file or package folder with its bytes. Raises PartError if it is missing or too large."""
    path = path.expanduser()
    if path.is_dir() and (path / "__init__.py").is_file():
        found = sorted(file for file in path.rglob("*") if file.is_file() and not _is_passing(file.relative_to(path)))
        if (size := sum(file.stat().st_size for file in found)) > MOST_BYTES:
            raise PartError(f"{path}: {size:,} bytes; at most {MOST_BYTES:,}, because parts travel to every worker")
        files = tuple((file.relative_to(path).as_posix(), file.read_bytes()) for file in found)
        return Source(name=_identifier(path.name), files=files)
    if path.is_file() and path.suffix == ".py":
        return Source(name=_identifier(path.stem), files=((path.name, path.read_bytes()),))
    what = "a folder without __init__.py" if path.is_dir() else "no Python file" if path.exists() else "not there"
    raise PartError(f"{path}: {what}; --with takes a Python file, or a package folder, that lists its parts")


def catalogue(paths: Sequence[Path] = ()) -> Catalogue:
    """Return the bundled parts, those of installed packages, and those that these files list.

    Importing runs the files, so pass only files that the user has named on the command line. Raises PartError, with
    file and line, for a file that does not import, lists no parts, or reuses a name.
    """
    digests: list[str] = []
    for path in paths:
        source = read_source(path)
        _import(source, path)
        digests.append(source.digest)
    return known(tuple(dict.fromkeys(digests)))


@cache
def installed() -> Catalogue:
    """Return the bundled parts, and those that installed packages bring by entry points.

    A broken package stops no study that does not need it: its parts are left out, and `broken` says why.
    """
    found, broken = bundled(), []
    for kind in KINDS:
        for point in entry_points(group=f"ablative.{kind}s"):
            try:
                found = found.joined([_entered(point, kind)])
            except PartError as error:
                broken.append(str(error))
    return replace(found, broken=tuple(broken))


_IMPORTED: dict[str, tuple[Source, tuple[Part, ...], str]] = {}
"""Digest -> source, its parts, and the path from which this process imported it."""
_KNOWN: dict[tuple[str, ...], Catalogue] = {}
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
"""Folder of installed sources. A package may read its own files, so the folder stays until this process ends."""


def known(digests: tuple[str, ...]) -> Catalogue:
    """Return the catalogue with the parts of sources that this process has imported. Raises PartError for another."""
    if digests not in _KNOWN:
        if missing := [digest for digest in digests if digest not in _IMPORTED]:
            raise PartError(
                f"this process lacks the parts of {', '.join(missing)}; call `install` with their sources first"
            )
        joined = installed()
        for digest in digests:
            source, parts, place = _IMPORTED[digest]
            joined = joined.joined((part, Origin(place=place, identity=source.digest)) for part in parts)
        _KNOWN[digests] = replace(joined, sources=digests)
    return _KNOWN[digests]


def imported() -> tuple[Source, ...]:
    """Return every file of parts that this process has imported, for its workers to install."""
    return tuple(source for source, _, _ in _IMPORTED.values())


def install(sources: Iterable[Source]) -> None:
    """Import sources that another process has read, from a private folder of this process."""
    for source in sources:
        if source.digest not in _IMPORTED:
            _FOLDERS.append(tempfile.TemporaryDirectory(prefix="ablate-parts-", ignore_cleanup_errors=True))
            folder = Path(_FOLDERS[-1].name) / source.name
            for name, content in source.files:
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            _import(source, folder if source.is_folder else folder / source.files[0][0])


def _import(source: Source, path: Path) -> None:
    if source.digest in _IMPORTED:
        return
    module = _executed(source, path)
    _IMPORTED[source.digest] = (source, parts_of(module, str(path)), str(path))


def _executed(source: Source, path: Path) -> ModuleType:
    start = path / "__init__.py" if source.is_folder else path
    spec = importlib.util.spec_from_file_location(
        source.module, start, submodule_search_locations=[str(path)] if source.is_folder else None
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[source.module] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[source.module]
        if isinstance(error, KeyboardInterrupt | PartError):
            raise
        raise PartError(f"{_place(error, path)}: {type(error).__name__}: {error}; --with runs this file") from error
    return module


def _entered(point: EntryPoint, kind: str) -> tuple[Part, Origin]:
    assert point.dist is not None
    place = f"{point.dist.name} {point.dist.version}"
    try:
        part = point.load()
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error} ({_last_place(error)})"
        raise PartError(f"{place}: entry point {point.group}: {point.name} = {point.value}: {said}") from error
    if not isinstance(part, Part) or part.kind != kind or part.name != point.name:
        raise PartError(f"{place}: entry point {point.group}: {point.name} = {point.value} is no {kind} of that name")
    return part, Origin(place=place, identity=place)


def _last_place(error: BaseException) -> str:
    """Return `file:line` at which an exception was raised."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def _place(error: BaseException, path: Path) -> str:
    """Return `file:line` of the innermost line in an exception's traceback that belongs to the part's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(path))]
    return f"{inside[-1].filename}:{inside[-1].lineno}" if inside else str(path)


def _is_passing(path: Path) -> bool:
    return any(name.startswith(".") or name == "__pycache__" for name in path.parts)


def _identifier(name: str) -> str:
    return "".join(mark if mark.isalnum() and mark.isascii() else "_" for mark in name)
