"""What each machine of the cluster has and reaches, as the machine itself sees it.

Imports no torch, because a process that only looks around must start quickly.
"""

from __future__ import annotations

import hashlib
import os
import platform
import socket
import time
import uuid
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import ExitStack
from contextlib import contextmanager
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from ablative.cluster.addresses import VARIABLES
from ablative.cluster.addresses import interface_of
from ablative.cluster.failures import said
from ablative.cluster.session import enter
from ablative.cluster.session import members
from ablative.orchestrator.errors import ClusterError
from ablative.orchestrator.errors import StoreError
from ablative.orchestrator.storing.folder import Folder

PACKAGES = ("ray", "torch", "pyarrow", "numpy")
Absent = Callable[[], Sequence[str]]
"""Gives a line for each data set or file that the calling machine lacks. Picklable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The questions to every machine."""

    folder: str
    """The command line's folder, where relative paths begin."""
    places: dict[str, str]
    """What a place is for -> path or URI."""
    mark: str
    """Name of the file that the driver has left in each place."""
    absent: Absent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The answer of one machine."""

    address: str
    host: str
    is_driver: bool = False
    versions: dict[str, str]
    """Package -> version; `ablative` is the digest of its sources."""
    free_memory_mb: float
    processors: int
    interface: str
    """Interface by which the machine is in the cluster; empty if unknown."""
    unknown_interfaces: tuple[str, ...] = ()
    """`VARIABLE=NAME` of variables that name no interface of the machine."""
    unusable: dict[str, str] = field(default_factory=dict)
    """Place that cannot be written or read -> why."""
    unshared: tuple[str, ...] = ()
    """Places without the driver's file, so that the same name leads to another folder."""
    absent: tuple[str, ...] = ()
    ahead_s: float = 0.0
    """How many seconds its clock is ahead of the driver's."""
    clock: float = field(default_factory=time.time)


def look(question: Question) -> Facts:
    """Look around on this machine."""
    enter(question.folder)
    address = ray.util.get_node_ip_address()
    named = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    known = {name for _, name in socket.if_nameindex()}
    unusable, unshared = {}, []
    for purpose, place in question.places.items():
        try:
            if not tried(place, question.mark):
                unshared.append(purpose)
        except (StoreError, OSError) as error:
            unusable[purpose] = f"{error}"
    return Facts(
        address=address,
        host=socket.gethostname(),
        versions={
            "python": platform.python_version(),
            "ablative": _digest(),
            **{name: version(name) for name in PACKAGES},
        },
        free_memory_mb=_free_memory_mb(),
        processors=os.cpu_count() or 1,
        interface=interface_of(address) or "",
        unknown_interfaces=tuple(f"{name}={value}" for name, value in named.items() if value not in known),
        unusable=unusable,
        unshared=tuple(unshared),
        absent=tuple(question.absent()) if question.absent else (),
    )


def gathered(
    places: dict[str, str], *, within_s: float, absent: Absent | None = None
) -> tuple[list[Facts], dict[str, str]]:
    """Return the facts of each machine of the connected cluster, and address -> reason for those without an answer.

    `places`: what a place is for -> path or URI. Raises StoreError if not even this machine can use a place.
    """
    until, here = time.monotonic() + within_s, ray.get_runtime_context().get_node_id()
    with marked(places) as mark:
        question = Question(folder=os.getcwd(), places=places, mark=mark, absent=absent)
        asked: dict[ray.ObjectRef[Facts], str] = {}
        for node in members():
            there = NodeAffinitySchedulingStrategy(node, soft=False)
            asked[ray.remote(num_cpus=0, max_retries=0, scheduling_strategy=there)(look).remote(question)] = node
        addresses, found = members(), []
        silent: dict[str, str] = {}
        while asked and (left := until - time.monotonic()) > 0:
            for answer in ray.wait(list(asked), timeout=left)[0]:
                node, received = asked.pop(answer), time.time()
                try:
                    facts = ray.get(answer)
                except ray.exceptions.RayError as error:
                    silent[addresses[node]] = said(error).strip().splitlines()[-1]
                    continue
                found.append(replace(facts, is_driver=node == here, ahead_s=facts.clock - received))
        for answer, node in asked.items():
            ray.cancel(answer, force=True)
            silent[addresses[node]] = f"no answer within {within_s:g} s"
    return sorted(found, key=lambda facts: (not facts.is_driver, facts.address)), silent


