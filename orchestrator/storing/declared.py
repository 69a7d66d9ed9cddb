"""The stamp: what a study declared before its first confirm trial was recorded, and what changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from ablative.frozen import Frozen
from ablative.search_spaces.content_hash import content_hash
from ablative.search_spaces.study import Comparisons
from ablative.search_spaces.study import Study

LATE = "declared late"


class Stamp(Frozen):
    """The declaration and its time."""

    stamp_version: int = 1
    at: datetime = Field(description="When the first confirm trial was about to be recorded.")
    hash: str = Field(description="Of all that follows.")
    declared: dict[str, Any] = Field(description="Target, comparisons and reference arm, as in study.json.")

    def late(self, stored: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the declared items that study.json now states differently: `margin`, `claim gain`.

        A setting of `comparisons` that came into the program after the stamp counts as if it had had its default.
        """
        then, now = self.declared, stored
        changed: list[str] = [name for name in ("target", "reference") if name in then and then[name] != now.get(name)]
        settings, present = then.get("comparisons", {}), now.get("comparisons", {})
        changed += [name for name, value in settings.items() if name != "claims" and present.get(name) != value]
        if "comparisons" in then:
            later = ((name, of.default) for name, of in Comparisons.model_fields.items() if name not in settings)
            changed += [name for name, default in later if name != "claims" and present.get(name, default) != default]
        claims = settings.get("claims", {})
        changed += [
            f"claim {name}"
            for name, claim in present.get("claims", {}).items()
            if name not in claims or _given(claims[name]) != _given(claim)
        ]
        changed += [f"claim {name}, left out" for name in claims if name not in present.get("claims", {})]
        return tuple(changed)


def _given(claim: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a claim: an earlier stamp lacks settings that are absent by default."""
    return {name: value for name, value in claim.items() if value is not None}


def stamp_of(study: Study, reference: str, at: datetime) -> Stamp:
    """Return the stamp of a study with this reference arm."""
    declared = {**study.model_dump(mode="json", include={"target", "comparisons"}), "reference": reference}
    return Stamp(at=at, hash=content_hash(declared), declared=declared)


def late_line(stamp: Stamp | None, late: tuple[str, ...]) -> str:
    """List late declarations, and since when they are late; empty if there are none."""
    if stamp is None or not late:
        return ""
    return f"{LATE}, after the first confirm trial of {stamp.at:%Y-%m-%d %H:%M} UTC: {'; '.join(late)}"
