"""Keras: compile and fit with a validation split; the backend is that of KERAS_BACKEND."""

import hashlib

import keras
import numpy as np

from parts import Parts


def main() -> None:
    parts = Parts()
    parts.wait_for_data()
    keras.utils.set_random_seed(7)
    numbers = np.random.default_rng(8)
    x = numbers.normal(size=(2048, 32)).astype("float32")
    y = x[:, :4].argmax(axis=1)
    model = keras.Sequential([keras.layers.Dense(64, activation="relu"), keras.layers.Dense(4)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    with parts.part("compute"):
        history = model.fit(x, y, batch_size=32, epochs=3, validation_split=0.25, verbose=2)
    model.save("model.keras")
    print(keras.backend.backend(), [f"{value:.6f}" for value in history.history["val_loss"]])
    print("weights", hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest()[:16])
    parts.finish()


if __name__ == "__main__":
    main()
