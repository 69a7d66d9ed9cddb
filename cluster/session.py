"""The connection to Ray: a private cluster on this machine, or a running one."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import services
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo

from ablative.cluster.addresses import VARIABLES as INTERFACES
from ablative.cluster.messages import kept
from ablative.cluster.startup import Machine
from ablative.cluster.startup import reason_of
from ablative.cluster.startup import remedy
from ablative.cluster.startup import short_folder
from ablative.cluster.startup import temporary_folder
from ablative.orchestrator.errors import ClusterError
from ablative.trainables.parts.sources import Source
from ablative.trainables.parts.sources import imported
from ablative.trainables.parts.sources import install

ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # how soon a lost worker is noticed; 2 s is slow, 0.1 s costs CPU
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180",  # imports on a busy machine take longer than the default 60 s
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # one process a group; the driver looks for notices itself
    "RAY_TRAIN_ENABLE_CONTROLLER_STRUCTURED_LOGGING": "0",  # it would set up the logging of the process for each slot
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",  # Ray Train's controllers do so in threads of their own
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a study mean the same in a worker as on the command line
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's newer output prints a table even where verbosity is 0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Tune's state is never read: records are the truth
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Defaults for variables that the user has not set, applied before Ray starts."""

LOCAL_ENVIRONMENT = {
    "RAY_agent_register_timeout_ms": "180000",  # a busy machine is slow, not broken
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_worker_maximum_startup_concurrency": "16",  # about what a study starts; with fewer, Ray warns aloud
}

KNOCK_S = 10.0
JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"
"""Set by Ray in the driver of a submitted job: what the job was submitted with."""
FORWARDED = (
    "HF_HUB_OFFLINE",
    *INTERFACES,
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
)
"""The user's variables that workers on other machines get too. None is a secret, because everyone who reaches the
cluster can read them: credentials go by the name of a profile or file."""
ON_A_MEMBER = (
    "run on one of its nodes, with `ray submit CLUSTER.yaml orchestrator/ablate.py -- run STUDY`, "
    "or `ray job submit --address http://HEAD:8265 --working-dir . -- python orchestrator/ablate.py run STUDY`"
)
PRIVATE = "ablate_private"
"""Logical resource that marks a private cluster. It ends with its driver, so no other run may join it."""


class NoClusterError(ClusterError):
    """No cluster answered at an address, or only a private one."""


@contextmanager
def connect(address: str, *, num_cpus: int | None = None) -> Iterator[bool]:
    """Connect to Ray, and disconnect again, which ends all that was started; an open connection stays open.

    `address`: `local` starts a private cluster, `auto` joins the one that runs on this machine, anything else is the
    address of a running one that this machine belongs to. `num_cpus`: logical CPUs of a private cluster; as many as
    the machine has unless given. Yields whether the cluster is private and so ends with the connection. Raises
    ClusterError, with the address, if there is no cluster, and for an address of Ray's client.
    """
    _refuse_client(address)
    if ray.is_initialized():
        yield False
        return
    _set_environment(ENVIRONMENT)
    for name in ("ray", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lane that dies is replaced, and no news
    with kept(), _started(num_cpus) if address == "local" else _joined(address):
        yield address == "local"


def running_cluster() -> str:
    """Return `auto`; or `local`, with a note, if no cluster runs here, none was named, and no job needs one.

    Raises ClusterError if a cluster exists, or must exist, and cannot be joined.
    """
    named = os.environ.get("RAY_ADDRESS", "") or ("this job" if JOB in os.environ else "")
    try:
        with connect("auto"):
            return "auto"
    except NoClusterError:
        if named:
            raise
    print("no Ray cluster runs here: a private one is started", file=sys.stderr)
    return "local"


def enter(folder: str) -> None:
    """Change to the command line's folder if this node has it, so that relative paths mean the same in a worker."""
    if Path(folder).is_dir():
        os.chdir(folder)


def members() -> dict[str, str]:
    """Return the machines of the cluster: Ray's name of a node -> its address."""
    return {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}


def drained() -> set[str]:
    """Return Ray's names of the nodes that are being drained."""
    return set(ray._private.state.state.get_draining_nodes())


def lasting() -> list[dict[str, float]]:
    """Return what each machine has that is not about to be taken away."""
    gone = drained()
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in gone]


def machines() -> tuple[list[dict[str, float]], dict[str, float] | None]:
    """Return the resources of each machine, and the most that the autoscaler can reach; None without an autoscaler."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return alive, ray._private.state.state.get_max_resources_from_cluster_config()  # Ray Train asks the same


@contextmanager
def _started(num_cpus: int | None) -> Iterator[None]:
    """Start a private cluster; try a second time if the machine was too busy for Ray's time limits."""
    usual = temporary_folder()
    with short_folder(usual) as short:
        options = {**_local_options(num_cpus), **({"_temp_dir": short} if short else {})}
        for is_last in (False, True):
            try:
                _initialise("local", options)
                break
            except Exception as error:  # also bare ones, if Ray's processes start too slowly
                machine = Machine.here(short or usual)
                reason = reason_of(f"{error}", machine)
                _end()
                if is_last or reason != "busy":
                    raise ClusterError(_not_there("local", error, remedy(reason, machine))) from error
                print(f"Ray did not start in time ({_in_a_line(error)}); trying once more", file=sys.stderr)
        try:
            yield
        finally:
            _end()


