"""The connection to Ray: a private cluster on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

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
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths in a study mean the same in a worker as on the command line
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's newer output prints a table even where verbosity is 0
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",  # Tune's state is never read: records are the truth
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
"""Set where the person has not set them, before Ray starts."""

LOCAL_ENVIRONMENT = {
    "RAY_agent_register_timeout_ms": "180000",  # a busy machine is slow, not broken
    "RAY_raylet_start_wait_time_s": "180",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # a private cluster has no node that could be taken away
    "RAY_worker_maximum_startup_concurrency": "16",  # about what a study starts; with fewer, Ray warns aloud
}

KNOCK_S = 10.0
PRIVATE = "ablate_private"
"""Logical resource that marks a private cluster: it ends with its driver, so nobody else may join it."""


@contextmanager
def connect(address: str, *, num_cpus: int | None = None) -> Iterator[bool]:
    """Connect to Ray and disconnect again, which ends all that was started; an open connection is used and left open.

    `address`: `local` starts a private cluster, `auto` joins the one that runs on this machine, anything else is
    the address of a running one. `num_cpus`: logical CPUs of a private cluster; as many as the machine has unless
    given. Gives whether the cluster is private, so that it ends with the connection. Raises ClusterError, naming the
    address, if there is none.
    """
    if ray.is_initialized():
        yield False
        return
    _set_environment(ENVIRONMENT)
    for name in ("ray", "ray.train", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # a lane that dies is replaced, and no news
    with _started(num_cpus) if address == "local" else _joined(address):
        yield address == "local"


def enter(folder: str) -> None:
    """Go to the command line's folder where this node has it, so that relative paths mean the same in a worker."""
    if Path(folder).is_dir():
        os.chdir(folder)


def machines() -> tuple[list[dict[str, float]], dict[str, float] | None]:
    """Return what each machine of the cluster has, and what its autoscaler can bring it to; None without one."""
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return alive, ray._private.state.state.get_max_resources_from_cluster_config()  # Ray Train asks the same


@contextmanager
def _started(num_cpus: int | None) -> Iterator[None]:
    """Start a private cluster; a machine that was too busy for Ray's own waits gets a second try."""
    usual = temporary_folder()
    with short_folder(usual) as short:
        options = {**_local_options(num_cpus), **({"_temp_dir": short} if short else {})}
        for is_last in (False, True):
            try:
                _initialise("local", options)
                break
            except Exception as error:  # bare ones among them, where Ray's processes start too slowly
                machine = Machine.here(short or usual)
                reason = reason_of(f"{error}", machine)
                _end()
                if is_last or reason != "busy":
                    raise ClusterError(_not_there("local", error, remedy(reason, machine))) from error
                print(f"Ray did not start in time ({_in_a_line(error)}); one more try", file=sys.stderr)
        try:
            yield
        finally:
            _end()


@contextmanager
def _joined(address: str) -> Iterator[None]:
    try:
        _knock(address)
        _initialise(address, _remote_options())
    except Exception as error:  # Ray raises many kinds
        raise ClusterError(_no_connection(address, error)) from error
    try:
        if address == "auto" and PRIVATE in ray.cluster_resources():
            raise ClusterError(_no_connection(address, ConnectionError("the one that runs is private to another run")))
        yield
    finally:
        _end()


def _initialise(address: str, options: dict[str, Any]) -> None:
    if sources := imported():
        options = {**options, "runtime_env": {**options.get("runtime_env", {}), **_with_parts(sources)}}
    with _own_signals():
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)


def _end() -> None:
    with _own_signals():
        ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Put our handlers of signals back: Ray sets its own, which end the process without cleaning up."""
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


def _knock(address: str) -> None:
    """Raise OSError if nothing listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.partition(":")
    if port.isdigit():
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


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
    os.environ["PYTHONPATH"] = _import_path()
    return {"include_dashboard": False, "num_cpus": num_cpus, "resources": {PRIVATE: 1.0}}


def _remote_options() -> dict[str, Any]:
    variables = {name: os.environ[name] for name in (*ENVIRONMENT, "HF_HUB_OFFLINE") if name in os.environ}
    return {"runtime_env": {"env_vars": {**variables, "PYTHONPATH": _import_path()}}}


def _with_parts(sources: Sequence[Source]) -> dict[str, Any]:
    """Return what lets each worker process import the parts of these files before anything else is sent to it."""

    def install_parts() -> None:
        install(sources)

    return {"worker_process_setup_hook": install_parts}


def _set_environment(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _import_path() -> str:
    """Return PYTHONPATH with the folder of our package in front, unless it is installed."""
    package = sys.modules["ablative"].__file__
    assert package is not None
    root = Path(package).resolve().parents[1]
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), *paths]
    return os.pathsep.join(dict.fromkeys(path for path in paths if path))
