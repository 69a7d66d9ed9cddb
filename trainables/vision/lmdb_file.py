"""The entries of an LMDB file in Python; every offset is checked against the file's size before it is followed.

The library maps the file and trusts it: a truncated file ends the process with SIGBUS, one with extra bytes with
SIGABRT. This module reads the main database only, written on 64-bit machines of either byte order.

The layout (version 1 of the format) has pages of one size. Pages 0 and 1 are meta pages; the one with the later
transaction counts, and names the root of a B+ tree of branch and leaf pages. A value too long for its leaf lies in
overflow pages.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MAGIC = 0xBEEFC0DE
_HEADER = 16
_NODE = 8
"""Bytes ahead of a page's entries, and of an entry's key."""
_BRANCH, _LEAF, _OVERFLOW = 1, 2, 4
_BIG = 1
"""Kind of an entry whose value lies in overflow pages."""
_NO_PAGE = (1 << 64) - 1
_DEEPEST = 32
_PAGE_SIZES = {1 << power for power in range(9, 17)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meta:
    page_size: int
    entries: int
    root: int
    last_page: int
    transaction: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """An entry of a leaf."""

    key: bytes
    kind: int
    start: int
    """Offset of its value, or the number of the page with the value."""
    size: int
    """Bytes of the value."""


class LmdbFile:
    """A `data.mdb`, memory-mapped. Every method raises ValueError or `struct.error` if the file is damaged."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._visits = 0
        self._order = "<" if self._unpacked("<I", _HEADER) == (_MAGIC,) else ">"
        first = self._meta(0)
        self._page_size = first.page_size
        self._found = max(first, self._meta(first.page_size), key=lambda meta: meta.transaction)

    def __enter__(self) -> LmdbFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._bytes.close()

    def __len__(self) -> int:
        return self._found.entries

    def items(self, start: int = 0) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values in the order of the keys, starting with entry number `start`."""
        count = self._visits = 0
        for count, node in enumerate(self._nodes(self._found.root, 0), start=1):
            if count > self._found.entries:
                break
            if count > start:
                yield node.key, self._value(node)
        if count != self._found.entries:
            raise ValueError(f"{self._found.entries:,} entries are claimed, and there are more or fewer")

    def _nodes(self, page: int, depth: int) -> Iterator[_Node]:
        if page == _NO_PAGE and not depth:
            return
        if depth > _DEEPEST:
            raise ValueError(f"page {page}: more than {_DEEPEST} levels")
        self._visits += 1
        if self._visits > self._found.last_page:  # otherwise branches that share pages would take exponential time
            raise ValueError(f"page {page}: reached from more than one place")
        start = self._start(page)
        flags, lower = self._unpacked("HH", start + 10)
        if flags & (_BRANCH | _LEAF) not in (_BRANCH, _LEAF) or not _HEADER <= lower <= self._page_size:
            raise ValueError(f"page {page} is no page of a tree")
        for place in self._unpacked(f"{(lower - _HEADER) // 2}H", start + _HEADER):
            if not _HEADER <= place <= self._page_size - _NODE:
                raise ValueError(f"page {page}: an entry outside it")
            low, high, kind, key_size = self._unpacked("4H", start + place)
            if flags & _BRANCH:
                yield from self._nodes(low | high << 16 | kind << 32, depth + 1)
            else:
                key = start + place + _NODE
                size = low | high << 16
                yield _Node(key=self._cut(key, key_size), kind=kind, start=key + key_size, size=size)

    def _value(self, node: _Node) -> bytes:
        if node.kind not in (0, _BIG):
            raise ValueError("it holds a database inside the database, or several values of one key")
        if node.kind != _BIG:
            return self._cut(node.start, node.size)
        (first,) = self._unpacked("Q", node.start)
        start = self._start(first)
        flags, pages = self._unpacked("HI", start + 10)
        if not flags & _OVERFLOW or node.size > pages * self._page_size - _HEADER:
            raise ValueError(f"page {first} does not hold the {node.size:,} bytes of a value")
        return self._cut(start + _HEADER, node.size)

    def _meta(self, start: int) -> _Meta:
        magic, version = self._unpacked("II", start + _HEADER)
        if (magic, version) != (_MAGIC, 1):
            raise ValueError("no LMDB file of version 1")
        (page_size,) = self._unpacked("I", start + 40)
        entries, root, last_page, transaction = self._unpacked("QQQQ", start + 120)
        if page_size not in _PAGE_SIZES:
            raise ValueError(f"pages of {page_size} bytes")
        return _Meta(page_size=page_size, entries=entries, root=root, last_page=last_page, transaction=transaction)

    def _start(self, page: int) -> int:
        start = page * self._page_size
        if not 1 < page <= self._found.last_page or start + self._page_size > len(self._bytes):
            raise ValueError(f"page {page} of {self._found.last_page + 1:,} is not there; the file may have been cut")
        return start

    def _unpacked(self, form: str, start: int) -> tuple[int, ...]:
        return struct.unpack_from(form if form[0] in "<>" else self._order + form, self._bytes, start)

    def _cut(self, start: int, size: int) -> bytes:
        if start + size > len(self._bytes):
            raise ValueError(f"{size:,} bytes at {start:,} reach behind the end of the file")
        return self._bytes[start : start + size]
