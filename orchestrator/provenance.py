"""Which code ran where: commit, versions, machine. Versions are looked up, not imported."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from pathlib import Path

from orchestrator.records import Provenance

PACKAGES = (
    "ablate-clip-td",
    "torch",
    "torchvision",
    "open_clip_torch",
    "transformers",
    "timm",
    "ray",
    "optuna",
    "numpy",
    "pyarrow",
    "pydantic",
)
CHECKOUT = Path(__file__).resolve().parents[1]


def provenance(checkout: Path = CHECKOUT) -> Provenance:
    """Return the provenance of this process; the commit is empty where the package is not run from a checkout."""
    commit = _git(checkout, "rev-parse", "HEAD")
    return Provenance(
        commit=commit,
        dirty=bool(commit) and bool(_git(checkout, "status", "--porcelain", "--untracked-files=no")),
        versions=versions(),
        host=platform.node(),
    )


def versions() -> dict[str, str]:
    """Return the version of Python and of each package in `PACKAGES` that is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(checkout: Path, *arguments: str) -> str:
    if not (checkout / ".git").exists():  # a folder above the package may be another project's checkout
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(checkout), *arguments], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
