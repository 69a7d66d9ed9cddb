"""Prints, as pip's constraints, the least versions that pyproject.toml allows of what it names."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement

pyproject = Path(__file__).resolve().parent.parent / "pyproject.toml"
project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
lines = [project["dependencies"], *project["optional-dependencies"].values()]
for requirement in (Requirement(line) for some in lines for line in some):
    for bound in requirement.specifier:
        if bound.operator == ">=":
            print(f"{requirement.name}=={bound.version}")
