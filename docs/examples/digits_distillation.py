"""A method of one's own, whole: plain PyTorch distillation of a large network's digits into a small one.

ablate run docs/examples/digits_distillation.yaml --with docs/examples/digits_distillation.py
"""

from functools import cache

from ablative import Course
from ablative import Field
from ablative import Options
from ablative import Preparation
from ablative import Roles
from ablative import Trainable

SPLITS = {"train": slice(0, 1000), "val": slice(1000, 1400), "test": slice(1400, 1797)}


class Config(Options):
    soft: float = Field(0.9, ge=0, le=1, description="Weight of the teacher's probabilities; labels have the rest.")
    temperature: float = Field(3.0, ge=0.5, le=20, description="Of both sides' probabilities.")
    shuffled: bool = Field(False, description="Whether each digit gets the teacher's answer to another one.")
    lr: float = Field(3e-3, ge=1e-5, le=1.0, description="Learning rate.")
    steps: int = Field(120, ge=1, le=100_000, description="Training steps.")
    evaluations: int = Field(4, ge=1, le=100, description="How often val is evaluated.")
    data_fraction: float = Field(0.1, gt=0, le=1, description="Share of the 1,000 training digits.")


def canonical(config):
    return config if config.soft else config.model_copy(update={"temperature": 3.0, "shuffled": False})


@cache
def digits(split):
    """Return pictures (N, 64) in [0, 1] and labels (N,)."""
    import torch
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    rows = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))[SPLITS[split]]
    return torch.tensor(pixels, dtype=torch.float32)[rows] / 16, torch.tensor(labels)[rows]


def train_teacher(configs, cache_folder, progress):
    import torch
    from sklearn.neural_network import MLPClassifier

    pictures, labels = digits("train")
    teacher = MLPClassifier(256, max_iter=500, random_state=0).fit(pictures, labels)
    torch.save(torch.tensor(teacher.predict_log_proba(pictures)).float(), cache_folder / "digits_teacher.pt")


def run(job, link):
    import torch
    from torch.nn.functional import cross_entropy

    from ablative import TorchState

    course = Course(job, link, evaluations=min(job.config.evaluations, job.config.steps))
    config, (pictures, labels) = job.config, digits("train")
    torch.set_num_threads(job.threads)
    torch.manual_seed(job.seed)
    rows = torch.randperm(1000)[: round(1000 * config.data_fraction)]  # the same for all arms of a seed
    asked = (rows, rows[torch.randperm(len(rows))])[config.shuffled]  # drawn in every arm
    answers = torch.load(f"{job.cache}/digits_teacher.pt").div(config.temperature).softmax(1)
    student = torch.nn.Sequential(torch.nn.Linear(64, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10))
    optimizer = torch.optim.Adam(student.parameters(), lr=config.lr)
    state = TorchState(course, student=student, optimizer=optimizer)
    model = torch.nn.parallel.DistributedDataParallel(student) if course.ranks.world > 1 else student

    def accuracy(split):
        return (student(digits(split)[0]).argmax(1) == digits(split)[1]).float().mean().item()

    for number in course:
        for step in range(course.step, config.steps * number // course.evaluations):
            drawn = torch.randint(len(rows), (32,), generator=torch.Generator().manual_seed(job.seed + 1000 * step))
            batch = drawn[course.ranks.rank :: course.ranks.world]
            logits = model(pictures[rows[batch]])
            soft = cross_entropy(logits / config.temperature, answers[asked[batch]])
            loss = config.soft * soft + (1 - config.soft) * cross_entropy(logits, labels[rows[batch]])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        course.report(step + 1, lambda: accuracy("val"), state.pack, losses={"loss": loss.item()})
    return course.outcome(accuracy, facts={"train/examples": len(rows)})


PARTS = [
    Trainable(
        name="digits_distillation",
        description="A small network learns scikit-learn's digits from labels and from a large network.",
        config=Config,
        run=run,
        roles=Roles(data_fraction="data_fraction", evaluations="evaluations"),
        canonical=canonical,  # to labels alone nothing of the teacher matters
        arms={"soft_targets": {}, "hard_labels": {"soft": 0.0}, "shuffled_teacher": {"shuffled": True}},
        preparation=lambda: Preparation(data=train_teacher),  # once, before all trials
    )
]
