"""Studies whose driver is a Ray job: it runs on the head and outlives the connection that started it.

A job is recognised by the metadata that Ray keeps: the study's name, and the store of its records.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ray.dashboard.utils import get_address_for_submission_client
from ray.job_submission import JobStatus
from ray.job_submission import JobSubmissionClient

from ablative.cluster.session import FORWARDED
from ablative.cluster.session import import_path
from ablative.orchestrator.errors import ClusterError

STUDY, STORE = "ablate_study", "ablate_store"
PASSED = ("ABLATE_STORE", "ABLATE_CACHE", *FORWARDED)
"""Variables that a job inherits from the command that starts it. Everyone on the cluster can read a job's settings, so
credentials go by the name of a profile or file, never by value."""
SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
STOPPED = 143
"""Exit status of a stopped study, as shells give it for SIGTERM."""
PATIENCE_S = 60
"""How long a stopping study may take to end its workers."""
OPEN = (JobStatus.PENDING, JobStatus.RUNNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyJob:
    """The latest job of a study."""

    id: str
    is_open: bool
    """Whether it has not ended yet."""


class StudyJobs:
    """The jobs of one study on the cluster that runs here."""

    def __init__(self, study: str, store: str, *, address: str = "auto") -> None:
        """`store`: path or URI. Raises ClusterError if there is no cluster that takes jobs."""
        logging.getLogger("ray.dashboard").setLevel(logging.ERROR)
        self.study, self._store = study, store
        named = None if address in ("auto", "any") else address
        try:
            self._client = JobSubmissionClient(get_address_for_submission_client(named))
        except Exception as error:  # Ray raises many kinds
            raise ClusterError(
                f"no Ray cluster takes jobs here: {type(error).__name__}: {' '.join(str(error).split())[:200]}. "
                "Remedy: run it on the head, with `ray submit CLUSTER.yaml orchestrator/ablate.py -- ...`; a cluster "
                "that `ablate run` starts for itself takes no jobs"
            ) from error

    def latest(self) -> StudyJob | None:
        """Return the latest job of the study; None if there was none."""
        found = self._jobs()
        return _job(found[-1]) if found else None

    def required(self, source: str) -> StudyJob:
        """Return the latest job of the study, asked for as `source`. Raises ClusterError if there was none."""
        if (job := self.latest()) is None:
            raise ClusterError(
                f"no detached run of {self.study} on this cluster with records in {self._store}. "
                f"Remedy: `ablate run {source} --detach` starts one"
            )
        return job

    def start(self, arguments: Sequence[str]) -> StudyJob:
        """Start `ablate` with these arguments, unless a job of the study is open: then return that."""
        found = self._jobs()
        if found and found[-1].status in OPEN:
            return _job(found[-1])
        # If two start together, the second learns that the job exists.
        name = f"ablate-{self.study}-{_short(self._store)}-{len(found) + 1}"
        program = shlex.join([sys.executable, "-m", "ablative.orchestrator.commands.cli", *arguments])
        variables = {key: os.environ[key] for key in PASSED if key in os.environ}
        try:
            self._client.submit_job(
                submission_id=name,
                entrypoint=f"cd {shlex.quote(os.getcwd())} && exec {program}",
                metadata={STUDY: self.study, STORE: self._store},
                runtime_env={
                    "env_vars": {**variables, "PYTHONPATH": import_path(), "RAY_JOB_STOP_WAIT_TIME_S": f"{PATIENCE_S}"}
                },
            )
        except RuntimeError as error:
            if "already exists" not in str(error):
                raise ClusterError(f"the cluster rejected the job: {' '.join(str(error).split())[-300:]}") from error
        return StudyJob(id=name, is_open=True)

    def follow(self, job: StudyJob, write: Callable[[str], None]) -> int:
        """Write a job's output, from start to end; return its exit status."""

        async def copy() -> None:
            async for text in self._client.tail_job_logs(job.id):
                write(text)

        asyncio.run(copy())
        return self._ended(job)

    def stop(self, job: StudyJob) -> None:
        """Stop a job as SIGTERM does, and wait until it has ended."""
        self._client.stop_job(job.id)
        self._ended(job)

    def _ended(self, job: StudyJob) -> int:
        until = time.monotonic() + PATIENCE_S + 10
        while (found := self._client.get_job_info(job.id)).status in OPEN:
            if time.monotonic() > until:
                raise ClusterError(f"job {job.id} has not ended after {PATIENCE_S} s; see `ray job logs {job.id}`")
            time.sleep(0.2)
        if found.status == JobStatus.STOPPED:
            return STOPPED
        status = found.driver_exit_code
        if status is None:
            raise ClusterError(
                f"job {job.id} was lost: {found.message}. Remedy: run the same `ablate run` again to continue"
            )
        return int(status) if status >= 0 else 128 - int(status)

    def _jobs(self) -> list[Any]:
        """Return the study's jobs, earliest first."""
        wanted = {STUDY: self.study, STORE: self._store}
        found = [job for job in self._client.list_jobs() if wanted.items() <= (job.metadata or {}).items()]
        return sorted(found, key=lambda job: job.start_time or 0)


def _short(store: str) -> str:
    return hashlib.sha256(store.encode()).hexdigest()[:6]


def _job(found: Any) -> StudyJob:
    return StudyJob(id=found.submission_id, is_open=found.status in OPEN)
