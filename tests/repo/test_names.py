"""Names come from the glossary, and nothing in the repository names the machine it was written on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.helpers.sources import ROOT
from tests.helpers.sources import files
from tests.helpers.sources import modules
from tests.helpers.sources import tree

UNUSED_WORDS = {
    "utils",
    "util",
    "helpers",
    "misc",
    "common",
    "manager",
    "handler",
    "processor",
    "wrapper",
    "cfg",
    "dist",
}
BINARY = {".parquet", ".safetensors", ".png", ".npz", ".npy", ".gz", ".pt", ".jpg", ".woff2"}
OTHER_MACHINE = re.compile(
    r"(?<![\w.~$}-])/(?:work|root|opt|home)/|(?<![\w~])/tm[p]/(?!ray)|\bfile:/{3}|@[\w.-]+:\d+/"
)


def _words(name: str) -> set[str]:
    split = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return {word.lower() for word in split.split("_") if word}


def test_no_module_class_or_function_is_named_with_a_word_that_says_nothing() -> None:
    named = [(module, module.rpartition(".")[2]) for module in modules()]
    for module, path in modules().items():
        nodes = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        named += [(module, node.name) for node in ast.walk(tree(path)) if isinstance(node, nodes)]

    assert [f"{module}: {name}" for module, name in named if _words(name) & UNUSED_WORDS] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    texts = [path for path in files() if path.suffix not in BINARY]
    assert len(texts) > 20
    found = [f"{path}: {hit.group()}" for path in texts for hit in OTHER_MACHINE.finditer(_text(path))]

    assert found == []


def _text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def test_nothing_larger_than_five_megabytes_is_committed() -> None:
    assert [str(path) for path in files() if (ROOT / path).stat().st_size > 5_000_000] == []
