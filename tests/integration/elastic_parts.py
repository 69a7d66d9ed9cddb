"""A trainable whose results are the same on any number of workers, by `--with`: a linear map, trained slowly."""

import time
from pathlib import Path

from ablative import Course
from ablative import Field
from ablative import Options
from ablative import Trainable

BATCH = 8
EVALUATIONS = 8


class Config(Options):
    marks: str = Field(
        "", description="Folder of what tells how far trials are; a file `hurry` there makes them fast."
    )
    rate: float = Field(0.05, gt=0, description="Learning rate.")
    steps: int = Field(80, ge=8, description="Training steps, of a quarter of a second each.")


def elastic(config, workers):
    """Workers share a batch evenly, or not at all."""
    if BATCH % workers:
        yield "rate", f"{workers} workers", f"a divisor of {BATCH}"


def run(job, link):
    """Leave `SEED.WORKERS` behind at the start, and `SEED.saved` with each checkpoint."""
    import torch
    from torch.nn.functional import mse_loss

    from ablative import TorchState

    course, marks = Course(job, link, evaluations=EVALUATIONS), Path(job.config.marks)
    drawn = torch.Generator().manual_seed(job.seed)
    inputs = torch.randn(64, 4, generator=drawn)
    outputs = inputs @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]])
    model = torch.nn.Linear(4, 1)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.Adam(model.parameters(), lr=job.config.rate)
    state = TorchState(course, model=model, optimizer=optimizer)
    module = torch.nn.parallel.DistributedDataParallel(model) if course.ranks.world > 1 else model
    (marks / f"{job.seed}.{course.ranks.world}").touch()
    for number in course:
        for step in range(course.step, job.config.steps * number // EVALUATIONS):
            rows = torch.arange(BATCH * step, BATCH * (step + 1)) % 64
            mine = rows[course.ranks.rank :: course.ranks.world]
            loss = mse_loss(module(inputs[mine]), outputs[mine])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if not (marks / "hurry").exists():
                time.sleep(0.25)
            course.check_time(step + 1, state.pack)
        course.report(step + 1, lambda: 1 / (1 + mse_loss(model(inputs), outputs).item()), state.pack)
        (marks / f"{job.seed}.saved").touch()
    return course.outcome(lambda split: 1 / (1 + mse_loss(model(inputs), outputs).item()))


PARTS = [
    Trainable(
        name="line",
        description="A linear map that one worker or several learn alike.",
        config=Config,
        run=run,
        elastic=elastic,
        arms={"slow": {"rate": 0.02}},
    )
]
