"""Translates exceptions of Ray and Ray Train into causes of a trial's end, and decides whether to try again."""

from __future__ import annotations

from typing import Literal

from ray import exceptions as ray_exceptions

from ablative.trainables.job import Cause

Meaning = Cause | Literal["no_cluster"]
"""A trial's cause, or `no_cluster`: nothing can run, so the study stops and records no failed trials."""

MEANINGS: dict[str, Meaning] = {
    # the trial's own doing
    "RayTaskError": "trainable_error",
    "UserCodeException": "trainable_error",
    "CrossLanguageError": "trainable_error",
    "UnserializableException": "trainable_error",
    "OufOfBandObjectRefSerializationException": "trainable_error",
    "OutOfMemoryError": "out_of_memory",
    "ObjectStoreFullError": "out_of_memory",
    # a process, a node or a message was lost: worth another attempt
    "RayError": "worker_lost",
    "RaySystemError": "worker_lost",
    "LocalRayletDiedError": "worker_lost",
    "WorkerCrashedError": "worker_lost",
    "RayActorError": "worker_lost",
    "ActorDiedError": "worker_lost",
    "ActorUnavailableError": "worker_lost",
    "ActorHandleNotFoundError": "worker_lost",
    "ActorPlacementGroupRemoved": "worker_lost",
    "AsyncioActorExit": "worker_lost",
    "NodeDiedError": "preempted",
    "OutOfDiskError": "worker_lost",
    "TaskCancelledError": "worker_lost",
    "TaskPlacementGroupRemoved": "worker_lost",
    "PendingCallsLimitExceeded": "worker_lost",
    "RpcError": "worker_lost",
    "GetTimeoutError": "worker_lost",
    "ObjectLostError": "worker_lost",
    "ObjectFetchTimedOutError": "worker_lost",
    "ObjectFreedError": "worker_lost",
    "ObjectReconstructionFailedError": "worker_lost",
    "ObjectRefStreamEndOfStreamError": "worker_lost",
    "OwnerDiedError": "worker_lost",
    "PlasmaObjectNotAvailable": "worker_lost",
    "ReferenceCountingAssertionError": "worker_lost",
    "StreamingGeneratorReplayInconsistentError": "worker_lost",
    "RayCgraphCapacityExceeded": "worker_lost",
    "RayChannelError": "worker_lost",
    "RayChannelTimeoutError": "worker_lost",
    "RayDirectTransportError": "worker_lost",
    # of Ray Train
    "RayTrainError": "worker_lost",
    "TrainingFailedError": "worker_lost",
    "WorkerGroupError": "worker_lost",
    "NCCLHangError": "worker_lost",
    "ControllerError": "worker_lost",
    "WorkerHealthCheckTimeoutError": "worker_lost",
    "WorkerHealthCheckFailedError": "worker_lost",
    "WorkerGroupStartupTimeoutError": "worker_lost",
    "WorkerGroupStartupFailedError": "worker_lost",
    "CheckpointManagerInitializationError": "worker_lost",
    "CollectiveTimeoutError": "worker_lost",
    "BroadcastCollectiveTimeoutError": "worker_lost",
    "PreemptionError": "preempted",
    "UserExceptionWithTraceback": "trainable_error",
    "SessionMisuseError": "trainable_error",
    # nowhere to run: no retry can help
    "InsufficientClusterResourcesError": "no_cluster",
    "ActorAlreadyExistsError": "no_cluster",
    "ActorUnschedulableError": "no_cluster",
    "AuthenticationError": "no_cluster",
    "RuntimeEnvSetupError": "no_cluster",
    "TaskUnschedulableError": "no_cluster",
}
"""Exception class by name, because releases of Ray have different classes."""

Policy = Literal["retry", "retry_preempted", "retry_once", "record"]

POLICIES: dict[str, Policy] = {
    "worker_lost": "retry",
    "preempted": "retry_preempted",
    "out_of_memory": "retry_once",
}
"""What to do with a trial that ended with a cause: try it again from its checkpoint, or record it.

`retry`: a few times, because the trial itself may have killed the process. `retry_preempted`: many times, because it
did not. `retry_once`: in a new worker group, if the study allows. All other causes are recorded. Without a cluster
(`no_cluster`) the study stops, and nothing is recorded.
"""


MOST_ATTEMPTS = {"retry": 3, "retry_preempted": 20}
"""Attempts at a trial by policy; the last loss is recorded."""


def tries_again(causes: tuple[str, ...], *, out_of_memory: bool) -> bool:
    """Return whether a trial whose attempts ended with `causes`, in order, gets another attempt.

    `out_of_memory`: whether the study allows one after a lack of memory.
    """
    policy = POLICIES.get(causes[-1], "record")
    if policy == "retry_once":
        return out_of_memory and causes.count(causes[-1]) == 1
    return len(causes) < MOST_ATTEMPTS.get(policy, 0)


def meaning_of(error: BaseException) -> Meaning:
    """Return what `error`, or the Ray exception inside it, means for its trial."""
    error = _innermost(error)
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, ray_exceptions.ActorDiedError) and error.preempted:
        return "preempted"
    named = (MEANINGS[base.__name__] for base in type(error).__mro__ if base.__name__ in MEANINGS)
    return next(named, "trainable_error")


def cause_of(error: BaseException) -> Cause:
    """Return the cause to record for a trial whose worker ended with `error`."""
    meaning = meaning_of(error)
    return "worker_lost" if meaning == "no_cluster" else meaning


def cause_of_run(error: BaseException) -> Cause:
    """Return the cause to record for a trial whose Train run ended with `error`, which is never the trial's doing."""
    cause = cause_of(error)
    return "worker_lost" if cause == "trainable_error" else cause


def is_for_want_of_room(error: BaseException) -> bool:
    """Return whether a Train run ended because its workers found no free resources in time; some may come later."""
    return _named(error, "WorkerGroupStartupTimeoutError")


def _named(error: BaseException, name: str) -> bool:
    carried = getattr(error, "controller_failure", None)
    inner = isinstance(carried, BaseException) and _named(carried, name)
    return inner or any(base.__name__ == name for base in type(error).__mro__)


def said(error: BaseException) -> str:
    """Return class and message of `error`; from Ray's page about memory only the first line, which has the numbers."""
    text = f"{type(error).__name__}: {error}".strip()
    return text.partition("\n")[0] if meaning_of(error) == "out_of_memory" else text


def worst(errors: dict[int, Exception]) -> tuple[Cause, BaseException]:
    """Return the cause, and its exception, of a group whose workers (by rank) ended with `errors`.

    A worker that died outranks one that raised, because survivors only echo the loss of a peer.
    """
    order: tuple[Cause, ...] = ("out_of_memory", "preempted", "worker_lost")
    ranked = sorted(errors, key=lambda rank: _position(order, cause_of(errors[rank])))
    return cause_of(errors[ranked[0]]), _innermost(errors[ranked[0]])


def _position(order: tuple[Cause, ...], cause: Cause) -> int:
    return order.index(cause) if cause in order else len(order)


def _innermost(error: BaseException) -> BaseException:
    """Unwrap what Ray Train puts around the exception of a worker that does not answer."""
    carried = getattr(error, "health_check_failure", None)
    return _innermost(carried) if isinstance(carried, BaseException) else error
