"""A task: what is asked about pictures and texts, and how the files of a folder are read."""

import csv
from collections.abc import Iterator

from ablative import Candidate
from ablative import Example
from ablative import Layout
from ablative import Reading
from ablative import Task
from ablative import Text

CLASSES = ("false", "true")


def files_of(split: str) -> tuple[str, ...]:
    return (f"{split}.csv",)


LAYOUT = Layout(
    required=("train.csv", "val.csv", "test.csv"),  # by these a folder is known to be of the task
    remedy="write train.csv, val.csv and test.csv with the columns picture, text and label",
    image_folder="pictures",
    pictures=("pictures",),
    files_of=files_of,
)


def read(reading: Reading) -> Iterator[Example]:
    """Yield the examples of a split in the order of its file, each time the same."""
    for path in reading.source.files:
        with path.open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(csv.DictReader(file), start=2):
                if row["label"] not in CLASSES:
                    raise ValueError(f"{path}:{number}: label {row['label']!r}; wanted one of {', '.join(CLASSES)}")
                name = f"{path.stem}-{number}"
                yield Example(
                    id=name,
                    image=row["picture"],
                    candidates=(Candidate(query=Text(text=row["text"].lower())),),
                    targets=((CLASSES.index(row["label"]), 1.0),),
                    stratum=row["label"],  # small shares of the data keep the shares of these
                    group=name,
                )


PARTS = [
    Task(
        name="starter",
        description="Is a statement about a picture true?",
        layout=lambda folder: LAYOUT,
        read=read,
        classes=lambda folder: CLASSES,
        head="exclusive",
        matched_class=CLASSES.index("true"),  # whose texts say what the picture shows
    )
]
