"""The report in a real browser that has no network: it draws, sorts, searches, and asks nobody for anything."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import ConsoleMessage
from playwright.sync_api import Page
from playwright.sync_api import expect
from playwright.sync_api import sync_playwright

from ablative.analysis.showing.live_page import LivePage
from ablative.analysis.showing.live_page import ServedPage
from ablative.analysis.showing.report import write_report
from ablative.orchestrator.storing.records import Record
from tests.helpers.results import StudyResults
from tests.helpers.results import as_failed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
HOSTILE = "<script>document.title = 'taken'</script>"
STUDY = StudyResults(
    question=f"Does it help? {HOSTILE}",
    effect={"clip_td": 0.03},
    conditions={"task.name": ["snli_ve", "vqa"], "task.data_fraction": [0.001, 0.01, 0.1]},
    comparisons={"claims": {"real_over_shuffled": {"arm": "clip_td", "against": "shuffled_teacher"}}},
    proposals=24,
    setting=lambda proposal: {
        "optim.lr": 10 ** (-5 + 0.125 * proposal),
        "distillation.selection.ratio": 0.1 + 0.13 * (5 * proposal % 6),
        "distillation.weighting.schedule": ("cosine", "linear")[proposal % 2],
    },
)
FIGURES = [
    "effects", "low_shot", "effects_by_condition", "shift", "trade_off", "learning", "cost", "search_slices",
    "search_parallel", "search_learning",
]  # fmt: skip


def _changed(record: Record) -> Record:
    if record.phase == "search" and record.proposal == 1:
        return record.model_copy(update={"status": "stopped", "cause": "halving"})
    is_last = record.arm == "shuffled_teacher" and record.seed == 6 and record.data_fraction == 0.01
    return as_failed(record, error=f"ValueError: {HOSTILE}") if is_last and record.phase == "confirm" else record


@pytest.fixture(scope="module")
def store_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    uri = str(tmp_path_factory.mktemp("store"))
    STUDY.write(uri, _changed)
    return uri


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Watched:
    """A page with everything that it complained of or asked for."""

    def __init__(self, browser: Browser, url: str, **context: object) -> None:
        self.page: Page = browser.new_context(**context).new_page()
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def enliven(self) -> None:
        """Scroll past every picture until each answers the pointer."""
        for name in FIGURES:
            self.page.locator(f"figure#{name}").scroll_into_view_if_needed()
            self.page.wait_for_selector(f"figure#{name}[data-live] svg.marks", timeout=20_000)


@pytest.fixture(scope="module")
def watched(browser: Browser, store_uri: str, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    path = write_report(store_uri, "lowshot", tmp_path_factory.mktemp("report") / "lowshot.html")
    return Watched(browser, path.as_uri(), accept_downloads=True)


def test_every_picture_draws_and_nothing_is_asked_of_anybody(watched: Watched) -> None:
    watched.enliven()

    assert [figure.get_attribute("id") for figure in watched.page.query_selector_all("figure")] == FIGURES
    assert watched.complaints == []
    assert [url for url in watched.asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert len([url for url in watched.asked if url.startswith("file:")]) == 1  # the page itself


def test_text_from_records_is_never_run(watched: Watched) -> None:
    assert watched.page.title() == "lowshot"
    assert HOSTILE in watched.page.inner_text(".question")


def test_a_pointer_is_answered(watched: Watched) -> None:
    watched.enliven()
    watched.page.locator("figure#effects svg.marks .mark-symbol path").last.hover(force=True)

    tip = watched.page.wait_for_selector("#vg-tooltip-element.visible")
    assert "difference" in tip.inner_text()


def test_arrow_keys_tell_interval_n_and_p_of_each_mean(watched: Watched) -> None:
    watched.enliven()
    page = watched.page
    page.locator("figure#effects .drawing").focus()
    told = page.locator("figure#effects [role=status]")

    page.keyboard.press("ArrowRight")
    first = told.text_content() or ""
    assert all(
        said in first for said in ("arm: clip_td", "less: shuffled_teacher", "interval from: 0.0", "n (pairs): 10")
    )
    assert "p, corrected: 0.0" in first and page.locator("#vg-tooltip-element.visible").count() == 1
    page.keyboard.press("ArrowRight")
    assert told.text_content() not in ("", first)
    page.keyboard.press("Escape")
    assert page.locator("#vg-tooltip-element.visible").count() == 0


def test_the_data_of_a_picture_can_be_taken_along(watched: Watched) -> None:
    with watched.page.expect_download() as waiting:
        watched.page.locator("figure#low_shot button", has_text="data as CSV").click()
    rows = list(csv.DictReader(Path(waiting.value.path()).open(encoding="utf-8")))

    assert waiting.value.suggested_filename == "low_shot.csv"
    assert (
        sum(row["kind"] == "seed" for row in rows) == 4 * 6 * 6 - 2
    )  # arms, conditions, seeds; one seed failed on each task
    assert {row["arm"] for row in rows} == set(STUDY.arms)


def test_tables_sort_by_click_and_by_key(watched: Watched) -> None:
    page = watched.page
    page.locator("summary", has_text="search trials").click()
    table = page.locator("[data-searched]").last
    head = table.locator("th", has_text="val/accuracy")
    values = lambda: [float(cell) for cell in table.locator("tbody td:nth-child(6)").all_inner_texts()]  # noqa: E731
    before = values()

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert values() == sorted(before)
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert values() == sorted(before, reverse=True)


def test_trials_are_found_by_words(watched: Watched) -> None:
    page = watched.page
    page.locator("summary", has_text="confirm trials").click()
    page.locator(".search input").first.fill("clip_td vqa")

    shown = page.locator("[data-searched]").first.locator("tbody tr:visible")
    assert shown.count() == 3 * 6
    assert page.locator(".search [role=status]").first.inner_text().startswith("18 of ")


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("vqa 1 %", 4 * 6),
        ("1%", 2 * 4 * 6),
        ("0.1 %", 2 * 4 * 6),
        ("10 %", 2 * 4 * 6),
        ("lr=0.00", 0),
        ("snli clip", 3 * 6),
    ],
)
def test_a_number_is_found_as_a_whole(watched: Watched, typed: str, rows: int) -> None:
    watched.page.locator(".search input").first.fill(typed)

    assert watched.page.locator(".search [role=status]").first.text_content() == f"{rows} of {6 * 4 * 6}"


def test_a_condition_can_be_chosen_from_a_list(watched: Watched) -> None:
    page = watched.page
    page.locator(".search input").first.fill("")
    page.locator("select[data-column=condition]").first.select_option("snli_ve 1 %")
    shown = (
        page.locator("[data-searched]").first.locator("tbody tr:not([hidden]) td:first-of-type").all_text_contents()
    )
    page.locator("select[data-column=condition]").first.select_option("")

    assert shown == ["snli_ve 1 %"] * (4 * 6)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_and_is_legible(
    browser: Browser, store_uri: str, tmp_path: Path, scheme: str, width: int
) -> None:
    path = write_report(store_uri, "lowshot", tmp_path / "lowshot.html")
    watched = Watched(
        browser, path.as_uri(), color_scheme=scheme, viewport={"width": width, "height": 800}, is_mobile=width < 500
    )
    watched.enliven()

    assert watched.page.evaluate("document.documentElement.scrollWidth") <= width
    ink, paper = (
        watched.page.evaluate(f"getComputedStyle(document.body).{name}") for name in ("color", "backgroundColor")
    )
    light = lambda colour: sum(map(int, colour[4:-1].split(",")[:3])) > 384  # noqa: E731
    assert (light(paper), light(ink)) == ((True, False) if scheme == "light" else (False, True))
    for name in FIGURES:
        box = watched.page.locator(f"figure#{name} svg.marks").bounding_box()
        assert box is not None and box["x"] + box["width"] <= width + 1
    for cell in watched.page.locator("td.verdict").all():
        box = cell.bounding_box()
        assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= width
    if width > 500:
        effects = watched.page.locator("figure#effects svg.marks").bounding_box()
        table = watched.page.locator(".answer").bounding_box()
        assert effects is not None and table is not None and effects["width"] > 0.95 * table["width"]
    assert watched.complaints == []


def test_on_paper_verdicts_are_on_the_page_and_trials_open(browser: Browser, store_uri: str, tmp_path: Path) -> None:
    path = write_report(store_uri, "lowshot", tmp_path / "lowshot.html")
    paper = 184 / 25.4 * 96  # millimetres between the margins of A4
    watched = Watched(browser, path.as_uri(), viewport={"width": int(paper), "height": 1000})
    watched.page.emulate_media(media="print")
    watched.page.evaluate("dispatchEvent(new Event('beforeprint'))")

    for cell in [*watched.page.locator("td.verdict").all(), watched.page.locator("[data-searched] td").last]:
        box = cell.bounding_box()
        assert box is not None and box["width"] > 0 and box["x"] + box["width"] <= paper + 1
    watched.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert watched.page.locator("details[open]").count() == 0


def test_without_scripts_everything_can_still_be_read(browser: Browser, store_uri: str, tmp_path: Path) -> None:
    path = write_report(store_uri, "lowshot", tmp_path / "lowshot.html")
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(path.as_uri())

    assert page.locator("figure svg").count() >= len(FIGURES)
    assert "real_over_shuffled: clip_td is better than" in page.inner_text(".answer")


def test_a_served_page_shows_what_is_recorded_while_it_is_open(browser: Browser, tmp_path: Path) -> None:
    uri = str(tmp_path)
    store = STUDY.write(uri, lambda record: record if record.phase == "search" else None)
    served = ServedPage(LivePage(uri, "lowshot", lambda: store.version("lowshot"), every=0.3))
    try:
        watched = Watched(browser, served.url)
        assert "Provisional" in watched.page.inner_text(".answer")
        STUDY.write(uri)
        expect(watched.page.locator(".answer")).to_contain_text("clip_td is better", timeout=20_000)
        assert watched.complaints == []
        assert all(url.startswith((served.url, "data:", "blob:")) for url in watched.asked)
    finally:
        served.close()
