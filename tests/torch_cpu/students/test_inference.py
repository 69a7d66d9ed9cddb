"""At inference the student is the same with and without distillation: parameters, graph, outputs."""

from __future__ import annotations

import pytest
import torch

from ablative.trainables.config import StudentConfig
from inference import CLIP_TD
from inference import WITHOUT
from inference import fresh_step
from inference import graph
from inference import random_batch
from inference import trained

SIZE = 2


@pytest.mark.slow
@pytest.mark.parametrize("visual_input", ["regions", "patches"])
def test_distillation_leaves_no_trace_in_the_student_but_the_values_of_its_weights(visual_input: str) -> None:
    config = StudentConfig.model_validate({"visual_input": visual_input})
    plain, distilled = fresh_step(config, WITHOUT, SIZE), fresh_step(config, CLIP_TD, SIZE)
    inputs = random_batch(SIZE).inputs
    shapes = {name: value.shape for name, value in plain.student.state_dict().items()}

    assert len(distilled.state_dict()) > len(plain.state_dict())  # the projections
    with torch.inference_mode():
        assert torch.equal(plain.student.eval()(inputs).logits, distilled.student.eval()(inputs).logits)
    students = trained(plain, SIZE, num_steps=1), trained(distilled, SIZE, num_steps=1)
    with torch.inference_mode():
        assert not torch.equal(students[0](inputs).logits, students[1](inputs).logits)
    assert all({name: value.shape for name, value in one.state_dict().items()} == shapes for one in students)
    graphs = [graph(one, SIZE) for one in students]
    assert graphs[0] == graphs[1] and graphs[0].count("aten.linear") > 10
