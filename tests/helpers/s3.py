"""A real S3 server on loopback: moto's, spoken to over HTTP as any other one is."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow import fs

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
