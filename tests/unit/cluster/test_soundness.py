"""Each fault of a cluster that can be known beforehand, planted and found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ablative.cluster.machine_facts import Facts
from ablative.cluster.machine_facts import marked
from ablative.cluster.machine_facts import tried
from ablative.cluster.soundness import Demand
from ablative.cluster.soundness import judged
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.showing.cluster_answer import ClusterCheckAnswer
from ablative.orchestrator.showing.cluster_answer import Finding
from tests.helpers.answers import checked_answer

HEAD = Facts(
    address="10.0.0.1",
    host="head",
    is_driver=True,
    versions={"python": "3.11.9", "ray": "2.60.0", "ablative": "a1"},
    free_memory_mb=16_000,
    processors=8,
    interface="eth0",
)
LEFT = replace(HEAD, address="10.0.0.2", host="left", is_driver=False)
RIGHT = replace(HEAD, address="10.0.0.3", host="right", is_driver=False)
DEMAND = Demand(
    head="10.0.0.1",
    slots=8,
    workers=2,
    expected=("10.0.0.2", "10.0.0.3"),
    token=True,
    places={"cache": "/shared/cache", "store": "s3://bucket/results"},
    has_study=True,
)


def _found(
    *others: Facts, head: Facts = HEAD, silent: dict[str, str] | None = None, demand: Demand = DEMAND
) -> list[Finding]:
    """Return what is not ok."""
    return [found for found in judged([head, *others], silent or {}, demand) if found.state != "ok"]


def test_a_sound_cluster_has_no_fault_and_every_subject_is_looked_at() -> None:
    findings = judged([HEAD, LEFT, RIGHT], {}, DEMAND)

    assert [found.subject for found in findings] == [
        *("machines", "room", "head", "token", "versions", "cache", "store", "interfaces", "clocks", "study data"),
    ]
    assert {found.state for found in findings} == {"ok"}


@pytest.mark.parametrize("silent", [{}, {"10.0.0.3": "no answer within 20 s"}])
def test_findings_of_every_subject_are_as_the_schema_of_the_answer_says(silent: dict[str, str]) -> None:
    findings = tuple(judged([HEAD, LEFT], silent, DEMAND))
    answer = ClusterCheckAnswer(sound=not silent, seconds=1.5, slots=8, machines=(), findings=findings)

    found = checked_answer("cluster_check", answer.as_json())
    assert [finding["subject"] for finding in found["findings"]] == [finding.subject for finding in findings]


FAULTS = {
    "a worker with its own token, or that was never started": (_found(LEFT), "machines", "10.0.0.3"),
    "a machine that does not answer": (
        _found(LEFT, silent={"10.0.0.3": "no answer within 20 s"}),
        "machines",
        "10.0.0.3: no answer within 20 s",
    ),
    "no room for one trial": (
        _found(LEFT, RIGHT, demand=replace(DEMAND, slots=None, no_room="a trial needs 2 GPU. Remedy: ask for less")),
        "room",
        "a trial needs 2 GPU.",
    ),
    "a head too small for the slots": (
        _found(LEFT, RIGHT, head=replace(HEAD, free_memory_mb=660), demand=replace(DEMAND, slots=40)),
        "head",
        "40 trials at once take about 0.8 GB",
    ),
    "another release of a package": (
        _found(LEFT, replace(RIGHT, versions={**HEAD.versions, "ray": "2.59.0"})),
        "versions",
        "ray: 2.60.0 on 10.0.0.1 10.0.0.2, 2.59.0 on 10.0.0.3",
    ),
    "other sources of ours": (
        _found(LEFT, replace(RIGHT, versions={**HEAD.versions, "ablative": "b2"})),
        "versions",
        "ablative: a1",
    ),
    "a cache of its own": (
        _found(LEFT, replace(RIGHT, unshared=("cache",))),
        "cache",
        "cache /shared/cache on 10.0.0.3 is not the folder seen here",
    ),
    "no credentials for the store": (
        _found(LEFT, replace(RIGHT, unusable={"store": "access denied"})),
        "store",
        "cannot be used on 10.0.0.3: access denied",
    ),
    "an interface that is not there": (
        _found(LEFT, replace(RIGHT, unknown_interfaces=("GLOO_SOCKET_IFNAME=eth9",))),
        "interfaces",
        "GLOO_SOCKET_IFNAME=eth9 on 10.0.0.3",
    ),
    "a machine under an address of its own": (
        _found(LEFT, replace(RIGHT, address="127.0.1.1"), demand=replace(DEMAND, expected=())),
        "interfaces",
        "127.0.1.1 is an address that other machines cannot reach",
    ),
    "a clock that is off": (_found(LEFT, replace(RIGHT, ahead_s=-40.0)), "clocks", "10.0.0.3 by -40 s"),
    "data on one machine only": (
        _found(LEFT, replace(RIGHT, absent=("task.data /data/vcr",))),
        "study data",
        "task.data /data/vcr (10.0.0.3)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_the_only_one_found_and_names_the_machine_and_a_remedy(name: str) -> None:
    found, subject, said = FAULTS[name]

    (finding,) = found
    assert (finding.subject, finding.state) == (subject, "fault")
    assert said in finding.found
    assert finding.remedy


def test_a_cluster_without_a_token_that_others_reach_is_cautioned() -> None:
    (finding,) = _found(LEFT, RIGHT, demand=replace(DEMAND, token=False))

    assert (finding.subject, finding.state) == ("token", "caution")
    assert (
        _found(
            head=replace(HEAD, address="127.0.0.1"), demand=replace(DEMAND, token=False, head="127.0.0.1", expected=())
        )
        == []
    )


def test_a_head_too_small_says_how_many_slots_it_carries() -> None:
    (finding,) = _found(LEFT, RIGHT, head=replace(HEAD, free_memory_mb=660), demand=replace(DEMAND, slots=40))

    assert "resources.max_concurrent=20" in finding.remedy


def test_without_a_study_no_room_and_no_data_is_judged() -> None:
    findings = judged([HEAD, LEFT, RIGHT], {}, replace(DEMAND, slots=None, has_study=False))

    assert {found.subject for found in findings}.isdisjoint({"room", "head", "study data"})


def test_a_mark_is_seen_in_the_same_folder_alone_and_nothing_is_left(tmp_path: Path) -> None:
    here, other = tmp_path / "new" / "cache", tmp_path / "other" / "cache"
    with marked({"cache": str(here)}) as mark:
        assert tried(str(here), mark)
        assert not tried(str(other), mark)

    assert list(tmp_path.iterdir()) == []


def test_what_was_in_a_place_stays(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("")
    with marked({"cache": str(tmp_path)}) as mark:
        assert tried(str(tmp_path), mark)

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot write"):
        tried(str(tmp_path / "file" / "cache"), "mark")
