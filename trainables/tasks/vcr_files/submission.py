"""The file of VCR's leaderboard: probabilities of the answers and of the rationales. Imports no torch.

Only the server knows the right answer. So the file has the four probabilities of the answers, and those of the
rationales after each of the four answers.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from collections.abc import Sequence

from ablative.trainables.errors import UnreadableData
from ablative.trainables.strangers import parsing
from ablative.trainables.strangers import printable
from ablative.trainables.tasks.vcr_files.reader import ANSWER
from ablative.trainables.tasks.vcr_files.reader import NUM_CHOICES
from ablative.trainables.tasks.vcr_files.reader import RATIONALE

VCR_COLUMNS = (
    "annot_id",
    *(f"answer_{j}" for j in range(NUM_CHOICES)),
    *(f"rationale_conditioned_on_a{i}_{j}" for i in range(NUM_CHOICES) for j in range(NUM_CHOICES)),
)
_PARTS = (ANSWER, *(f"{RATIONALE}/{behind}" for behind in range(NUM_CHOICES)))


def submission(predictions: Mapping[str, str]) -> str:
    """Return VCR's CSV from the predictions recorded for each example. Raises `UnreadableData`."""
    return vcr_submission({name: _probabilities(name, said) for name, said in predictions.items()})


def vcr_submission(probabilities: Mapping[str, Sequence[float]]) -> str:
    """Return VCR's CSV: one row per annotation, columns `VCR_COLUMNS`, in the order of the ids given."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(VCR_COLUMNS)
    for annotation in dict.fromkeys(map(_annotation, probabilities)):
        missing = [part for part in _PARTS if f"{annotation}/{part}" not in probabilities]
        if missing:
            raise UnreadableData(f"submission: no prediction for {annotation}/{missing[0]}; evaluate the whole split.")
        row = [value for part in _PARTS for value in probabilities[f"{annotation}/{part}"]]
        table.writerow([annotation, *(f"{value:.6f}" for value in row)])
    return out.getvalue()


def _annotation(name: str) -> str:
    """Return the annot_id of an example of VCR."""
    return next((name.removesuffix(f"/{part}") for part in _PARTS if name.endswith(f"/{part}")), name)


def _probabilities(name: str, said: str) -> list[float]:
    place = f"submission: {name}: {printable(said)} is not a list of probabilities"
    with parsing(place, f"expected {NUM_CHOICES} numbers; evaluate the split again"):
        values = [float(value) for value in json.loads(said)]
        if len(values) != NUM_CHOICES or not all(map(math.isfinite, values)):
            raise ValueError(f"{len(values)} values, or one that is not finite")
    return values
