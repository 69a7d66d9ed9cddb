"""The code that ran: commit, versions, machine. Versions are looked up, not imported."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from ablative.orchestrator.storing.records import Provenance

PACKAGES = (
    "ablative",
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
CHECKOUT = Path(__file__).resolve().parents[2]  # through the links of src/ablative to the rooms at the top


def provenance(checkout: Path = CHECKOUT) -> Provenance:
    """Return the provenance of this process; the commit is None if git does not give it, as without a checkout."""
    commit = _git(checkout, "rev-parse", "HEAD")
    changes = _git(checkout, "status", "--porcelain", "--untracked-files=no") if commit else None
    return Provenance(
        commit=commit,
        dirty=None if changes is None else bool(changes),
        versions=versions(),
        host=platform.node(),
    )


def versions() -> dict[str, str]:
    """Return the version of Python and of each installed package in `PACKAGES`."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _git(checkout: Path, *arguments: str) -> str | None:
    if not (checkout / ".git").exists():  # a folder above the package may be another project's checkout
        return None
    # Hooks, `rebase --exec` and `bisect run` set GIT_DIR and similar variables, which override the folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    command = ["git", "-C", str(checkout), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10, env=environment)
    except (OSError, subprocess.SubprocessError):  # no git, another user's checkout, or a damaged one
        return None
    return done.stdout.strip()
