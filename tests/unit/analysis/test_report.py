"""The report: one page, true, safe, and alone."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from ablative import analysis
from ablative.analysis.showing.report import write_report
from tests.unit.analysis.conftest import HOSTILE
from tests.unit.analysis.conftest import TRACEBACK


class Page(HTMLParser):
    """Tags with attributes, and text, as a browser would take them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def page(store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = write_report(store_uri, "small", tmp_path_factory.mktemp("report") / "small.html")
    return Page(path.read_text(encoding="utf-8"))


def test_the_page_refers_to_nothing_outside_itself(page: Page) -> None:
    forbidden = {"link", "iframe", "object", "embed", "base", "form"}
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster") and value
    ]

    assert forbidden.isdisjoint(tag for tag, _ in page.tags)
    [policy] = [a["content"] or "" for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    assert not any(attributes.get("src") for tag, attributes in page.tags if tag == "script")
    assert all(value.startswith(("#", "data:")) for value in references)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    styles = [attributes.get("style") or "" for _, attributes in page.tags]
    assert not any("url(" in style and "url(#" not in style for style in styles)


def test_hostile_names_and_errors_are_text(page: Page) -> None:
    assert HOSTILE in page.text
    assert TRACEBACK.splitlines()[0] in page.text
    assert "Is <b>this</b> & that safe?" in page.text
    assert not any(tag in ("b", "img") for tag, _ in page.tags)


def test_the_answer_comes_from_the_numbers(page: Page) -> None:
    assert "clip_td is better than no_distillation on test/accuracy" in page.text
    assert "planned confirm trials failed, and the answer leaves them out" in page.text


def test_search_and_confirm_trials_stand_apart(page: Page) -> None:
    assert "42 confirm trials" in page.text
    assert "6 search trials: exploratory" in page.text


def test_the_page_says_what_it_cost_and_how_to_reproduce_it(page: Page) -> None:
    for said in ("ablate run small", "abc1234", "torch 2.13.0", "Device time, search", "1 min 00 s", "laptop"):
        assert said in page.text


def test_every_figure_is_inline(page: Page) -> None:
    assert sum(tag == "svg" for tag, _ in page.tags) == 8


def test_an_unfinished_study_has_a_report_that_says_so(store_uri: str, tmp_path: Path) -> None:
    html = write_report(store_uri, "unfinished", tmp_path / "new" / "page.html").read_text(encoding="utf-8")

    assert "Provisional: 8 of 8 planned confirm trials are missing, and 0 failed." in Page(html).text
    assert "No recorded trial failed." in html


def test_without_a_path_the_report_is_named_after_the_study(
    store_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert write_report(store_uri, "unfinished").resolve() == tmp_path / "unfinished.html"


def test_a_place_that_cannot_be_written_is_named(store_uri: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(analysis.AnalysisError, match=r"report .*file.*-o names another file"):
        write_report(store_uri, "unfinished", tmp_path / "file" / "page.html")
