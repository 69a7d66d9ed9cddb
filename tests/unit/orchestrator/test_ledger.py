"""A gate's ledger: one error probability for all proposals, spent once each, whoever asks and whoever is killed."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from ablative.orchestrator.errors import LedgerError
from ablative.orchestrator.storing.folder import Folder
from ablative.orchestrator.storing.ledger import Budget
from ablative.orchestrator.storing.ledger import Ledger

TWO = Budget(proposals=2)


def ledger(folder: Path) -> Ledger:
    return Ledger(Folder(str(folder)), "little")


def ask(folder: Path, key: str, budget: Budget | None = None) -> tuple[int, float, bool]:
    entry, asked_before = ledger(folder).judged(key, lambda _: "better", arm="a", against="b", budget=budget)
    return entry.number, entry.share, asked_before


def _ask_each(folder: Path, keys: list[str]) -> None:
    for key in keys:
        ask(folder, key)


def _die_while_judging(folder: Path) -> None:
    def die(_: float) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        return "better"

    ledger(folder).judged("killed", die, arm="a", against="b")


def test_the_shares_of_all_proposals_sum_to_alpha() -> None:
    for budget in (Budget(), Budget(alpha=0.1, proposals=1), Budget(proposals=200)):
        assert len(budget.shares) == budget.proposals
        assert math.isclose(math.fsum(budget.shares), budget.alpha)
        assert min(budget.shares) > budget.alpha / budget.proposals / 3


def test_each_proposal_spends_the_next_share_and_the_same_one_asked_again_spends_nothing(tmp_path: Path) -> None:
    assert ask(tmp_path, "first", TWO) == (1, TWO.shares[0], False)
    assert ask(tmp_path, "second") == (2, TWO.shares[1], False)
    assert ask(tmp_path, "first") == (1, TWO.shares[0], True)
    assert [entry.key for entry in ledger(tmp_path).entries()] == ["first", "second"]


def test_a_spent_ledger_judges_nothing_more_but_what_it_has_judged(tmp_path: Path) -> None:
    for key in ("first", "second"):
        ask(tmp_path, key, TWO)
    with pytest.raises(LedgerError, match=r"all 2 proposals that share alpha 0\.05 were judged; .* --ledger"):
        ask(tmp_path, "third")
    assert ask(tmp_path, "second")[2]


def test_a_ledger_keeps_the_budget_it_began_with(tmp_path: Path) -> None:
    ask(tmp_path, "first", TWO)
    with pytest.raises(LedgerError, match=r"spends alpha 0\.05 over 2 proposals, and 0\.1 over 2 was asked for"):
        ask(tmp_path, "second", Budget(alpha=0.1, proposals=2))
    assert ask(tmp_path, "second", TWO)[0] == 2


def test_what_cannot_be_judged_spends_nothing(tmp_path: Path) -> None:
    def refuse(_: float) -> str:
        raise LedgerError("not enough pairs")

    with pytest.raises(LedgerError, match="not enough pairs"):
        ledger(tmp_path).judged("first", refuse, arm="a", against="b")
    assert ledger(tmp_path).entries() == []


def test_an_entry_that_cannot_be_read_is_no_entry_less(tmp_path: Path) -> None:
    ask(tmp_path, "first")
    next((tmp_path / "gates/little").glob("00001-*")).write_text("{")
    with pytest.raises(LedgerError, match=r"00001-first\.json: no entry that this program reads"):
        ask(tmp_path, "second")


def test_two_processes_spend_each_share_once(tmp_path: Path) -> None:
    started = multiprocessing.get_context("spawn")
    shared = [f"shared{number}" for number in range(3)]
    own = [[f"{name}{number}" for number in range(3)] for name in ("one", "other")]
    processes = [started.Process(target=_ask_each, args=(tmp_path, [*shared, *keys])) for keys in own]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    entries = ledger(tmp_path).entries()
    assert [entry.number for entry in entries] == list(range(1, 10))
    assert sorted(entry.key for entry in entries) == sorted([*shared, *own[0], *own[1]])
    assert [entry.share for entry in entries] == list(Budget().shares[:9])


def test_a_process_that_is_killed_while_it_judges_has_spent_nothing_and_holds_up_nobody(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=_die_while_judging, args=(tmp_path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert ledger(tmp_path).entries() == []
    assert ask(tmp_path, "killed")[::2] == (1, False)
