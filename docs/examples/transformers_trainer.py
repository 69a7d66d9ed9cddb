"""A method of one's own around transformers' `Trainer`: a tiny BERT learns which letters are more frequent.

ablate run docs/examples/transformers_trainer.yaml --with docs/examples/transformers_trainer.py
"""

import shutil
import tempfile
from functools import partial
from pathlib import Path

from ablative import Course
from ablative import Field
from ablative import Options
from ablative import Roles
from ablative import Trainable

SIZES = {"train": 512, "val": 256, "test": 512}
TINY = {"vocab_size": 8, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class Config(Options):
    layers: int = Field(1, ge=1, le=12, description="Layers of the encoder.")
    smoothing: float = Field(0.0, ge=0, le=0.5, description="Label smoothing.")
    lr: float = Field(5e-3, ge=1e-6, le=0.1, description="Learning rate.")
    steps: int = Field(48, ge=1, le=100_000, description="Training steps.")
    evaluations: int = Field(3, ge=1, le=100, description="How often val is evaluated.")
    data_fraction: float = Field(1.0, gt=0, le=1, description="Share of the 512 training texts.")


def texts(split, seed=0, share=1.0):
    """Return texts of 12 letters out of 8, with the label 1 where the first four are more frequent."""
    import torch

    letters = torch.randint(8, (SIZES[split], 12), generator=torch.Generator().manual_seed(len(split)))
    rows = torch.randperm(len(letters), generator=torch.Generator().manual_seed(seed))[: round(share * len(letters))]
    return [{"input_ids": row, "labels": ((row < 4).sum() > 6).long()} for row in letters[rows]]


def run(job, link):
    import torch

    from ablative.trainables.torchvision_ops import declare_missing_ops

    declare_missing_ops()  # only where torchvision was built for another torch
    import transformers

    config, told = job.config, {}
    torch.set_num_threads(job.threads)
    course = Course(job, link, evaluations=min(config.evaluations, config.steps))
    every = config.steps // course.evaluations

    class Reporting(transformers.TrainerCallback):
        def on_log(self, args, state, control, logs, **_):  # of training, and of each evaluation
            told.update(logs)

        def on_save(self, args, state, control, **_):  # right after an evaluation
            at, saved = state.global_step, f"{args.output_dir}/checkpoint-{state.global_step}"
            pack = partial(shutil.make_archive, saved, "tar", saved)
            control.should_training_stop = not course.report(
                at, lambda: told["eval_accuracy"], lambda: lambda: Path(pack()).read_bytes(), {"loss": told["loss"]}
            )

    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            folder, seed=job.seed, max_steps=every * course.evaluations, learning_rate=config.lr, use_cpu=True,
            label_smoothing_factor=config.smoothing, per_device_train_batch_size=32 // course.ranks.world,
            per_device_eval_batch_size=256, eval_strategy="steps", eval_steps=every, save_strategy="steps",
            save_steps=every, logging_steps=every, logging_nan_inf_filter=False, report_to=[], disable_tqdm=True,
        )  # fmt: skip
        size = transformers.BertConfig(num_hidden_layers=config.layers, **TINY, **NO_DROPOUT)
        trainer = transformers.Trainer(
            model_init=lambda: transformers.BertForSequenceClassification(size), args=arguments,
            train_dataset=texts("train", job.seed, config.data_fraction), eval_dataset=texts("val"),
            compute_metrics=lambda found: {"accuracy": (found.predictions.argmax(1) == found.label_ids).mean()},
            callbacks=[Reporting()],
        )  # fmt: skip
        trainer.remove_callback(transformers.PrinterCallback)
        if course.resumed is not None:
            Path(folder, "saved.tar").write_bytes(course.resumed)
            shutil.unpack_archive(Path(folder, "saved.tar"), Path(folder, "checkpoint-0"))
        if course.ending is None:
            trainer.train(resume_from_checkpoint=course.resumed is not None)
        wanted = job.evaluate if course.ending.status == "completed" else ()
        found = {split: trainer.evaluate(texts(split))["eval_accuracy"] for split in wanted}  # all workers together
    return course.outcome(found.get)


PARTS = [
    Trainable(
        name="transformers_trainer",
        description="A tiny BERT learns which letters are more frequent; transformers' Trainer trains it.",
        config=Config,
        run=run,
        roles=Roles(data_fraction="data_fraction", evaluations="evaluations"),
        arms={"smoothed": {"smoothing": 0.1}, "deeper": {"layers": 2}},
    )
]
