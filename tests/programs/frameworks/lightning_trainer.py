"""Lightning's Trainer: sanity check, a validation and a checkpoint each epoch, a CSV logger."""

# mypy: allow-subclassing-any
import time

BEGAN = time.perf_counter()

from typing import Any

import torch
import torch._dynamo
import torch.nn.functional as F
from lightning import LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from small import SlowSamples, arguments, digest, finish, make_model
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()


class Classifier(LightningModule):
    """The usual module; the hooks of Lightning that it overrides turn its stopwatch."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.watch = watch
        self.model = make_model(width=768, layers=3)
        self.before = ""

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        x, y = batch
        loss = F.cross_entropy(self.model(x), y)
        self.log("loss", loss)
        return loss

    def validation_step(self, batch: Any, number: int) -> None:
        x, y = batch
        self.log("accuracy", (self.model(x).argmax(1) == y).float().mean(), prog_bar=True)

    def on_validation_model_eval(self) -> None:
        self.before = self.watch._entry
        self.watch.to("evaluation")
        super().on_validation_model_eval()

    def on_validation_model_train(self) -> None:
        super().on_validation_model_train()
        self.watch.to(self.before)

    def on_before_backward(self, loss: torch.Tensor) -> None:
        self.watch.to("compute.backward")

    def on_after_backward(self) -> None:
        self.watch.to("host")

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self.watch.to("host")

    def on_train_batch_end(self, *args: Any) -> None:
        self.watch.stepped()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class Checkpoint(ModelCheckpoint):
    """A checkpoint whose saving is measured."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__(dirpath="checkpoints", filename="{epoch}", save_top_k=-1)
        self.watch = watch

    def _save_checkpoint(self, trainer: Trainer, path: str) -> None:
        with self.watch.inside("checkpoint"):
            super()._save_checkpoint(trainer, path)


def main() -> None:
    options = arguments()
    watch = Stopwatch(BEGAN, IMPORTED)
    torch.set_num_threads(1)
    seed_everything(4)
    samples = SlowSamples(512, 0.003, watch if options.workers == 0 else None)
    held_out = SlowSamples(128, 0.004)
    loader = DataLoader(samples, batch_size=8, num_workers=options.workers, collate_fn=samples.collate)
    module = Classifier(watch)
    trainer = Trainer(
        max_epochs=2,
        accelerator="cpu",
        devices=1,
        logger=CSVLogger("logs"),
        callbacks=[Checkpoint(watch)],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=5,
        num_sanity_val_steps=2,
    )
    trainer.fit(module, loader, DataLoader(held_out, batch_size=16, collate_fn=held_out.collate))
    sees = ["startup.imports+startup.setup", "compute.backward", "evaluation", "checkpoint"]
    if options.workers == 0:
        sees += ["startup.workers+startup.first_step", "input.wait"]
    finish(watch, options.truth, sees)
    print("accuracy", float(trainer.callback_metrics["accuracy"]))
    print("weights", digest(module))


if __name__ == "__main__":
    main()
