"""XGBoost: boosted trees from arrays, with a held-out set, early stopping and a saved model. No torch."""

import hashlib
from pathlib import Path

import numpy as np
import xgboost

from parts import Parts


def main() -> None:
    parts = Parts()
    parts.wait_for_data()
    numbers = np.random.default_rng(4)
    x = numbers.normal(size=(40000, 40))
    y = (x[:, 0] * x[:, 1] + x[:, 2] + numbers.normal(size=40000) > 0).astype(int)
    with parts.part("compute"):
        training = xgboost.DMatrix(x[:30000], y[:30000])
        held_out = xgboost.DMatrix(x[30000:], y[30000:])
        settings = {"objective": "binary:logistic", "nthread": 2, "max_depth": 7, "eta": 0.1, "seed": 1}
        booster = xgboost.train(
            settings, training, 150, evals=[(held_out, "held_out")], early_stopping_rounds=20, verbose_eval=50
        )
    booster.save_model("model.ubj")
    digest = hashlib.sha256(Path("model.ubj").read_bytes()).hexdigest()[:16]
    print("trees", booster.num_boosted_rounds(), digest)
    parts.finish()


if __name__ == "__main__":
    main()
