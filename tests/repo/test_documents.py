"""What the documents say exists: commands and their options, shipped studies, files, names."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

import ablative
from ablative.orchestrator.commands.cli import ablate
from tests.helpers.sources import PACKAGE
from tests.helpers.sources import ROOMS
from tests.helpers.sources import ROOT
from tests.helpers.sources import files
from tests.helpers.sources import modules
from tests.helpers.sources import tree

DOCUMENTS = [str(path) for path in files() if path.suffix == ".md" and path.parts[:-1] in {(), ("docs",), ("tests",)}]
SHIPPED = {path.stem for path in files() if path.parts[0] == "search_spaces" and path.suffix == ".yaml"}
KEPT = {path.name for path in (ROOT / "docs" / "results").iterdir()}
"""Studies with records beside the page of results."""
OWN_STUDY = re.compile(r"[./~]|^my_|^[A-Z]")
"""A study argument that stands for the reader's own: a path, `my_...`, or a placeholder in capitals."""

_FENCE = re.compile(r"^ *```(\w+)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
_TICKED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_PLACES = (*ROOMS, "docs", "tests", "benchmarks", ".ci")


def _text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def _snippets(document: str, *languages: str) -> Iterator[str]:
    for language, body in _FENCE.findall(_text(document)):
        if language in languages:
            yield body


def _command_lines(document: str) -> Iterator[list[str]]:
    """Return the words behind `ablate` of every command in the document's shell snippets."""
    for body in _snippets(document, "sh", "bash", "console"):
        for line in body.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words[:1] == ["ablate"]:
                yield words[1:]
            elif words[:2] == ["ray", "submit"]:
                yield words[words.index("--") + 1 :]


def _parse(words: list[str]) -> tuple[click.Command, dict[str, object]]:
    """Parse a command line without running it, by way of every subcommand on it."""
    command: click.Command = ablate
    context = click.Context(ablate, info_name="ablate")
    while isinstance(command, click.Group):
        if words[:1] in ([], ["--help"]):
            return command, {}
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]}"
        command, words = found, words[1:]
        context = click.Context(command, info_name=command.name, parent=context)
    if "--help" in words:
        return command, {}
    return command, command.make_context(command.name, list(words), parent=context.parent).params


def test_documents_hold_commands_to_try() -> None:
    assert sum(1 for document in DOCUMENTS for _ in _command_lines(document)) >= 10


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_the_document_exist_with_their_options(document: str) -> None:
    mistakes = []
    for words in _command_lines(document):
        try:
            _, values = _parse(words)
        except (click.UsageError, AssertionError) as error:
            mistakes.append(f"ablate {shlex.join(words)}: {error}")
            continue
        studies = values.get("study") or ()
        named = [studies] if isinstance(studies, str) else list(studies)  # type: ignore[call-overload]
        unknown = [name for name in named if not (name in SHIPPED | KEPT or OWN_STUDY.search(str(name)))]
        mistakes += [f"ablate {shlex.join(words)}: study {name} is not shipped" for name in unknown]

    assert mistakes == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_yaml_of_the_document_is_yaml(document: str) -> None:
    for body in _snippets(document, "yaml"):
        assert yaml.safe_load(body) is not None


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_the_document_lead_somewhere(document: str) -> None:
    targets = [link for link in _LINK.findall(_text(document)) if "://" not in link]

    assert [link for link in targets if not (ROOT / document).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_names_in_the_document_exist(document: str) -> None:
    ticked = set(_TICKED.findall(_text(document)))
    paths = [word for word in ticked if re.fullmatch(rf"(?:{'|'.join(map(re.escape, _PLACES))})/[\w./*-]*", word)]
    names = [word for word in ticked if re.fullmatch(rf"(?:{PACKAGE}|{'|'.join(ROOMS)})(?:\.\w+)+(?:\(\))?", word)]

    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []
    assert [name for name in names if not _is_defined(name.removesuffix("()"))] == []


def _is_defined(name: str) -> bool:
    """Find `ablative.room.module[.Name[.attribute]]` in the sources."""
    head, rest = name, []
    while head not in modules():
        head, _, last = head.rpartition(".")
        rest.insert(0, last)
        if not head:
            return False
    return not rest or rest[0] in _definitions(modules()[head]) or (head == PACKAGE and rest[0] in ablative.__all__)


def _definitions(path: Path) -> set[str]:
    found: set[str] = set()
    for node in tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found
