"""What a gate says, for a terminal, for a program, and as the comment of a pull request."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ablative.analysis import rounding
from ablative.analysis.showing.sentences import margin_text
from ablative.analysis.views.gating import Gated
from ablative.analysis.views.gating import Proposal
from ablative.frozen import Answer
from ablative.orchestrator.storing.ledger import Entry

EXIT_STATUS = {"better": 0, "equal": 3, "worse": 4, "not decided": 5}
"""Verdict -> exit status; 1 and 2 mean what they mean for every command."""
_MARKS = {"better": "✅", "equal": "➖", "worse": "❌", "not decided": "❔"}


class LedgerState(Answer):
    """The error probability that successive proposals share."""

    uri: str = Field(description="Folder or URI of the ledger.")
    number: int = Field(description="Place of this proposal in it, from 1.")
    proposals: int = Field(description="Number of proposals that share `alpha`.")
    alpha: float = Field(description="Probability that any of them gets a wrong verdict.")
    share: float = Field(description="Share that this proposal has spent.")
    asked_before: bool = Field(description="Whether the same records were judged before, so that nothing was spent.")


class GateAnswer(Answer):
    """The answer of `ablate gate --json`."""

    gate_version: Literal[1] = 1
    study: str
    arm: str = Field(description="The proposal.")
    against: str = Field(description="The accepted arm, or the store that has the baseline.")
    metric: str = Field(description="`split/name`: the study's headline.")
    mode: Literal["min", "max"] = Field(description="Whether less or more is better.")
    verdict: Literal["better", "equal", "worse", "not decided"]
    reason: str = Field(description="Why it is not decided; else empty.")
    exit_status: int
    difference: float | None = Field(description="Mean paired difference, proposal minus baseline.")
    diff_ci_low: float | None = Field(description="Lower end of its 95 % t-interval, of these pairs alone.")
    diff_ci_high: float | None
    n_pairs: int = Field(description="Pairs of blocks, as in the primary comparisons.")
    lost_pairs: int = Field(description="Pairs that failed trials have cost.")
    p_value: float | None = Field(description="Sign-flip test of the difference; compare with `ledger.share`.")
    margin: float | None = Field(
        description="Differences up to this one do not matter, in units of the metric; null without a margin, and for "
        "a share of a mean that is not above 0."
    )
    margin_share: float | None = Field(
        description="The margin as a share of the mean of `against`; null where it is a number of its own."
    )
    p_equivalent: float | None = Field(
        description="P-value of equality within the margin; compare with `ledger.share`."
    )
    pairs_to_decide: int | None = Field(
        description="Number of pairs that would about decide it; null if it cannot be estimated."
    )
    ledger: LedgerState
    differs: tuple[str, ...] = Field(description="Differences between proposal and baseline, if they are two runs.")
    declared_late: tuple[str, ...] = Field(
        description="A line for each run whose target or comparisons were changed after its first confirm trial."
    )

    def text(self) -> str:
        """Return a few lines for a terminal."""
        return (
            "\n".join([f"{self._sentence()}.", self._pairs(), self._spent(), *self.declared_late, *self.differs])
            + "\n"
        )

    def markdown(self) -> str:
        """Return the comment of a pull request."""
        shown = [
            ("difference", self._difference()),
            ("pairs", f"{self.n_pairs}" + (f", {self.lost_pairs} lost" if self.lost_pairs else "")),
            ("p of a difference", rounding.p_text(self.p_value)),
            *([("p of equality within the margin", rounding.p_text(self.p_equivalent))] if self.margin else []),
            ("to be reached", f"{self.ledger.share:.2g}"),
        ]
        rows = "\n".join(f"| {name} | {value} |" for name, value in shown)
        differs = "".join(f"\n- {line}" for line in self.differs)
        late = "".join(f"\n{line}\n" for line in self.declared_late)
        return (
            f"### {_MARKS[self.verdict]} {self._sentence()}\n\n| {self.metric} | |\n| --- | --- |\n{rows}\n\n"
            f"{self._spent()}\n{late}" + (f"\nWhat differs:\n{differs}\n" if differs else "")
        )

    def _sentence(self) -> str:
        if self.verdict == "not decided":
            return f"{self.arm} against {self.against}: not decided, {self.reason}"
        if self.verdict == "equal":
            return f"{self.arm} is equal to {self.against} on {self.metric} within {self._margin()}"
        return f"{self.arm} is {self.verdict} than {self.against} on {self.metric}"

    def _margin(self) -> str:
        return margin_text(self.margin, self.margin_share, self.against)

    def _difference(self) -> str:
        return rounding.signed_with_half(self.difference, self.diff_ci_low, self.diff_ci_high)

    def _pairs(self) -> str:
        equal = f", of equality within {self._margin()} {rounding.p_text(self.p_equivalent)}" if self.margin else ""
        return (
            f"difference {self._difference()} over {self.n_pairs} pairs; p of a difference "
            f"{rounding.p_text(self.p_value)}{equal}, to be reached {self.ledger.share:.2g}"
        )

    def _spent(self) -> str:
        ledger = self.ledger
        again = " The same records were judged before, so nothing more was spent." if ledger.asked_before else ""
        return (
            f"Proposal {ledger.number} of {ledger.proposals} that share an error probability of {ledger.alpha:g} "
            f"(ledger {ledger.uri}).{again}"
        )


def gate_answer(
    proposal: Proposal, found: Gated, entry: Entry, *, against: str, ledger: str, asked_before: bool
) -> GateAnswer:
    """Return the answer about a proposal that `entry` has judged; `ledger`: its URI."""
    low, high = proposal.item.difference_interval or (None, None)
    return GateAnswer(
        study=proposal.plan.study,
        arm=proposal.arm,
        against=against,
        metric=proposal.plan.headline,
        mode=proposal.plan.target.mode,
        verdict=found.verdict,
        reason=found.reason,
        exit_status=EXIT_STATUS[found.verdict],
        difference=proposal.item.difference,
        diff_ci_low=low,
        diff_ci_high=high,
        n_pairs=len(proposal.item.differences),
        lost_pairs=len(proposal.item.lost),
        p_value=found.said.p_value,
        margin=found.said.margin,
        margin_share=found.said.margin_share,
        p_equivalent=found.said.p_equivalent,
        pairs_to_decide=found.said.pairs_to_decide,
        ledger=LedgerState(
            uri=ledger,
            number=entry.number,
            proposals=entry.budget.proposals,
            alpha=entry.budget.alpha,
            share=entry.share,
            asked_before=asked_before,
        ),
        differs=proposal.differs,
        declared_late=proposal.late,
    )