@contextmanager
def _joined(address: str) -> Iterator[None]:
    try:
        found = _found(address)
        _knock(found)
    except ClusterError:
        raise
    except Exception as error:  # Ray raises many kinds
        raise NoClusterError(_no_connection(address, error)) from error
    try:
        _require_member(found)
        _initialise(address, _remote_options())
    except ClusterError:
        raise
    except Exception as error:
        raise ClusterError(_no_connection(address, error)) from error
    try:
        if address == "auto" and PRIVATE in ray.cluster_resources():
            raise NoClusterError(_no_connection(address, ConnectionError("the running one is private to another run")))
        yield
    finally:
        _end()


def _initialise(address: str, options: dict[str, Any]) -> None:
    if sources := imported():
        options = {**options, "runtime_env": {**options.get("runtime_env", {}), **_with_parts(sources)}}
    if JOB in os.environ:  # the job's PYTHONPATH is in ours; nothing else of ours is set by both
        os.environ.setdefault("RAY_OVERRIDE_JOB_RUNTIME_ENV", "1")
    with _own_signals():
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)


def _end() -> None:
    with _own_signals():
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Restore our signal handlers: Ray sets its own, which end the process without cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    came = False
    try:
        yield
    except SystemExit as end:
        came = end.code == signal.SIGTERM  # what Ray's own handler raises
        if not came:
            raise
    finally:
        for number, handler in ours.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if came:
        signal.raise_signal(signal.SIGTERM)


def _found(address: str) -> str:
    """Return where Ray would look for a cluster, as `host:port`. Raises ConnectionError if it knows none."""
    where = services.get_ray_address_from_environment(address, None) if address == "auto" else address
    _refuse_client(where)
    return str(services.canonicalize_bootstrap_address_or_die(where))


def _refuse_client(address: str) -> None:
    """Raise ClusterError for an address of Ray's client, through which no study can run."""
    if "://" in address:
        raise ClusterError(
            f"a study cannot run through Ray's client (`{address}`), because a lost connection would end its trials. "
            f"Remedy: {ON_A_MEMBER}"
        )


def _knock(address: str) -> None:
    """Raise OSError if nothing listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S).close()


def _require_member(address: str) -> None:
    """Raise ClusterError if this machine is no node of the cluster at `host:port`; Ray would look for a minute."""
    there = GcsClient(address=address).get_all_node_info(timeout=KNOCK_S).values()
    nodes = {node.node_id.hex() for node in there if node.state == GcsNodeInfo.ALIVE}
    here = getattr(services, "find_node_ids", lambda: nodes)()  # other releases go by addresses
    if nodes.isdisjoint(here):
        raise ClusterError(
            f"this machine is not a node of the Ray cluster at `{address}`, and only a node can drive it. "
            f"Remedy: {ON_A_MEMBER}; or, where all of its nodes reach this machine, make it a node without CPUs: "
            f"`ray start --address={address} --num-cpus=0`"
        )


def _no_connection(address: str, error: Exception) -> str:
    told = "`ray start --head` starts one; `--address local` needs none"
    if ":" in address:
        told += "; one that asks for a token (`ray start` makes such) is met with RAY_AUTH_MODE=token"
    return _not_there(address, error, told)


def _not_there(address: str, error: Exception, told: str) -> str:
    return f"no Ray cluster at address `{address}`: {_in_a_line(error)}. Remedy: {told}"


def _in_a_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def _local_options(num_cpus: int | None) -> dict[str, Any]:
    """A private cluster inherits this process's environment, so that needs no runtime environment."""
    _set_environment(LOCAL_ENVIRONMENT)
    os.environ["PYTHONPATH"] = import_path()
    return {"include_dashboard": False, "num_cpus": num_cpus, "resources": {PRIVATE: 1.0}}


def _remote_options() -> dict[str, Any]:
    """Return the environment that workers get from this process; inside a Ray job the job's own settings apply."""
    variables = {name: os.environ[name] for name in (*ENVIRONMENT, *FORWARDED) if name in os.environ}
    merged = {**variables, "PYTHONPATH": import_path()}
    return {"runtime_env": {"env_vars": giving_way(merged, os.environ.get(JOB, ""))}}


def giving_way(variables: Mapping[str, str], job: str) -> dict[str, str]:
    """Return the variables that a Ray job does not set itself: Ray rejects a variable that is set twice.

    PYTHONPATH stays, because ours already ends with the job's. `job`: see `JOB`; empty outside a job.
    """
    environment = (json.loads(job) if job else {}).get("runtime_env") or {}
    taken = (environment.get("env_vars") or {}).keys() - {"PYTHONPATH"}
    return {name: value for name, value in variables.items() if name not in taken}


def _with_parts(sources: Sequence[Source]) -> dict[str, Any]:
    """Return the setting that makes each worker process import these files of parts before anything else."""

    def install_parts() -> None:
        install(sources)

    return {"worker_process_setup_hook": install_parts}


def _set_environment(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def import_path() -> str:
    """Return PYTHONPATH with the folder of our package in front, unless it is installed."""
    package = sys.modules["ablative"].__file__
    assert package is not None
    root = Path(package).resolve().parents[1]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), *paths]
    return os.pathsep.join(dict.fromkeys(path for path in paths if path))
