from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from ablative.orchestrator.commands.cli import ablate
from ablative.search_spaces.arms import FORMS
from ablative.search_spaces.domains import DOMAINS
from ablative.search_spaces.errors import StudyError
from ablative.search_spaces.load import load_study
from ablative.search_spaces.study import Study
from ablative.trainables.arms import ARMS
from tests.helpers.sources import ROOT
from tests.helpers.study_text import load
from tests.helpers.study_text import loaded
from tests.helpers.study_text import subjects

PAGE = Path(__file__).parents[3].joinpath("docs", "study_file.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TEXTS = re.findall(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
AROUND = {
    "study": "around",
    "question": "What is around the fragment?",
    "base": {"distillation": {"terms": {"image": 1.0, "text": 1.0, "tokens": 1.0}}},
}


def starting(mark: str) -> list[str]:
    return [snippet for snippet in SNIPPETS if snippet.startswith(mark)]


def test_the_page_has_snippets_of_all_kinds() -> None:
    assert [len(starting(mark)) for mark in ("# yaml-language-server", "# fragment", "# mistaken")] == [1, 15, 1]
    assert len(SNIPPETS) == 17


@pytest.mark.parametrize("snippet", starting("# yaml-language-server"))
def test_complete_studies_on_the_page_load(snippet: str) -> None:
    assert load(snippet).model_fields_set == set(Study.model_fields)


@pytest.mark.parametrize("snippet", starting("# fragment"))
def test_fragments_on_the_page_load_inside_a_study(snippet: str) -> None:
    whole = AROUND | yaml.safe_load(snippet)
    assert load(yaml.safe_dump(whole, sort_keys=False)).study == "around"


def test_the_mistakes_on_the_page_are_the_ones_that_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (told,) = (text for text in TEXTS if text.startswith("lowshot.yaml"))
    (tmp_path / "lowshot.yaml").write_text(starting("# mistaken")[0])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        load_study("lowshot.yaml", subjects=subjects(), default="clip_td")
    assert f"{caught.value}\n" == told


def test_the_page_names_every_key_design_domain_and_control() -> None:
    fields = [*Study.model_fields]
    for section in ("target", "arms", "search", "seeds", "resources", "comparisons"):
        fields += type(getattr(Study.model_validate(AROUND), section)).model_fields
    assert [name for name in (*fields, *FORMS, "listed", *ARMS) if f"`{name}`" not in PAGE] == []
    assert [name for name in DOMAINS if f"| `{name}: [" not in PAGE] == []


def test_what_the_page_says_of_a_shipped_study_is_what_check_prints() -> None:
    (told,) = (text for text in TEXTS if text.startswith("mini_from_scratch: no mistakes"))
    printed = CliRunner().invoke(ablate, ["check", "mini_from_scratch"]).stdout.splitlines()
    assert [line for line in printed if not line.startswith("  records in ")] == told.splitlines()


def _studies(page: Path) -> list[str]:
    """The studies of a page, whole: what a snippet leaves out is as in `AROUND`.

    One of a method or a term that the page itself defines is run where that is tested
    (`tests/contract/test_trainables.py`, `tests/torch_cpu/data/test_first_hour.py`).
    """
    if page.name == "first_hour.md":
        return []
    blocks = re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    read = [yaml.safe_load(block) for block in blocks if not block.startswith("# mistaken")]
    parts = [part for part in read if part.keys() <= Study.model_fields.keys()]
    parts = [part for part in parts if part.get("trainable", "clip_td") in subjects()]
    return [yaml.safe_dump(AROUND | part, sort_keys=False) for part in parts]


@pytest.mark.parametrize(
    "study", [pytest.param(study, id=page.name) for page in sorted(ROOT.glob("docs/*.md")) for study in _studies(page)]
)
def test_every_study_in_the_documents_can_answer_its_question(study: str) -> None:
    assert [str(warning) for warning in loaded(study).warnings] == []


def test_the_documents_hold_studies_on_several_pages() -> None:
    assert len([page for page in ROOT.glob("docs/*.md") if _studies(page)]) >= 2
