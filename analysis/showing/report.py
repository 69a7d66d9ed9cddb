"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined

from ablative.analysis.errors import AnalysisError
from ablative.analysis.pairing.verdicts import SHOWN
from ablative.analysis.showing.figures.drawing import DARK
from ablative.analysis.showing.page import Page
from ablative.analysis.showing.page import study_page
from ablative.analysis.views.results import Results
from ablative.analysis.views.results import load

SECTIONS = (
    ("results", "Results"),
    ("pictures", "Pictures"),
    ("failed", "Failures"),
    ("cost", "Cost"),
    ("reproduce", "Reproduce"),
    ("search", "Search"),
    ("trials", "Trials"),
)
"""Id of a heading of the page -> what its link is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What a served page knows of its server."""

    version: str
    """Of the records that the page shows; the server tells the present one at `version`."""
    every: float
    """Seconds between two looks."""


def write_report(uri: str, study: str, path: Path | None = None, *, mixed: bool = False) -> Path:
    """Write the report of `study` in the store at `uri` to `path`, and return where it is.

    Without `path`: `<study>.html` in the current folder. The file is written whole or not at all. Raises
    `AnalysisError` without such a study or where the file cannot be written.
    """
    results = load(uri, study, mixed=mixed)
    results.check(study)
    page = render_report(results, study)
    target = Path(f"{study}.html") if path is None else Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, page)
    except OSError as error:
        raise AnalysisError(f"report {target}: cannot be written ({error}); -o names another file") from error
    return target


def render_report(results: Results, study: str, *, live: Live | None = None) -> str:
    """Return the report of `study`, one of `results`, as HTML. All text from records is escaped.

    `live`: of a page that is served; it then looks for news and loads itself again.
    """
    if study not in results.plans:
        raise AnalysisError("\n".join(results.problems) or f"study {study!r}: not among {', '.join(results.studies)}")
    return render_page(study_page(results, study), live)


def render_page(page: Page, live: Live | None = None) -> str:
    """Place `page` in the template."""
    environment = Environment(
        loader=PackageLoader("ablative.analysis.showing", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["packed"] = _packed
    return environment.get_template("report.html.jinja").render(
        page=page, live=live, sections=SECTIONS, scripts=_scripts(), shown=SHOWN, dark=DARK
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Script:
    text: str
    """Safe inside a script element."""
    digest: str
    """As a content security policy names it."""


@cache
def _scripts() -> tuple[_Script, ...]:
    """Return Vega's libraries and the page's own script."""
    import vl_convert

    own = resources.files("ablative.analysis.showing").joinpath("report.js").read_text(encoding="utf-8")
    return tuple(map(_script, (vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"), own)))


def _packed(specification: dict[str, Any]) -> str:
    """Return a specification as gzip in base64, an eighth of its text."""
    text = json.dumps(specification, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _script(text: str) -> _Script:
    inside = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
    return _Script(text=inside, digest=f"sha256-{digest}")


def _write_whole(target: Path, page: str) -> None:
    descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix=".unfinished-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(page)
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(target)
    finally:
        Path(unfinished).unlink(missing_ok=True)
