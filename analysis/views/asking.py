"""The views by name, and a statement over them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from ablative.analysis.views.sql import TIMEOUT
from ablative.analysis.views.sql import Part
from ablative.analysis.views.sql import answered
from ablative.analysis.views.sql import named_in

DEFAULT = "effects"
"""The named query that `ablate query STUDY` uses without SQL."""

TABLES = {
    "studies": "studies_table",
    "trials": "parts_of_trials",
    "curves": "curves",
    "cells": "cells",
    "effects": "effects",
    "claims": "claims",
    "contrasts": "contrasts",
    "primary_contrasts": "primary_contrasts",
    "robustness": "robustness",
    "heterogeneity": "heterogeneity",
    "profiles": "profiles",
    "test_size": "test_size",
    "disagreements": "disagreements",
    "importance": "importance",
    "budgets": "budgets",
    "searches": "searches",
    "predictions": "predictions",
}
"""View -> attribute of `Results`."""
DERIVED = {
    "failures": """
        select study, cell, arm, phase, proposal, seed, cause, regexp_extract(trim(error), '[^\\n]*$') as error,
            attempts, seconds, host, trial_id
        from trials where counts and status = 'failed'""",
    "costs": """
        select study, arm, phase, status, count(*) as trials, sum(seconds) as seconds,
            sum(device_seconds) as device_seconds, sum(lost_seconds) as lost_seconds,
            sum(queued_seconds) as queued_seconds, sum(teacher_passes)::bigint as teacher_passes,
            sum(samples_seen)::bigint as samples_seen
        from (
            select distinct on (study, trial_id) study, trial_id, cell, arm, phase, status, seconds, device_seconds,
                lost_seconds, queued_seconds, teacher_passes, samples_seen
            from trials where source_study = '' order by study, trial_id, cell)
        group by study, arm, phase, status""",
}
"""View -> its definition over `trials`.

It leaves out costs that another study has paid, and counts a trial in two cells once.
"""
VIEWS = (*TABLES, *DERIVED)


def ask(sql: str, view: Callable[[str], Part | list[Part]], *, timeout: float = TIMEOUT) -> pa.Table:
    """Answer one read-only statement over the views of `VIEWS`; raises `QueryError` as `analysis.views.sql` does.

    `view`: a function that reads a view by its attribute of `Results`, from `TABLES`. `timeout` in seconds.
    """
    asked = set(named_in(sql, VIEWS)) or {DEFAULT}
    derived = {name: text for name, text in DERIVED.items() if name in asked}
    needed = asked | ({"trials"} if derived else set())
    views = {name: _parts(view(attribute)) for name, attribute in TABLES.items() if name in needed}
    return answered(sql, views, derived, known=VIEWS, timeout=timeout)


def _parts(view: Part | list[Part]) -> list[Part]:
    return view if isinstance(view, list) else [view]
