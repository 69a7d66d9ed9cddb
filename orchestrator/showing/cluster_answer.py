"""Whether a cluster can run a study, for a terminal and for a program."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablative.frozen import Answer

State = Literal["ok", "caution", "fault"]
Subject = Literal[
    "machines", "room", "head", "token", "versions", "cache", "store", "interfaces", "clocks", "study data"
]


class Machine(Answer):
    """One machine, as it describes itself."""

    address: str
    host: str
    is_driver: bool = Field(description="Whether the command ran there.")
    processors: int
    free_memory_mb: float
    versions: dict[str, str] = Field(description="Package -> version; of `ablative` a digest of its sources.")
    interface: str = Field(description="Network interface by which it is in the cluster; empty where unknown.")
    ahead_s: float = Field(description="Seconds by which its clock is ahead of the driver's.")


class Finding(Answer):
    """What was found about one subject."""

    subject: Subject
    state: State = Field(description="`fault`: a run would stop, hang or lose work. `caution`: it might.")
    found: str
    remedy: str = Field("", description="What to do about it; empty if there is nothing to do.")


class ClusterCheckAnswer(Answer):
    """The answer of `ablate cluster check --json`."""

    cluster_check_version: Literal[1] = 1
    sound: bool = Field(description="Whether there is no fault.")
    seconds: float
    slots: int | None = Field(description="How many trials may run at once; null without a study.")
    machines: tuple[Machine, ...]
    findings: tuple[Finding, ...]

    def text(self) -> str:
        """Return a line a subject for a terminal."""
        lines = []
        for finding in self.findings:
            lines.append(f"{finding.state:<7} {finding.subject}: {finding.found}")
            if finding.remedy:
                lines.append(f"{'':<7} to do: {finding.remedy}")
        return "\n".join(lines) + "\n"
