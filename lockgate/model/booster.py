"""Training and scoring the XGBoost model: the same bits on every run and for any number of threads."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lockgate.config.errors import InputError
from lockgate.config.params import Train
from lockgate.config.suggest import nearest
from lockgate.documents.schema_json import Schema

if TYPE_CHECKING:
    import xgboost

# Settings of ours, not of XGBoost's booster.
NOT_BOOSTER_PARAMETERS = {
    "validation_size",
    "num_boost_round",
    "early_stopping_rounds",
    "monotone",
    "scale_pos_weight",
    "nthread",
}
PROBABILITY_FLOOR = 1e-7

Progress = Callable[[int, float], None]


@dataclass(frozen=True)
class Part:
    """Rows to fit on or to validate with: features (rows, features), labels 0/1 and weights, each (rows,)."""

    features: pd.DataFrame
    labels: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class Fit:
    """A trained model as JSON bytes, and how its loss went, a record a round."""

    model: bytes
    rounds: int
    best_iteration: int
    scale_pos_weight: float
    history: list[dict[str, float]]


def fit(training: Part, validation: Part, train: Train, schema: Schema, progress: Progress) -> Fit:
    """Boost until the validation log-loss has not improved for `early_stopping_rounds`, and keep the best round.

    A `scale_pos_weight` of w multiplies the odds that the trees learn by about w (prior correction: King & Zeng
    2001, Political Analysis 9, 137-163). The intercept is moved back afterwards, so that the mean probability of
    the training rows is their prevalence and the Brier score does not suffer. Losses are computed in numpy on rows
    in a fixed order: XGBoost's own sums depend, in their last bits, on the number of threads.
    """
    import xgboost

    odds_factor = _odds_factor(train, training)
    matrices = [_matrix(part, train.nthread) for part in (training, validation)]
    losses = _Losses(odds_factor, matrices, [training, validation])
    rounds: list[dict[str, float]] = []
    booster = xgboost.train(
        {
            **train.model_dump(exclude=NOT_BOOSTER_PARAMETERS),
            "objective": "binary:logistic",
            "tree_method": "hist",
            "scale_pos_weight": odds_factor,
            "base_score": _prevalence(training, odds_factor),
            "monotone_constraints": monotone_constraints(train.monotone, schema),
            "disable_default_eval_metric": 1,
            **({"nthread": train.nthread} if train.nthread else {}),
        },
        matrices[0],
        num_boost_round=train.num_boost_round,
        evals=list(zip(matrices, ("train", "validation"), strict=True)),
        custom_metric=losses,
        verbose_eval=False,
        callbacks=[_watcher(losses, matrices, rounds, train.early_stopping_rounds, progress)],
    )
    best = min(range(len(rounds)), key=lambda index: rounds[index]["validation_log_loss"])
    if train.early_stopping_rounds is None:
        best = len(rounds) - 1
    kept = booster[: best + 1]
    intercept = _logit(_prevalence(training, odds_factor))
    if odds_factor != 1.0:
        margins = kept.predict(matrices[0], output_margin=True).astype("float64")
        intercept += _shift_to_prevalence(margins, training.weights, _prevalence(training, 1.0))
    return Fit(
        model=_with_intercept(kept, intercept),
        rounds=len(rounds),
        best_iteration=best,
        scale_pos_weight=odds_factor,
        history=[{name: round(value, 6) for name, value in record.items()} for record in rounds],
    )


def load(model: bytes) -> xgboost.Booster:
    """The booster in `model`, which must have been verified against its manifest before (see bundle.py)."""
    import xgboost

    return xgboost.Booster(model_file=bytearray(model))


def score(model: xgboost.Booster, features: pd.DataFrame) -> np.ndarray:
    """Probability of the positive class, float64 of shape (rows,)."""
    import xgboost

    scores: np.ndarray = model.predict(xgboost.DMatrix(features, enable_categorical=True)).astype("float64")
    return scores


def gain_shares(model: xgboost.Booster, schema: Schema) -> list[dict[str, Any]]:
    """Each feature's share of the total gain, largest first."""
    gains: dict[str, float] = model.get_score(importance_type="total_gain")  # type: ignore[assignment]
    total = sum(gains.values()) or 1.0
    shares = [{"feature": name, "gain_share": round(gains.get(name, 0.0) / total, 6)} for name in schema.feature_names]
    return sorted(shares, key=lambda record: (-record["gain_share"], record["feature"]))


