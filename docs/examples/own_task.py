"""A task of one's own, whole: is a caption true of a picture?

`train.jsonl`, `val.jsonl` and `test.jsonl` have a row a caption: id, picture, caption, is_true. The pictures lie in
`pictures/`.
"""

from ablative import Candidate
from ablative import Example
from ablative import Layout
from ablative import Task
from ablative import Text

CLASSES = ("false", "true")


def files_of(split):
    """Return the names of a split's files."""
    return (f"{split}.jsonl",)


LAYOUT = Layout(
    required=("train.jsonl", "val.jsonl", "test.jsonl"),
    image_folder="pictures",
    pictures=("pictures",),
    files_of=files_of,
    remedy="ask me: me@example.org",
)


def read(reading):
    """Yield the examples of a split; a row that cannot be read is named with its file, line and reason."""
    from ablative.trainables.data.names import picture_name
    from ablative.trainables.data.reading import identifier
    from ablative.trainables.data.reading import lines
    from ablative.trainables.data.reading import read_rows
    from ablative.trainables.data.tokens import plain_text

    def made(row):
        name, label = identifier(row["id"], "id"), CLASSES[bool(row["is_true"])]
        caption = Candidate(query=Text(text=plain_text(row["caption"])))
        return [
            Example(
                id=name,
                group=name,
                image=picture_name(row["picture"]),
                candidates=(caption,),
                targets=((CLASSES.index(label), 1.0),),
                stratum=label,
                slices=reading.slices.get(name, ()),
            )
        ]

    for path in reading.source.files:
        yield from read_rows(path, lines(path), made)


PARTS = [
    Task(
        name="captions",
        description="Whether a caption is true of a picture.",
        layout=lambda place: LAYOUT,
        read=read,
        classes=lambda place: CLASSES,
        head="exclusive",
    )
]
