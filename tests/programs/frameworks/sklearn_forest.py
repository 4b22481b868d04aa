"""scikit-learn: a random forest and a logistic regression on made-up data. No torch."""

import hashlib

import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from parts import Parts


def main() -> None:
    parts = Parts()
    parts.wait_for_data()
    x, y = make_classification(n_samples=6000, n_features=40, n_informative=12, random_state=1)
    x, held_out, y, right = train_test_split(x, y, test_size=0.25, random_state=2)
    for model in (RandomForestClassifier(60, random_state=3, n_jobs=2), LogisticRegression(max_iter=300)):
        with parts.part("compute"):
            model.fit(x, y)
            chances = np.round(model.predict_proba(held_out), 9)
        print(type(model).__name__, model.score(held_out, right), hashlib.sha256(chances.tobytes()).hexdigest()[:16])
    parts.finish()


if __name__ == "__main__":
    main()