def monotone_constraints(monotone: Mapping[str, int], schema: Schema) -> str:
    """XGBoost's text form of the constraints; raises InputError for a column that cannot have one."""
    kinds = {feature.name: feature.kind for feature in schema.features}
    for name in monotone:
        if name not in kinds:
            raise InputError(f"train.monotone names `{name}`, which is no feature; {nearest(name, kinds)}")
        if kinds[name] == "categorical":
            raise InputError(f"train.monotone names `{name}`, which is categorical and has no order; leave it out")
    return "(" + ",".join(str(monotone.get(name, 0)) for name in schema.feature_names) + ")"


class _Losses:
    """Log-loss of both parts from raw probabilities, intercept corrected, kept as computed.

    XGBoost calls it through `custom_metric`, whose predictions it caches from round to round.
    """

    def __init__(self, odds_factor: float, matrices: list[Any], parts: list[Part]) -> None:
        self.odds_factor = odds_factor
        self.parts = dict(zip(map(id, matrices), parts, strict=True))
        self.latest: dict[int, float] = {}

    def __call__(self, raw: np.ndarray, matrix: xgboost.DMatrix) -> tuple[str, float]:
        part = self.parts[id(matrix)]
        raw = np.clip(raw.astype("float64"), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
        probability = raw / (raw + self.odds_factor * (1 - raw))
        loss = -np.where(part.labels == 1, np.log(probability), np.log1p(-probability))
        self.latest[id(matrix)] = float(np.average(loss, weights=part.weights))
        return "log_loss", self.latest[id(matrix)]


def _watcher(
    losses: _Losses, matrices: list[Any], rounds: list[dict[str, float]], patience: int | None, progress: Progress
) -> Any:
    import xgboost

    class Watcher(xgboost.callback.TrainingCallback):
        """Records losses each round and stops when the validation loss no longer improves."""

        best = 0

        def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: Any) -> bool:
            train_loss, validation_loss = (losses.latest[id(matrix)] for matrix in matrices)
            rounds.append({"round": epoch + 1, "train_log_loss": train_loss, "validation_log_loss": validation_loss})
            progress(epoch + 1, validation_loss)
            if validation_loss < rounds[self.best]["validation_log_loss"]:
                self.best = epoch
            return patience is not None and epoch - self.best >= patience

    return Watcher()


def _matrix(part: Part, threads: int | None) -> xgboost.DMatrix:
    import xgboost

    return xgboost.DMatrix(
        part.features, label=part.labels, weight=part.weights, enable_categorical=True, nthread=threads
    )


def _odds_factor(train: Train, training: Part) -> float:
    if train.scale_pos_weight != "balanced":
        return float(train.scale_pos_weight)
    positive = float(part_weight(training, 1))
    return part_weight(training, 0) / positive


def part_weight(part: Part, label: int) -> float:
    """Total weight of the rows with `label`."""
    return float(part.weights[part.labels == label].sum())


def _prevalence(training: Part, odds_factor: float) -> float:
    positive = odds_factor * part_weight(training, 1)
    return positive / (positive + part_weight(training, 0))


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)


def _shift_to_prevalence(margins: np.ndarray, weights: np.ndarray, prevalence: float) -> float:
    """What to add to every log-odds so that the mean probability is `prevalence`: one root, found by bisection."""
    low, high = -50.0, 50.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        mean = float(np.average(1 / (1 + np.exp(-(margins + middle))), weights=weights))
        low, high = (middle, high) if mean < prevalence else (low, middle)
    return (low + high) / 2


def _with_intercept(booster: xgboost.Booster, intercept: float) -> bytes:
    """The model as JSON with another intercept, given as log-odds; XGBoost keeps it as a probability."""
    document = json.loads(bytes(booster.save_raw("json")))
    probability = 1 / (1 + math.exp(-intercept))
    document["learner"]["learner_model_param"]["base_score"] = f"[{probability!r}]"
    # XGBoost reads back other names from escapes such as \u00fc than were written.
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
