"""A folder of whole files, on a disk or in object storage: the store's view of pyarrow's filesystems."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Callable
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
from pyarrow import fs

from ablative.orchestrator.errors import StoreError
from ablative.places import PlaceError
from ablative.places import inside
from ablative.places import is_uri
from ablative.places import opened
from ablative.places import why

Given = TypeVar("Given")
Made = TypeVar("Made")
_UNFINISHED = ".unfinished-"
"""Prefix of files being written, which readers do not see."""

_READS = 100
_FITTING = re.compile("[0-9a-f]{32}(-1)?")
"""S3 entity tags that depend on content alone: its MD5; for a multipart upload of one part, the MD5 of that."""
_SURE = 20
_AT_ONCE = 16
_OTHER_TAGS: set[str] = set()
"""Stores whose tags look the same but are not, as with your own key (SSE-KMS)."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Folder:
    """Files below one root, each written whole or not at all."""

    def __init__(self, uri: str) -> None:
        """Open the folder at `uri`, a local path or a URI such as s3://bucket/path; nothing is created yet."""
        self.uri = uri
        try:
            self._files, self._root = _resolve(uri)
        except PlaceError as error:
            raise StoreError(f"store {error}") from error
        self.is_local = isinstance(self._files, fs.LocalFileSystem)
        """Whether files are on a disk of this machine, or mounted."""

    def uri_of(self, path: str) -> str:
        """Return a path or URI that opens the folder at `path` from any working folder."""
        if self.is_local:
            return self._at(path)
        return inside(self.uri, path)

    def names(self, folder: str) -> list[str]:
        """Return the sorted names of the files in `folder` (not below it); empty if there is no such folder."""
        return sorted(info.base_name for info in self._listed(folder) if info.type == fs.FileType.File)

    def folders(self, folder: str) -> list[str]:
        """Return the sorted names of the folders in `folder`."""
        return sorted(info.base_name for info in self._listed(folder) if info.type == fs.FileType.Directory)

    def exists(self, path: str) -> bool:
        """Return whether there is a file at `path`."""
        if self.is_local:
            return self._files.get_file_info(self._at(path)).type == fs.FileType.File
        try:  # one request; `get_file_info` would also list, in case of a folder
            self._files.open_input_file(self._at(path)).close()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StoreError(f"store {self.uri!r}: cannot look for {path}: {why(error)}") from error
        return True

    def stamps(self, folder: str) -> list[tuple[str, int, int]]:
        """Return name, time and size of each file in `folder`, sorted: they distinguish its states."""
        found = (info for info in self._listed(folder) if info.type == fs.FileType.File)
        return sorted((info.base_name, info.mtime_ns or 0, info.size) for info in found)

    def stamp(self, path: str) -> tuple[int, int] | None:
        """Return a value that distinguishes versions of the file, from time and size; None if there is no file."""
        if self.is_local:
            info = self._files.get_file_info(self._at(path))
            return (info.mtime_ns or 0, info.size) if info.type == fs.FileType.File else None
        try:  # one request, as in `exists`
            with self._files.open_input_file(self._at(path)) as file:
                if told := (file.metadata() or {}).get("Last-Modified", b"").decode():
                    return int(datetime.fromisoformat(told).timestamp() * 1e9), file.size()
            info = self._files.get_file_info(self._at(path))  # not S3
            return (info.mtime_ns or 0, info.size) if info.type == fs.FileType.File else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"store {self.uri!r}: cannot look at {path}: {why(error)}") from error

    def each(self, call: Callable[[Given], Made], given: Sequence[Given]) -> list[Made]:
        """Return the results of `call` on each; object storage gets many requests at once."""
        if self.is_local or len(given) < 2:
            return [call(one) for one in given]
        with ThreadPoolExecutor(min(len(given), _AT_ONCE)) as threads:
            return list(threads.map(call, given))

    def read(self, path: str) -> pa.Buffer | None:
        """Return the whole file; None if there is none."""
        before, times = ("", pa.py_buffer(b"")), 0
        for _ in range(_READS):
            try:
                with self._files.open_input_file(self._at(path)) as file:
                    tag = "" if self.is_local else _tag(file)
                    content = file.read_buffer()
                # Object storage is asked for the length first: if the file was replaced since, only that much was
                # read.
                if self.is_local or _fits(content, tag):
                    return content
                times = times + 1 if before[0] == tag and content.equals(before[1]) else 1
                if self._is_still(path, tag, content.size) and times >= self._times_until_sure(tag):
                    if _FITTING.fullmatch(tag):
                        _OTHER_TAGS.add(self.uri)
                    return content
                before = (tag, content)
                failure = OSError(f"it was replaced during each of {_READS} tries to read it")
            except FileNotFoundError:
                return None
            except OSError as error:
                if not self.exists(path):  # removed between look-up and read
                    return None
                failure = error  # if it was only removed and written again, the next try finds it
        raise StoreError(f"store {self.uri!r}: cannot read {path}: {why(failure)}") from failure

    def _is_still(self, path: str, tag: str, size: int) -> bool:
        with self._files.open_input_file(self._at(path)) as file:
            return bool(file.size() == size and _tag(file) == tag)

    def _times_until_sure(self, tag: str) -> int:
        """Return how often content must be read under a tag that does not fit it; often only the first time."""
        if not _FITTING.fullmatch(tag) or self.uri in _OTHER_TAGS:
            return 1
        return _SURE

    def fragment(self, path: str, form: ds.FileFormat) -> ds.Fragment:
        """Return the file at `path` as an object of which parts can be read."""
        return form.make_fragment(self._at(path), self._files)

    def write(self, path: str, content: bytes | pa.Buffer, *, durable: bool = True) -> None:
        """Write the file at `path` whole or not at all, replacing an existing one.

        On a disk the file outlasts a power failure, unless `durable` is false: then it may be empty after one.
        """
        try:
            if self.is_local:
                self._write_and_rename(Path(self._at(path)), content, durable=durable)
            else:  # one put: object storage shows an object only when its upload is complete
                with self._files.open_output_stream(self._at(path), compression=None) as file:  # whatever its name is
                    file.write(content)
        except OSError as error:
            remedy = "; free some space there, then run the same command again" if error.errno in _FULL else ""
            raise StoreError(f"store {self.uri!r}: cannot write {path}: {why(error)}{remedy}") from error

    def remove(self, path: str) -> None:
        """Remove the file at `path`, if it exists."""
        try:
            self._files.delete_file(self._at(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreError(f"store {self.uri!r}: cannot remove {path}: {why(error)}") from error

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _listed(self, folder: str) -> list[fs.FileInfo]:
        try:
            listed = self._files.get_file_info(fs.FileSelector(self._at(folder), allow_not_found=True))
        except OSError as error:
            raise StoreError(f"store {self.uri!r}: cannot list {folder}: {why(error)}") from error
        return [info for info in listed if not info.base_name.startswith(_UNFINISHED)]

    def _write_and_rename(self, target: Path, content: bytes | pa.Buffer, *, durable: bool) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
        try:
            with unfinished.open("wb") as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)


def _tag(file: pa.NativeFile) -> str:
    """Return the entity tag of an object, from when it was opened; empty if a server gives none."""
    return (file.metadata() or {}).get("ETag", b"").decode().strip('"')


def _fits(content: pa.Buffer, tag: str) -> bool:
    """Return whether S3's tag fits the content."""
    digest = hashlib.md5(content, usedforsecurity=False)
    if tag.endswith("-1"):
        return tag == f"{hashlib.md5(digest.digest(), usedforsecurity=False).hexdigest()}-1"
    return tag == digest.hexdigest()


def _resolve(uri: str) -> tuple[fs.FileSystem, str]:
    if is_uri(uri):
        return opened(uri)
    return fs.LocalFileSystem(), str(Path(uri).expanduser().absolute())
