"""The gallery of the site shows every study with records: its question, answer, claims and picture."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from ablative.search_spaces.shipped import shipped
from tests.helpers.sources import ROOT

KEPT = sorted(folder.name for folder in (ROOT / "docs" / "results").iterdir())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", ROOT / "docs" / "make_gallery.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made  # dataclasses look their module up
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def page(maker: ModuleType) -> str:
    return str(maker.gallery())


@pytest.mark.parametrize("name", KEPT)
def test_each_study_with_records_has_a_section_with_tables_and_a_picture(page: str, name: str) -> None:
    section = page.split("## " + name.replace("_", "\\_") + "\n")[1].split("\n## ")[0]

    assert f"](#{name})" in page
    assert section.startswith("\n**") and "*Design.* " in section
    assert "(primary comparison)" in section and "| verdict |" in section
    assert f'id="{name}-effects-' in section or "<svg " in section
    assert f"--store docs/results/{name}" in section


def test_every_shipped_study_stands_in_the_gallery_with_or_without_records(page: str) -> None:
    without = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))

    assert without | set(KEPT) >= set(shipped())
    assert without & set(KEPT) == set()
