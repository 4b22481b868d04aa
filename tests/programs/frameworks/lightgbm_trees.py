"""LightGBM: boosted trees with an evaluation set, early stopping and a saved model. No torch."""

import hashlib
from pathlib import Path

import lightgbm
import numpy as np

from parts import Parts


def main() -> None:
    parts = Parts()
    parts.wait_for_data()
    numbers = np.random.default_rng(4)
    x = numbers.normal(size=(20000, 30))
    y = (x[:, 0] * x[:, 1] + x[:, 2] + numbers.normal(size=20000) > 0).astype(int)
    settings = {"objective": "binary", "num_threads": 2, "deterministic": True, "force_row_wise": True, "verbose": -1}
    stop, log = lightgbm.early_stopping(20, verbose=False), lightgbm.log_evaluation(50)
    with parts.part("compute"):
        training = lightgbm.Dataset(x[:15000], y[:15000])
        held_out = lightgbm.Dataset(x[15000:], y[15000:], reference=training)
        booster = lightgbm.train(settings, training, 200, valid_sets=[held_out], callbacks=[stop, log])
    booster.save_model("model.txt")
    print("trees", booster.num_trees(), hashlib.sha256(Path("model.txt").read_bytes()).hexdigest()[:16])
    parts.finish()


if __name__ == "__main__":
    main()
