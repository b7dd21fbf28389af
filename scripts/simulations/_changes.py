"""What goes wrong in the worked example's world, and by what else one might notice it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from lockgate.data.synthetic import SYNTHETIC_KINDS

FEED = ("delinquencies", "public_records", "inquiries")  # of one credit bureau
REGION = "west"  # 7.0 % of applicants
Change = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]


def outcomes_shuffled(labels: np.ndarray, part: float, random: np.random.Generator) -> np.ndarray:
    """The outcomes of this part of the rows exchanged among them: ROC-AUC - 1/2 shrinks by the same part, their rate stays.

    With F1 and F0 the scores of the classes, F their mixture and q the part, positives then have (1 - q) F1 + q F, negatives
    (1 - q) F0 + q F; ROC-AUC is bilinear in the two, and 1/2 for equal ones.
    """
    changed = labels.copy()
    chosen = np.flatnonzero(random.random(len(labels)) < part)
    changed[chosen] = labels[random.permutation(chosen)]
    return changed


def dead_feed(part: float, value: float) -> Change:
    """A feed that sends `value`, whatever was asked, for this part of the rows."""

    def change(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        return rows.assign(**_dead(rows, random.random(len(rows)) < part, value))

    return change


def dead_in_region(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    """A feed that sends 0 for one region."""
    return rows.assign(**_dead(rows, (rows["region"] == REGION).to_numpy(), 0.0))


def shuffled(*names: str) -> Change:
    """Columns that each keep their values, but no longer of the same applicant."""

    def change(rows: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
        return rows.assign(**{name: random.permutation(rows[name].to_numpy()) for name in names})

    return change


def _dead(rows: pd.DataFrame, where: np.ndarray, value: float) -> dict[str, np.ndarray]:
    return {name: np.where(where, value, rows[name].to_numpy(dtype=np.float64)) for name in FEED}


def outside_three_deviations(value: float, earlier: Sequence[float]) -> bool:
    """The rule that monitors offer by default: beyond the mean of earlier nights by over three standard deviations."""
    return abs(value - float(np.mean(earlier))) > 3.0 * float(np.std(earlier, ddof=1))


def classifier_auc(reference: pd.DataFrame, current: pd.DataFrame) -> float:
    """How well boosted trees tell tonight's rows from the reference's, cross-validated: ROC-AUC, 1/2 where they cannot."""
    both = pd.concat([reference, current], ignore_index=True)[list(SYNTHETIC_KINDS)]
    table = both.astype({name: "category" for name, kind in SYNTHETIC_KINDS.items() if kind == "categorical"})
    tonight = np.repeat([0, 1], [len(reference), len(current)])
    model = HistGradientBoostingClassifier(max_iter=50, categorical_features="from_dtype", random_state=0)
    chance = cross_val_predict(model, table, tonight, cv=3, method="predict_proba")[:, 1]
    return float(roc_auc_score(tonight, chance))
