"""Wheels that are built of sources, and fresh environments that they are installed into."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files


def pip(command: str, *arguments: str, python: Path | None = None) -> None:
    """Run pip for an environment, this one's unless given, without any dependency."""
    which = [] if python is None else ["--python", str(python)]
    subprocess.run([sys.executable, "-m", "pip", *which, command, "--quiet", "--no-deps", *arguments], check=True)


def wheel_of_ours(folder: Path) -> Path:
    """Build from a copy: a build leaves folders behind that a later build would pick up again."""
    source = folder / "source"
    for path in files():
        if path.parts[0] in (*ROOMS, "src") or len(path.parts) == 1:
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, source / path)
    for room in ROOMS:
        shutil.copy2(ROOT / "src" / PACKAGE / room, source / "src" / PACKAGE / room, follow_symlinks=False)
    return _built(source, folder / "ours")


def wheel_of(source: Path, folder: Path) -> Path:
    """Build another distribution, from a copy."""
    return _built(Path(shutil.copytree(source, folder / source.name)), folder / f"{source.name}-built")


def _built(source: Path, folder: Path) -> Path:
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source))
    (built,) = folder.glob("*.whl")
    return built


def installed_into(folder: Path, wheels: Sequence[Path]) -> Path:
    """Make an environment with these wheels and what they depend on, as installed here; return its Python.

    The dependencies are a path in a `.pth` file, so that the editable install of the checkout is not among them.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    site = subprocess.run(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(site) / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    # What lies behind the path counts as installed for pip, the checkout's own name among it.
    pip("install", "--ignore-installed", *map(str, wheels), python=python)
    return python
