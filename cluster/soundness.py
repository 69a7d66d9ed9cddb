"""Whether a cluster can run a study, from the facts of its machines. The check starts nothing and spends nothing."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import ray
import yaml
from ray._raylet import AuthenticationMode  # type: ignore[attr-defined]
from ray._raylet import get_authentication_mode  # type: ignore[attr-defined]

from ablative.cluster.addresses import VARIABLES
from ablative.cluster.capacity import Shape
from ablative.cluster.capacity import capacity
from ablative.cluster.capacity import require
from ablative.cluster.machine_facts import Absent
from ablative.cluster.machine_facts import Facts
from ablative.cluster.machine_facts import gathered
from ablative.cluster.machine_facts import unshared
from ablative.cluster.session import connect
from ablative.cluster.session import machines
from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.showing.cluster_answer import ClusterCheckAnswer
from ablative.orchestrator.showing.cluster_answer import Finding
from ablative.orchestrator.showing.cluster_answer import Machine
from ablative.orchestrator.showing.cluster_answer import State
from ablative.orchestrator.showing.cluster_answer import Subject
from ablative.orchestrator.storing.leases import SKEW

WITHIN_S = 20.0
"""How long to wait for machines to answer; with connecting, a check takes less than 30 s."""
STUDY_MB, SLOT_MB = 560.0, 5.0
"""The head's memory for a running study (`benchmarks/slots.py`), and an allowance for each of its slots."""
LAUNCHED_WITH = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` leaves its launch file on the head."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The demands on a cluster, and what is known about it from outside."""

    head: str
    """Address of Ray's head."""
    slots: int | None = None
    no_room: str = ""
    """Why not even one trial fits."""
    workers: int = 1
    """The most workers of any trial."""
    expected: Sequence[str] = ()
    """Addresses of the machines that should have joined."""
    token: bool
    """Whether Ray requires a token."""
    places: Mapping[str, str] = field(default_factory=dict)
    has_study: bool = False


def check_cluster(
    address: str, *, places: dict[str, str], shapes: Sequence[Shape] = (), absent: Absent | None = None
) -> ClusterCheckAnswer:
    """Return findings on the cluster at `address`, good and bad.

    `places`: `cache` and `store` -> path or URI. `shapes`, `absent`: of the study, if there is one. Raises
    ClusterError if there is no cluster that this machine may join, and StoreError if this machine cannot write.
    """
    began = time.monotonic()
    with connect(address):
        facts, silent = gathered(places, within_s=WITHIN_S, absent=absent)
        demand = _demand(places, shapes)
    findings = judged(facts, silent, demand)
    return ClusterCheckAnswer(
        sound=all(finding.state != "fault" for finding in findings),
        seconds=round(time.monotonic() - began, 1),
        slots=demand.slots,
        machines=tuple(_machine(one) for one in facts),
        findings=findings,
    )


def _demand(places: Mapping[str, str], shapes: Sequence[Shape]) -> Demand:
    no_room, (nodes, largest) = "", machines()
    try:
        require(shapes, nodes, largest)
    except ClusterError as error:
        no_room = f"{error}"
    return Demand(
        head=next(
            (node["NodeManagerAddress"] for node in ray.nodes() if "node:__internal_head__" in node["Resources"]), ""
        ),
        slots=capacity(shapes, nodes, largest) if shapes and not no_room else None,
        no_room=no_room,
        workers=max((shape.workers for shape in shapes), default=1),
        expected=_listed_machines(),
        token=get_authentication_mode() == AuthenticationMode.TOKEN,
        places=places,
        has_study=bool(shapes),
    )


def _listed_machines() -> Sequence[str]:
    """Return the machines of the launch file that `ray up` has left here; may be none."""
    try:
        told: Any = yaml.safe_load(LAUNCHED_WITH.expanduser().read_text(encoding="utf-8"))
        return [str(address) for address in told["provider"].get("worker_ips", ())]
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return ()


def judged(facts: Sequence[Facts], silent: Mapping[str, str], demand: Demand) -> tuple[Finding, ...]:
    """Return a finding for each subject, from the facts, and address -> reason for machines without an answer."""
    findings = [_joined(facts, silent, demand), _room(demand), _head(facts, demand), _token(demand), _versions(facts)]
    findings += [_place(facts, purpose, place) for purpose, place in demand.places.items()]
    findings += [_interfaces(facts, demand), _clocks(facts), _study_data(facts, demand)]
    return tuple(finding for finding in findings if finding is not None)


def _joined(facts: Sequence[Facts], silent: Mapping[str, str], demand: Demand) -> Finding:
    absent = [address for address in demand.expected if address not in {one.address for one in facts} | silent.keys()]
    if absent:
        return _finding(
            "machines",
            "fault",
            f"{', '.join(absent)} of the launch file did not join",
            "see /tmp/ray/session_latest/logs/monitor* on the head; a machine with another token, another release of "
            "Ray or Python, or another ssh key cannot join",
        )
    if silent:
        lines = "; ".join(f"{address}: {why}" for address, why in silent.items())
        return _finding("machines", "fault", lines, "install the same package there, or stop Ray there")
    return _finding("machines", "ok", f"{len(facts)} {'machine answers' if len(facts) == 1 else 'machines answer'}")


def _room(demand: Demand) -> Finding | None:
    if demand.no_room:
        found, _, remedy = demand.no_room.partition(" Remedy: ")
        return _finding("room", "fault", found, remedy)
    return None if demand.slots is None else _finding("room", "ok", f"{demand.slots} trials at once")


def _head(facts: Sequence[Facts], demand: Demand) -> Finding | None:
    head = next((one for one in facts if one.address == demand.head), None)
    if head is None or demand.slots is None:
        return None
    needed = STUDY_MB + demand.slots * SLOT_MB
    found = f"{demand.slots} trials at once take about {needed / 1000:.1f} GB of the head's memory"
    free = f"{head.free_memory_mb / 1000:.1f} GB are free"
    fits = int((head.free_memory_mb - STUDY_MB) / SLOT_MB)
    if demand.slots > fits:
        return _finding(
            "head", "fault", f"{found}; {free}", f"set resources.max_concurrent={max(fits, 1)}, or use a larger head"
        )
    return _finding("head", "ok", f"{found}; {free}")


def _token(demand: Demand) -> Finding:
    if demand.token:
        return _finding("token", "ok", "Ray lets in only who has its token")
    if demand.head.startswith("127.") or not demand.head:
        return _finding("token", "ok", "Ray asks for none, and listens on this machine only")
    return _finding(
        "token",
        "caution",
        f"Ray asks for no token: anyone who reaches {demand.head} can run code here",
        "run `ray get-auth-token --generate` once, copy ~/.ray/auth_token to all machines, and start Ray with "
        "RAY_AUTH_MODE=token",
    )


def _versions(facts: Sequence[Facts]) -> Finding:
    differing = []
    for package in sorted({package for one in facts for package in one.versions}):
        by_version: dict[str, list[str]] = {}
        for one in facts:
            by_version.setdefault(one.versions.get(package, "none"), []).append(one.address)
        if len(by_version) > 1:
            told = ", ".join(f"{version} on {' '.join(on[:3])}" for version, on in by_version.items())
            differing.append(f"{package}: {told}")
    if differing:
        return _finding(
            "versions", "fault", "; ".join(differing), "install the same on all machines, as `ray up` does"
        )
    return _finding("versions", "ok", "the same on all machines")


def _place(facts: Sequence[Facts], purpose: str, place: str) -> Finding:
    subject: Subject = "cache" if purpose == "cache" else "store"
    if lines := unshared(facts, purpose, place):
        remedy = (
            "set ABLATE_CACHE to a bucket (s3://, gs://) or to a folder that all machines share"
            if subject == "cache"
            else "set ABLATE_STORE to a bucket (s3://, gs://) or to a folder that all machines share and may write"
        )
        return _finding(subject, "fault", "; ".join(lines), remedy)
    return _finding(subject, "ok", f"{place} is the same everywhere and writable")


def _interfaces(facts: Sequence[Facts], demand: Demand) -> Finding:
    wrong = [f"{', '.join(one.unknown_interfaces)} on {one.address}" for one in facts if one.unknown_interfaces]
    if wrong:
        return _finding(
            "interfaces", "fault", f"no such interface: {'; '.join(wrong)}", f"unset {' and '.join(VARIABLES)}"
        )
    local = [one.address for one in facts if one.address.startswith("127.")]
    if len(facts) > 1 and local:
        return _finding(
            "interfaces",
            "fault",
            f"{', '.join(local)} is an address that other machines cannot reach",
            "start Ray there with --node-ip-address",
        )
    unknown = [one.address for one in facts if not one.interface]
    if demand.workers > 1 and len(facts) > 1 and unknown:
        return _finding(
            "interfaces",
            "caution",
            f"unknown which interface the workers of one trial use on {', '.join(unknown)}",
            f"name it with {' or '.join(VARIABLES)}",
        )
    names = Counter(one.interface or "unknown" for one in facts)
    return _finding("interfaces", "ok", ", ".join(f"{name} on {count}" for name, count in sorted(names.items())))


def _clocks(facts: Sequence[Facts]) -> Finding:
    wrong = [one for one in facts if abs(one.ahead_s) > SKEW.total_seconds()]
    if wrong:
        told = ", ".join(f"{one.address} by {one.ahead_s:+.0f} s" for one in wrong)
        return _finding(
            "clocks",
            "fault",
            f"{told} from this machine's; drivers that share a study allow {SKEW.total_seconds():.0f} s",
            "synchronise the machines' clocks with NTP",
        )
    worst = max((abs(one.ahead_s) for one in facts), default=0.0)
    return _finding("clocks", "ok", f"at most {worst:.1f} s apart")


def _study_data(facts: Sequence[Facts], demand: Demand) -> Finding | None:
    if not demand.has_study:
        return None
    by_line: dict[str, list[str]] = {}
    for one in facts:
        for line in one.absent:
            by_line.setdefault(line, []).append(one.address)
    if by_line:
        told = "; ".join(f"{line} ({', '.join(on)})" for line, on in by_line.items())
        return _finding("study data", "fault", f"not there: {told}", "put it in the same place on all machines")
    return _finding("study data", "ok", "there on all machines")


def _finding(subject: Subject, state: State, found: str, remedy: str = "") -> Finding:
    return Finding(subject=subject, state=state, found=found, remedy=remedy)


def _machine(facts: Facts) -> Machine:
    return Machine(
        address=facts.address,
        host=facts.host,
        is_driver=facts.is_driver,
        processors=facts.processors,
        free_memory_mb=round(facts.free_memory_mb),
        versions=dict(facts.versions),
        interface=facts.interface,
        ahead_s=round(facts.ahead_s, 2),
    )
