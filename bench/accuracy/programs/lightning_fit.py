"""Lightning's Trainer on photos that are decoded for each step. See loop.py."""

# mypy: allow-subclassing-any
from __future__ import annotations

import argparse
from typing import Any

import torch
from lightning import LightningModule, Trainer
from sources import CLASSES, Photos
from timed import Steps, arguments, loader_arguments
from torch import nn
from torch.utils.data import DataLoader

SIZE = 48


class Classifier(LightningModule):
    """A small network."""

    def __init__(self, steps: Steps) -> None:
        super().__init__()
        self.steps = steps
        self.model = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
            nn.Linear(32 * (SIZE // 4) ** 2, CLASSES),
        )  # fmt: skip

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        """The loss of a batch."""
        images, classes = batch
        return nn.functional.cross_entropy(self.model(images), classes)

    def on_train_batch_end(self, *args: Any) -> None:
        """Ends the training in time."""
        if self.steps.stepped():
            self.trainer.should_stop = True

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain gradient descent."""
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def main() -> None:
    """Trains for some seconds."""
    options = arguments(argparse.ArgumentParser())
    torch.set_num_threads(options.threads)
    steps = Steps(options)
    loader = DataLoader(Photos(options.data, SIZE), options.batch, **loader_arguments(options))
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", devices=1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Classifier(steps), loader)
    steps.tell()


if __name__ == "__main__":
    main()
