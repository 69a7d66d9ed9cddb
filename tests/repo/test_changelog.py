"""The version is the same everywhere, and the changelog can be made of its fragments."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_one_version_stands_in_the_package_the_citation_the_launch_file_and_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()
    images = re.findall(r"image: \S+:(\S+)", (ROOT / "cluster" / "rayjob.yaml").read_text())
    assert images and set(images) == {version}
    newest = re.search(r"^## (\S+) \(", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == version


def test_every_fragment_has_a_kind_and_becomes_an_entry() -> None:
    fragments = [path for path in (ROOT / "changes").glob("*.md") if path.name != "README.md"]
    line = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next", "--dir", str(ROOT)]
    drafted = subprocess.run(line, capture_output=True, text=True, check=True).stdout

    entries = " ".join(drafted.split())
    for path in fragments:
        first = " ".join(path.read_text(encoding="utf-8").split()[:4])
        assert first in entries, f"{path.name}: no entry was made of it; is its kind one of changes/README.md?"
