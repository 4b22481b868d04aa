"""Hugging Face Trainer on a small BERT: evaluation and a checkpoint every few steps, samples that sleep."""

# mypy: allow-subclassing-any
import time

BEGAN = time.perf_counter()

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainerCallback, TrainingArguments

from small import CLASSES, arguments, digest, finish
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()
WORDS, LENGTH = 2000, 32
OPTIONS = arguments()
WATCH = Stopwatch(BEGAN, IMPORTED)


class Sentences(Dataset[dict[str, torch.Tensor]]):
    """Random sentences; each sleeps as if it were tokenized elsewhere."""

    def __init__(self, count: int, sleep_seconds: float, watch: Stopwatch | None) -> None:
        self.count = count
        self.sleep_seconds = sleep_seconds
        self.watch = watch
        self.asked = False
        generator = torch.Generator().manual_seed(3)
        self.words = torch.randint(5, WORDS, (count, LENGTH), generator=generator)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if self.watch and not self.asked:
            self.watch.ask()
            self.asked = True
        time.sleep(self.sleep_seconds)
        return {"input_ids": self.words[index], "labels": self.words[index, 0] % CLASSES}


def collate(sentences: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Stacks a batch; the evaluation's come here too, while the stopwatch is not waiting."""
    batch = {key: torch.stack([sentence[key] for sentence in sentences]) for key in sentences[0]}
    if TRAINING.asked:
        WATCH.receive(0)
        TRAINING.asked = False
    return batch


class Watching(TrainerCallback):
    """The optimizer step as the Trainer shows it to callbacks."""

    def on_pre_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        WATCH.to("compute.optimizer")

    def on_optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        WATCH.stepped()


class MyTrainer(Trainer):
    """The methods that users override, with a stopwatch around each."""

    evaluating = False

    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        self.evaluating = True
        with WATCH.inside("evaluation"):
            metrics = super().evaluate(*args, **kwargs)
        self.evaluating = False
        return metrics

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        if self.evaluating:
            return super().compute_loss(*args, **kwargs)
        WATCH.to("compute.forward")
        loss = super().compute_loss(*args, **kwargs)
        WATCH.to("compute.backward")
        return loss

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        loss = super().training_step(*args, **kwargs)
        WATCH.to("host")
        return loss

    def _save_checkpoint(self, *args: Any, **kwargs: Any) -> None:
        with WATCH.inside("checkpoint"):
            super()._save_checkpoint(*args, **kwargs)


TRAINING = Sentences(320, 0.004, WATCH if OPTIONS.workers == 0 else None)


def main() -> None:
    torch.set_num_threads(1)
    config = BertConfig(
        vocab_size=WORDS, hidden_size=128, num_hidden_layers=2, num_attention_heads=4, intermediate_size=512,
        max_position_embeddings=64, num_labels=CLASSES,
    )  # fmt: skip
    settings = TrainingArguments(
        output_dir="out",
        num_train_epochs=2,
        per_device_train_batch_size=8,
        per_device_eval_batch_size=16,
        eval_strategy="steps",
        eval_steps=20,
        save_steps=20,
        logging_steps=10,
        report_to=[],
        use_cpu=True,
        seed=1,
        dataloader_num_workers=OPTIONS.workers,
        disable_tqdm=os.environ.get("BAR") is None,
    )
    torch.manual_seed(1)
    trainer = MyTrainer(
        model=BertForSequenceClassification(config),
        args=settings,
        train_dataset=TRAINING,
        eval_dataset=Sentences(96, 0.003, None),
        data_collator=collate,
        callbacks=[Watching()],
    )
    trainer.train()
    # With workers nothing tells the user when the first batch came, so start-up's parts are not seen then.
    sees = ["compute.forward", "compute.backward", "compute.optimizer", "evaluation", "checkpoint"]
    if OPTIONS.workers == 0:
        sees += ["startup.imports+startup.setup", "startup.workers", "startup.first_step", "input.wait"]
    finish(WATCH, OPTIONS.truth, sees)
    print("weights", digest(trainer.model))


if __name__ == "__main__":
    main()
