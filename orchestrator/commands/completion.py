"""Completions that a shell offers when the user presses Tab."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem


def study_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the shipped and stored studies with this prefix; if none, the shell completes a file's name."""
    from ablative.search_spaces.shipped import shipped

    names = sorted({*shipped(), *_stored(context.params.get("store"))})
    return [*beginning(names, incomplete), CompletionItem(incomplete, type="file")]


def beginning(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the names with this prefix."""
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _stored(uri: str | None) -> list[str]:
    """Return the studies of a store on a disk; pressing a key must not wait for object storage."""
    from ablative.orchestrator.showing.whereabouts import store_uri

    folder = Path(store_uri(uri)).expanduser() / "studies"
    return [path.name for path in folder.iterdir()] if folder.is_dir() else []
