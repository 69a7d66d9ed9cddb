"""A term: how far the projected state of the whole input is from the sentence."""

from ablative import Field
from ablative import Options
from ablative import Term


class AgreementOptions(Options):
    sharpness: float = Field(2.0, ge=0.1, le=10, description="Exponent of the cosine distance.")


def loss(student, teacher, term):
    from torch.nn.functional import cosine_similarity

    return (1 - cosine_similarity(term.module(student.cls), teacher.text)) ** term.options.sharpness


def trains(sizes, options, generator):
    from ablative.trainables.distillation.projection import initial_projection

    return initial_projection(sizes.student_width, sizes.teacher_width, generator)


AGREEMENT = Term(
    name="agreement",
    description="A power of the distance between the whole input and the sentence.",
    options=AgreementOptions,
    reads=("student.cls", "teacher.text"),
    loss=loss,
    trains=trains,
)
