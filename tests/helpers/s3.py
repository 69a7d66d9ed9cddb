"""A real S3 server on loopback: moto's, spoken to over HTTP as any other one is."""

from __future__ import annotations

import itertools
import logging
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication
from moto.server import ThreadedMotoServer
from moto.server import create_backend_app
from pyarrow import fs
from werkzeug.serving import make_server

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_numbers = itertools.count()


@contextmanager
def server(address: str = "127.0.0.1", *, verbose: bool = False) -> Iterator[str]:
    """Give what a URI of a bucket ends with, so that it is looked for on the server of these tests."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        running = ThreadedMotoServer(ip_address=address, port=0, verbose=verbose)
        running.start()
        host, port = running.get_host_and_port()
        yield f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
        running.stop()


def new_bucket(query: str) -> str:
    """Return the URI of an empty bucket."""
    name = f"bucket{next(_numbers)}"
    files, _ = fs.FileSystem.from_uri(f"s3://{name}{query}&allow_bucket_creation=true")
    files.create_dir(name)
    return f"s3://{name}{query}"


def uploaded(folder: Path, uri: str) -> None:
    """Copy the files of a folder to a URI."""
    files, root = fs.FileSystem.from_uri(uri)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with files.open_output_stream(f"{root}/{path.relative_to(folder)}", compression=None) as target:
                target.write(path.read_bytes())


def keys(uri: str) -> dict[str, int]:
    """Return the keys below a URI, each with its size."""
    files, root = fs.FileSystem.from_uri(uri)
    found = files.get_file_info(fs.FileSelector(root, recursive=True, allow_not_found=True))
    return {info.path.removeprefix(f"{root}/"): info.size for info in found if info.type == fs.FileType.File}


@dataclass
class Faults:
    """Faults on the way to a server; rates are shares of requests, drawn by a seed."""

    errors: float = 0.0
    """The server says 500."""
    throttled: float = 0.0
    """It says 503, slow down."""
    stalled: float = 0.0
    """It says nothing for `stall_s`."""
    cut: float = 0.0
    """The line is cut: in the middle of what is written, or before an answer to what is read."""
    expired: bool = False
    """Credentials are too old."""
    stall_s: float = 30.0
    delay_s: float = 0.0
    """Delay of each request."""
    seed: int = 0
    told: Counter[str] = field(default_factory=Counter)
    """Number of each fault; `requests` counts all requests."""

    def __post_init__(self) -> None:
        self._random, self._lock = random.Random(self.seed), threading.Lock()

    def before(self, app: Any) -> Any:
        """Return a WSGI application that fails before `app` gets the request."""

        def answer(environ: dict[str, Any], start: Any) -> Any:
            kind = self._drawn()
            if self.delay_s:
                time.sleep(self.delay_s)
            if kind == "stalled":
                time.sleep(self.stall_s)
            if kind == "cut":
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0) // 2)
            if kind in ("cut", "stalled"):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
                return []
            if kind in _SAID:
                status, code = _SAID[kind]
                environ["wsgi.input"].read()
                start(status, [("Content-Type", "application/xml")])
                return [f"<Error><Code>{code}</Code><Message>{kind} on purpose</Message></Error>".encode()]
            return app(environ, start)

        return answer

    def _drawn(self) -> str:
        with self._lock:
            self.told["requests"] += 1
            drawn = self._random.random()
            kind = "expired" if self.expired else ""
            for name in () if kind else ("errors", "throttled", "stalled", "cut"):
                drawn -= getattr(self, name)
                if drawn < 0:
                    kind = name
                    break
            if kind:
                self.told[kind] += 1
            return kind


_SAID = {
    "errors": ("500 Internal Server Error", "InternalError"),
    "throttled": ("503 Slow Down", "SlowDown"),
    "expired": ("400 Bad Request", "ExpiredToken"),
}


@contextmanager
def faulty_server(faults: Faults) -> Iterator[str]:
    """As `server`, with faults that may be changed while it runs."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = make_server(
        "127.0.0.1", 0, faults.before(DomainDispatcherApplication(create_backend_app)), threaded=True
    )
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        yield f"?endpoint_override=127.0.0.1:{running.server_port}&scheme=http&region=us-east-1"
    running.shutdown()
    thread.join()
