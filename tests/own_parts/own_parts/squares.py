"""A task: does a text name the colour of a square? `<split>.tsv` holds picture, text and label in each line."""

from ablative import Candidate
from ablative import Example
from ablative import Layout
from ablative import Task
from ablative import Text

CLASSES = ("no", "yes")


def layout(place):
    return Layout(
        required=("train.tsv", "val.tsv", "test.tsv"),
        pictures=("pictures",),
        image_folder="pictures",
        remedy="a person draws them",
        files_of=lambda split: (f"{split}.tsv",),
    )


def read(reading):
    (file,) = reading.source.files
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        picture, text, label = line.split("\t")
        yield Example(
            id=f"{file.stem}-{number}",
            image=picture,
            candidates=(Candidate(query=Text(text=text)),),
            targets=((CLASSES.index(label), 1.0),),
            stratum=label,
            group=f"{file.stem}-{number}",
        )


SQUARES = Task(
    name="squares",
    description="Does a text name the colour of the square in the picture?",
    layout=layout,
    read=read,
    head="exclusive",
    classes=lambda place: CLASSES,
    matched_class=1,
)
