"""Places: folders on this machine by path, and in object storage by URI, all opened in the same way."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING
from typing import Any
from urllib.parse import parse_qsl
from urllib.parse import unquote
from urllib.parse import urlsplit

from ablative.errors import AblativeError

if TYPE_CHECKING:
    from pyarrow import fs

TIMEOUT = "ABLATE_REQUEST_TIMEOUT"
"""Variable: seconds without a byte after which a request to S3 is sent again."""
_TIMEOUT_S = 10.0
_ATTEMPTS = 10
"""Attempts of a request, with growing waits between them: half a minute in total if a server refuses at once. AWS's
standard strategy also has a quota, and gives up at once after many earlier failures."""
_REMEDIES = {
    "NO_SUCH_BUCKET": "create the bucket, or correct its name",
    "ACCESS_DENIED": "give these credentials access (AWS_PROFILE names others)",
    "INVALID_ACCESS_KEY_ID": "give credentials that are valid (AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)",
    "InvalidAccessKeyId": "give credentials that are valid (AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)",
    "SIGNATURE_DOES_NOT_MATCH": "give the secret that belongs to the key (AWS_SECRET_ACCESS_KEY)",
    "SignatureDoesNotMatch": "give the secret that belongs to the key (AWS_SECRET_ACCESS_KEY)",
    "ExpiredToken": "renew the credentials, then run the same command again",
    "No credentials": "give credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)",
    "SLOW_DOWN": "the storage asks for fewer requests; run the same command again later",
    "NETWORK_CONNECTION": "check that the address is right and can be reached from here",
}
"""Words in an error of a store -> the remedy."""


class PlaceError(AblativeError):
    """A place outside this machine that cannot be opened, read or written; says which, why, and the remedy."""


def is_uri(place: str) -> bool:
    """Return whether a place is given by its URI."""
    return "://" in place


@lru_cache(maxsize=64)
def opened(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a URI, and the path there, without any request.

    Raises PlaceError for a URI that no file system of pyarrow understands.
    """
    from pyarrow import fs

    wanted = "give a path, or a URI that begins with s3://BUCKET or gs://BUCKET"
    if uri.startswith(("s3://", "gs://")) and not urlsplit(uri).netloc:
        raise PlaceError(f"{shown(uri)}: names no bucket; {wanted}")
    try:
        files, root = fs.FileSystem.from_uri(uri)
    except (ValueError, OSError) as error:
        raise PlaceError(f"{shown(uri)}: not a place that can be opened ({why(error)}); {wanted}") from error
    if isinstance(files, fs.S3FileSystem):
        files = _patient(uri, files)
    return files, root.rstrip("/")


def inside(uri: str, path: str) -> str:
    """Return the URI of `path` in the folder at `uri`."""
    folder, mark, query = uri.partition("?")  # s3://bucket/path?endpoint_override=host
    return f"{folder.rstrip('/')}/{path}{mark}{query}"


def require_bucket(uri: str) -> None:
    """Raise PlaceError if the bucket of a URI does not exist, or these credentials cannot read it."""
    from pyarrow import fs

    files, root = opened(uri)
    if isinstance(files, fs.LocalFileSystem):
        return
    try:
        there = files.get_file_info(root.partition("/")[0]).type != fs.FileType.NotFound
    except OSError as error:
        raise PlaceError(f"{shown(uri)}: {why(error)}") from error
    if not there:
        raise PlaceError(f"{shown(uri)}: there is no such bucket; create the bucket, or correct its name")


def first_bytes(uri: str, most: int) -> bytes:
    """Return the first bytes of a file, up to a limit. Raises PlaceError if it does not exist."""
    files, path = opened(uri)
    try:
        with files.open_input_file(path) as file:
            return bytes(file.read(most))
    except FileNotFoundError as error:
        require_bucket(uri)
        raise PlaceError(f"{shown(uri)}: no such file there; give the URI of one") from error
    except (ValueError, OSError) as error:
        raise PlaceError(f"{shown(uri)}: {why(error)}") from error


def why(error: BaseException) -> str:
    """Return a clause for a store's error, with the remedy if one is known."""
    told = " ".join(f"{error}".split())
    found = next((remedy for word, remedy in _REMEDIES.items() if word in told), "")
    return f"{told[:400]}{'; ' if found else ''}{found}"


def shown(uri: str) -> str:
    """Return a URI without its secret part: a key before the bucket's name."""
    scheme, mark, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"


def _patient(uri: str, plain: fs.S3FileSystem) -> fs.S3FileSystem:
    """Return S3 with our timeouts, and with a single request for each written file.

    A reader that asks for the length first may see such a file half new: see `Folder.read`.
    """
    from pyarrow import fs

    parts, flags = urlsplit(uri), {"true": True, "1": True, "false": False, "0": False}
    options: dict[str, Any] = {name: flags.get(value, value) for name, value in parse_qsl(parts.query)}
    if parts.username:
        options |= {"access_key": unquote(parts.username), "secret_key": unquote(parts.password or "")}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "endpoint_override" not in options:
        options |= {"endpoint_override": urlsplit(endpoint).netloc, "scheme": urlsplit(endpoint).scheme}
    seconds = float(os.environ.get(TIMEOUT) or _TIMEOUT_S)
    patience = {"request_timeout": seconds, "connect_timeout": seconds, "allow_delayed_open": True}
    try:
        return fs.S3FileSystem(
            **{**patience, "region": plain.region, **options}, retry_strategy=fs.AwsDefaultS3RetryStrategy(_ATTEMPTS)
        )
    except TypeError:  # an option, or a release of pyarrow, that knows it by URI alone
        return plain
