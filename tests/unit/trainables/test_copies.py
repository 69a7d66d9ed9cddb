"""Copies are fetched once, whole and as their digest says, and make room for others only where nobody reads them."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from ablative.places import PlaceError
from ablative.trainables.copies import LIMIT
from ablative.trainables.copies import Copies
from ablative.trainables.copies import Item
from ablative.trainables.copies import Listing

KILLED = """
import sys
from pathlib import Path
from ablative.trainables.copies import Copies, Listing
Copies(Path(sys.argv[1])).fetch(Listing.read(Path(sys.argv[2]).read_text()))
"""


class Source:
    """A folder that stands for a bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def item(self, name: str, content: bytes) -> Item:
        (self.folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return Item(name=f"files/{name}", uri=self.folder.as_uri(), key=name, size=len(content), digest=digest)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path / "bucket")


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Copies]:
    found = Copies(tmp_path / "cache")
    yield found
    found.let_go()


def there(cache: Path) -> set[str]:
    return {path.name for path in (cache / "files").iterdir()}


def test_what_is_there_is_not_fetched_again_and_what_has_changed_is(
    source: Source, copies: Copies, tmp_path: Path
) -> None:
    one = source.item("one", b"1")
    copies.fetch(Listing((one,)))
    (source.folder / "one").unlink()
    copies.fetch(Listing((one,)))

    assert copies.fetch(Listing((source.item("one", b"22"),))) == {"files/one": hashlib.sha256(b"22").hexdigest()}
    assert (tmp_path / "cache" / "files" / "one").read_bytes() == b"22"


def test_an_object_that_is_not_what_was_listed_leaves_nothing(source: Source, copies: Copies, tmp_path: Path) -> None:
    listing = Listing((source.item("good", b"good"), source.item("one", b"1")))
    (source.folder / "one").write_bytes(b"2")

    with pytest.raises(PlaceError, match="another object than was listed"):
        copies.fetch(listing)
    assert there(tmp_path / "cache") == {"good"}


@pytest.mark.parametrize("name", ["../outside", "/outside", "files/../../outside"])
def test_a_name_that_leads_outside_the_cache_is_refused(name: str) -> None:
    with pytest.raises(PlaceError, match="leads outside the cache"):
        Item(name=name, uri="s3://bucket/cache", key=name, size=1)


def test_whoever_was_used_least_recently_makes_room_unless_somebody_reads_it(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "3e-9")
    cache = tmp_path / "cache"
    for name in ("first", "second", "third"):
        Copies(cache).fetch(Listing((source.item(name, b"1"),)))
        Copies(cache).let_go()
        time.sleep(0.01)
    Copies(cache).fetch(Listing((source.item("first", b"1"),)))  # used again, and from here on held

    Copies(cache).fetch(Listing((source.item("fourth", b"1"),)))
    assert there(cache) == {"first", "third", "fourth"}
    Copies(cache).fetch(Listing((source.item("fifth", b"1"),)))
    assert there(cache) == {"first", "fourth", "fifth"}
    with pytest.raises(PlaceError, match=LIMIT):
        Copies(cache).fetch(Listing((source.item("sixth", b"1"),)))
    assert there(cache) == {"first", "fourth", "fifth"}
    Copies(cache).let_go()


@settings(max_examples=6, deadline=None)
@given(after=st.floats(0.25, 0.9))
def test_killed_at_any_moment_nothing_half_written_is_there(
    tmp_path_factory: pytest.TempPathFactory, after: float
) -> None:
    place = tmp_path_factory.mktemp("killed")
    source = Source(place / "bucket")
    contents = {f"{number}": os.urandom(3_000_000) for number in range(12)}
    listing = Listing(tuple(source.item(name, content) for name, content in contents.items()))
    (place / "listing").write_text(listing.text)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(place / "cache"), str(place / "listing")])
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()

    files = place / "cache" / "files"
    found = {path.name: path.read_bytes() for path in files.iterdir()} if files.is_dir() else {}
    assert all(content == contents[name] for name, content in found.items())
    Copies(place / "cache").fetch(listing)
    assert {path.name for path in files.iterdir()} == contents.keys()
    assert list((place / "cache" / "copies" / "unfinished").iterdir()) == []
    Copies(place / "cache").let_go()


def test_two_processes_fetch_the_same_and_both_have_it(source: Source, tmp_path: Path) -> None:
    listing = Listing(tuple(source.item(f"{number}", b"x" * 100_000) for number in range(20)))
    (tmp_path / "listing").write_text(listing.text)
    command = [sys.executable, "-c", KILLED, str(tmp_path / "cache"), str(tmp_path / "listing")]
    processes = [subprocess.Popen(command) for _ in range(2)]

    assert [process.wait(timeout=60) for process in processes] == [0, 0]
    assert len(there(tmp_path / "cache")) == 20
