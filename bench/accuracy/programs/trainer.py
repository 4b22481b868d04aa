"""Hugging Face's Trainer on a small BERT whose samples are cut into words in Python. See loop.py."""

# mypy: allow-subclassing-any
from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from typing import Any

import torch
from sources import CLASSES, Texts
from timed import Steps, arguments
from torch.utils.data import Subset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

LENGTH = 48
SAMPLES = 1 << 17  # the Trainer draws them in an order that it keeps in memory


def collate(samples: Sequence[tuple[torch.Tensor, int]]) -> dict[str, torch.Tensor]:
    """A batch, cut off or padded to one length."""
    rows = [(words.tolist() + [0] * LENGTH)[:LENGTH] for words, _ in samples]
    return {"input_ids": torch.tensor(rows), "labels": torch.tensor([label for _, label in samples])}


class Clock(TrainerCallback):
    """Counts the Trainer's steps and ends it."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps

    def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        """Ends the training in time."""
        if self.steps.stepped():
            control.should_training_stop = True


def main() -> None:
    """Trains for some seconds."""
    options = arguments(argparse.ArgumentParser())
    torch.set_num_threads(options.threads)
    config = BertConfig(
        vocab_size=5000, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        max_position_embeddings=LENGTH, num_labels=CLASSES,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=options.batch, max_steps=1_000_000, save_strategy="no",
            report_to=[], disable_tqdm=True, logging_strategy="no", use_cpu=True, remove_unused_columns=False,
            dataloader_num_workers=options.workers,
            dataloader_prefetch_factor=options.prefetch if options.workers else None,
            dataloader_persistent_workers=options.persistent,
        )  # fmt: skip
        steps = Steps(options)
        samples = Subset(Texts(options.data, 0), range(SAMPLES))
        Trainer(
            model=BertForSequenceClassification(config), args=settings, train_dataset=samples,
            data_collator=collate, callbacks=[Clock(steps)],
        ).train()  # fmt: skip
    steps.tell()


if __name__ == "__main__":
    main()
