"""Files as disks and downloads damage them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def damaged(whole: bytes, count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield `count` damaged copies, always the same ones: bytes changed here and there, cut out, put in; cut short."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        content = bytearray(whole)
        place = int(rng.integers(len(whole)))
        length = int(rng.integers(1, 40))
        match number % 5:
            case 0:
                for place in rng.integers(len(whole), size=length).tolist():
                    content[place] = int(rng.integers(256))
            case 1:
                content[place] ^= 1 << int(rng.integers(8))
            case 2:
                del content[place : place + length]
            case 3:
                content[place:place] = rng.bytes(length)
            case _:
                del content[place:]
        yield bytes(content)


HOSTILE = (
    b"\xff",
    b"\xe9",
    b"\xef\xbb\xbf",
    b"\x1f\x8b\x08",
    b"\0",
    b"\\udc80",
    b"\\ud83d",
    b"\xed\xa0\x80",
    b"[" * 100_000,
    b'{"a":' * 30_000,
    b"1" * 5000,
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"null",
    b"true",
    b"[1]",
    b"{}",
    b'""',
    b"'",
    b'"',
    b"\n",
    b"\r",
    b"../../x",
    b"/etc/hostname",
    b"\x1b[2J",
    b"x" * 3000,
)
"""Hostile contents of files."""
HOSTILE_YAML = (
    b"!!python/object/apply:os.system ['touch ../owned']",
    b"&a [*a, *a]",
    b"{<<: *a}",
    b"? [a]\n: b",
    b"{a: 1, a: 2}",
    b"0x1_0",
    b"2026-11-30",
    b"~",
    b"%TAG ! x",
    b"---\n",
    b"\t",
)


def spliced(whole: bytes, count: int, seed: int = 1) -> Iterator[bytes]:
    """Yield `count` copies with something hostile in place of a few bytes, or of what stands behind a colon."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        words = HOSTILE + HOSTILE_YAML
        put = words[rng.integers(len(words))]
        start = int(rng.integers(len(whole)))
        if rng.integers(2) and (colon := whole.find(b": ", start)) >= 0:
            ends = [end for mark in (b",", b"}", b"\n") if (end := whole.find(mark, colon)) >= 0]
            yield whole[: colon + 2] + put + whole[min(ends, default=len(whole)) :]
        else:
            yield whole[:start] + put + whole[start + int(rng.integers(12)) :]
