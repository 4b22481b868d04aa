"""Keras on torch: fit with a train_step of the user's own, an evaluation after each epoch, Keras's own optimizer."""

# mypy: allow-subclassing-any
import time

BEGAN = time.perf_counter()

from typing import Any

import keras
import numpy as np
import torch

from small import arguments, digest, finish
from stopwatch import Stopwatch

IMPORTED = time.perf_counter()
WATCH = Stopwatch(BEGAN, IMPORTED)


class Model(keras.Model):
    """The step of Keras's guide for torch, with a stopwatch around its parts."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(512, activation="relu")
        self.logits = keras.layers.Dense(4)

    def call(self, x: Any) -> Any:
        return self.logits(self.hidden(x))

    def train_step(self, data: Any) -> dict[str, Any]:
        WATCH.receive(0)
        x, y = data
        self.zero_grad()
        WATCH.to("compute.forward")
        out = self(x, training=True)
        WATCH.to("host")
        loss = self.compute_loss(x=x, y=y, y_pred=out)
        WATCH.to("compute.backward")
        loss.backward()
        WATCH.stepped()
        weights = list(self.trainable_weights)
        with torch.no_grad():
            self.optimizer.apply([weight.value.grad for weight in weights], weights)
        return {"loss": loss.detach()}


class Watching(keras.callbacks.Callback):
    """The parts of fit that Keras shows to callbacks."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        WATCH.ask()

    def on_test_begin(self, logs: Any = None) -> None:
        WATCH.to("evaluation")

    def on_test_end(self, logs: Any = None) -> None:
        WATCH.to("host")


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    keras.utils.set_random_seed(7)
    numbers = np.random.default_rng(8)
    x = numbers.normal(size=(4096, 64)).astype("float32")
    y = x[:, :4].argmax(axis=1)
    model = Model()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.05), loss=loss)
    history = model.fit(
        x, y, batch_size=32, epochs=4, validation_data=(x[:1024], y[:1024]), verbose=2, callbacks=[Watching()]
    )
    finish(WATCH, options.truth, ["startup.imports+startup.setup", "compute.forward", "compute.backward", "evaluation"])
    print([f"{value:.6f}" for value in history.history["val_loss"]])
    print("weights", digest(model))


if __name__ == "__main__":
    main()
