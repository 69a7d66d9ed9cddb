"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from jinja2 import Environment
from jinja2 import PackageLoader
from jinja2 import StrictUndefined

from analysis.errors import AnalysisError
from analysis.page import Page
from analysis.page import study_page
from analysis.results import Results
from analysis.results import load


def write_report(uri: str, study: str, path: Path | None = None) -> Path:
    """Write the report of `study` in the store at `uri` to `path`, and return where it is.

    Without `path`: `<study>.html` in the current folder. The file is written whole or not at all. Raises
    `AnalysisError` without such a study or where the file cannot be written.
    """
    page = render_report(load(uri, study), study)
    target = Path(f"{study}.html") if path is None else Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, page)
    except OSError as error:
        raise AnalysisError(f"report {target}: cannot be written ({error}); -o names another file") from error
    return target


def render_report(results: Results, study: str) -> str:
    """Return the report of `study`, one of `results`, as HTML. All text from records is escaped."""
    if study not in results.plans:
        raise AnalysisError("\n".join(results.problems) or f"study {study!r}: not among {', '.join(results.studies)}")
    return render_page(study_page(results, study))


def render_page(page: Page) -> str:
    """Place `page` in the template."""
    environment = Environment(
        loader=PackageLoader("analysis", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(page=page)


def _write_whole(target: Path, page: str) -> None:
    descriptor, unfinished = tempfile.mkstemp(dir=target.parent, prefix=".unfinished-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(page)
        Path(unfinished).chmod(0o644)
        Path(unfinished).replace(target)
    finally:
        Path(unfinished).unlink(missing_ok=True)
