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
