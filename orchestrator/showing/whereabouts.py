"""The place of a study's records: printed before anything runs, and part of every suggested command."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ablative.orchestrator.storing.store import Store
    from ablative.search_spaces.study import Study

DEFAULT_STORE = "ablate-results"


def store_uri(given: str | None, study: Study | None = None) -> str:
    """Return the store that the option, ABLATE_STORE, the study file or the default names, in this order."""
    return given or os.environ.get("ABLATE_STORE") or (study.storage if study else DEFAULT_STORE)


def place(uri: str) -> str:
    """Return a store's URI, or its whole path where it is a folder: the default one depends on the current folder."""
    return uri if "://" in uri else str(Path(uri).expanduser().absolute())


def store_line(store: Store, study: str) -> str:
    """Return one line on which store it is, and how many trials of the study it holds."""
    count = store.count(study)
    return f"store {place(store.uri)}: {f'{count} trials' if count else 'no trial'} of {study} recorded"


def command(verb: str, study: str, uri: str) -> str:
    """Return the complete command about a recorded study, with `--store` if its name alone leads elsewhere."""
    option = [] if uri == store_uri(None) else ["--store", uri]
    return shlex.join(["ablate", verb, study, *option])


def store_beside(source: str, study: Study, store: Store) -> Store | None:
    """Return the store beside a study file, if that holds trials of the study and `store` holds none; else None.

    From another folder, the same command would owe all these trials again. A store named by the user is never
    questioned.
    """
    path = Path(source).expanduser()
    beside = path.parent / study.storage
    if store.uri != study.storage or place(store.uri) in (study.storage, str(beside.absolute())) or not path.is_file():
        return None
    found = type(store).open(str(beside))
    return found if found.count(study.study) and not store.count(study.study) else None


def hint_beside(words: Sequence[str], study: str, beside: Store) -> str:
    """Return the line that names the store beside a study file, with the command (`words`) that continues there."""
    complete = shlex.join(["ablate", *words, "--store", beside.uri])
    return f"{beside.uri}, beside the study file, has {beside.count(study)} trials of {study}; there: {complete}"
