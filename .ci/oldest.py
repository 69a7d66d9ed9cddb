"""Prints, as pip's constraints, the least versions that pyproject.toml allows of what it names.

Names of packages as arguments: these stay at their pins, as where an index has no other version of them.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

root = Path(__file__).resolve().parent.parent
project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
pins = (line for line in (root / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line)
kept = [pin for pin in pins if pin.partition("==")[0] in sys.argv[1:]]
lines = [project["dependencies"], *project["optional-dependencies"].values()]
least = [
    f"{requirement.name}=={bound.version}"
    for requirement in (Requirement(line) for some in lines for line in some)
    for bound in requirement.specifier
    if bound.operator == ">=" and requirement.name not in sys.argv[1:]
]
print(*kept, *dict.fromkeys(least), sep="\n")