@contextmanager
def marked(places: dict[str, str]) -> Iterator[str]:
    """Leave a file in each place, by which other machines recognise it; give its name. Removes all it made."""
    mark = f".seen-{uuid.uuid4().hex}"
    with ExitStack() as cleaning:
        for place in places.values():
            cleaning.enter_context(_no_folder_left(place))
            folder = Folder(place)
            cleaning.callback(_removed, folder, mark)
            folder.write(mark, b"", durable=False)
        yield mark


def _removed(folder: Folder, name: str) -> None:
    with suppress(StoreError):
        folder.remove(name)


@contextmanager
def _no_folder_left(place: str) -> Iterator[None]:
    """Remove folders that were not there before, and are empty."""
    path = Path(place).expanduser()
    missing = [] if "://" in place else [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        yield
    finally:
        for folder in missing:
            with suppress(OSError):  # another process has written there meanwhile
                folder.rmdir()


def tried(place: str, mark: str) -> bool:
    """Write into a place, read it again, and remove it; return whether the driver's file is there too."""
    folder, name = Folder(place), f".seen-{uuid.uuid4().hex}"
    content = uuid.uuid4().bytes
    shared = folder.exists(mark)
    with _no_folder_left(place):
        folder.write(name, content, durable=False)
        read = folder.read(name)
        folder.remove(name)
    if read is None or read.to_pybytes() != content:
        raise OSError(f"{place}: a file written a moment ago is missing")
    return shared


def _free_memory_mb() -> float:
    """Return the memory available to processes, or the whole memory if the system does not say."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) / 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20


def _digest() -> str:
    """Return a digest of our own sources."""
    package: Any = __import__("ablative")
    root, found = Path(package.__file__).parent, hashlib.sha256()
    for folder, folders, names in os.walk(root, followlinks=True):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                found.update(Path(folder, name).read_bytes())
    return found.hexdigest()[:12]


def require_shared(places: dict[str, str], *, within_s: float) -> None:
    """Raise ClusterError, with the machines, if one does not share these places with this one."""
    found, silent = gathered(places, within_s=within_s)
    del silent  # a slow answer proves nothing; if the place is missing there, its trials count as lost
    lines = [line for purpose, place in places.items() for line in unshared(found, purpose, place)]
    if lines:
        raise ClusterError(
            f"{'; '.join(lines)}. Remedy: name a folder that all machines share, or a bucket "
            "(ABLATE_CACHE, ABLATE_STORE); `ablate cluster check` looks at all machines"
        )


def unshared(found: Sequence[Facts], purpose: str, place: str) -> list[str]:
    """Return a clause for each reason why machines do not share a place; none if all do."""
    other = [facts.address for facts in found if purpose in facts.unshared]
    lines = [f"{purpose} {place} on {_listed(other)} is not the folder seen here"] if other else []
    unusable: dict[str, list[str]] = {}
    for facts in found:
        if purpose in facts.unusable:
            unusable.setdefault(facts.unusable[purpose], []).append(facts.address)
    return [*lines, *(f"{purpose} {place} cannot be used on {_listed(on)}: {why}" for why, on in unusable.items())]


def _listed(addresses: Sequence[str]) -> str:
    """Return the first addresses, and the number of the others."""
    shown = ", ".join(addresses[:3])
    return f"{shown} and {len(addresses) - 3} more" if len(addresses) > 3 else shown
