"""XGBoost: trained to the same bits on every run and for any number of threads.

The library sees numbers and codes, and its features as f0, f1, ...: it does not take every name of a column or category.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xgboost
from numpy.typing import NDArray

from lockgate.documents.schema_json import Schema
from lockgate.model.boosting import LossHistory, log_odds, monotone_directions, odds_factor, shift_to_prevalence
from lockgate.model.features import code_matrix
from lockgate.model.flavours.native_form import read_form
from lockgate.model.flavours.xgboost_json import XGBoostForm
from lockgate.model.protocol import Fitted, Labelled, Progress, Sample

if TYPE_CHECKING:
    from lockgate.config.params import XGBoostTrain

NATIVE = "model.json"
# Keys of the section that are ours, or that `fit` hands over in another form.
NOT_BOOSTER_PARAMETERS = {
    "model",
    "validation_size",
    "num_boost_round",
    "early_stopping_rounds",
    "monotone",
    "scale_pos_weight",
    "external_memory",
    "nthread",
}


class XGBoostModel:
    """A booster, and the JSON that it is read from."""

    def __init__(self, content: bytes, gains: Sequence[float], form: XGBoostForm, threads: int | None) -> None:
        """`content` is XGBoost's JSON and `form` what it was read as; `gains` has a number a feature."""
        self._content, self._gains, self._form = content, gains, form
        self._booster = xgboost.Booster({"nthread": threads} if threads else None, model_file=bytearray(content))

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: XGBoostTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Boost until the validation log-loss has not improved for `early_stopping_rounds`, and keep the best round."""
        matrices = [_matrix(sample, train.nthread) for sample in (training, validation)]
        return boosted(matrices, (training, validation), train, schema, progress)

    def files(self) -> dict[str, bytes]:
        """The JSON, by the name that it has in a bundle."""
        return {NATIVE: self._content}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        scores = self._booster.inplace_predict(code_matrix(features), validate_features=False)
        return np.asarray(scores, dtype=np.float64)

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """Total gain by feature, of those that are split on."""
        return {name: gain for name, gain in zip(feature_names, self._gains, strict=True) if gain > 0}

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The booster as ONNX."""
        return self._form.onnx()


def boosted(
    matrices: Sequence[xgboost.DMatrix],
    samples: tuple[Labelled, Labelled],
    train: XGBoostTrain,
    schema: Schema,
    progress: Progress,
) -> Fitted:
    """The model of a training and a validation matrix, whose rows those of the samples are."""
    training, validation = samples
    factor = odds_factor(train.scale_pos_weight, training)
    history = LossHistory(training, validation, factor, train.early_stopping_rounds, progress)
    watcher = _Watcher(history, matrices)
    directions = ",".join(map(str, monotone_directions(train.monotone, schema)))
    booster = xgboost.train(
        {
            **train.model_dump(exclude=NOT_BOOSTER_PARAMETERS),
            "objective": "binary:logistic",
            "tree_method": "hist",
            "scale_pos_weight": factor,
            "base_score": training.prevalence(factor),
            "monotone_constraints": f"({directions})",
            "disable_default_eval_metric": 1,
            **({"nthread": train.nthread} if train.nthread else {}),
        },
        matrices[0],
        num_boost_round=train.num_boost_round,
        evals=list(zip(matrices, ("train", "validation"), strict=True)),
        custom_metric=watcher.metric,
        verbose_eval=False,
        callbacks=[watcher],
    )
    kept = booster[: history.best_iteration + 1]
    intercept = log_odds(training.prevalence(factor))
    if factor != 1.0:
        intercept += shift_to_prevalence(kept.predict(matrices[0], output_margin=True), training)
    gains: dict[str, float] = kept.get_score(importance_type="total_gain")  # type: ignore[assignment]
    content = _content(kept, intercept, schema.feature_names)
    form = read_form(XGBoostForm, content, schema.features, NATIVE)
    model = XGBoostModel(content, [gains.get(name, 0.0) for name in kept.feature_names or ()], form, train.nthread)
    return Fitted(model, history.rounds, history.best_iteration, factor)


class _Watcher(xgboost.callback.TrainingCallback):
    """Records the losses of each round, and ends the training when its history says so.

    Raw probabilities come from `metric`, whose predictions XGBoost caches from round to round.
    """

    def __init__(self, history: LossHistory, matrices: Sequence[xgboost.DMatrix]) -> None:
        self._history = history
        self._matrices = matrices
        self._latest: dict[int, NDArray[Any]] = {}

    def metric(self, raw: NDArray[Any], matrix: xgboost.DMatrix) -> tuple[str, float]:
        self._latest[id(matrix)] = raw.copy()
        return "log_loss", 0.0

    def after_iteration(self, model: xgboost.Booster, epoch: int, evals_log: Any) -> bool:
        training, validation = (self._latest[id(matrix)] for matrix in self._matrices)
        return self._history.add(training, validation)


def _matrix(sample: Sample, threads: int | None) -> xgboost.DMatrix:
    categorical = [isinstance(dtype, pd.CategoricalDtype) for dtype in sample.features.dtypes]
    return xgboost.DMatrix(
        code_matrix(sample.features),
        label=sample.labels,
        weight=sample.weights,
        **column_types(categorical),
        enable_categorical=True,
        nthread=threads,
    )


def column_types(categorical: Sequence[bool]) -> dict[str, list[str]]:
    """What XGBoost is told of the columns of a `code_matrix`."""
    return {
        "feature_names": [f"f{place}" for place in range(len(categorical))],
        "feature_types": ["c" if one else "float" for one in categorical],
    }


def _content(booster: xgboost.Booster, intercept: float, feature_names: Sequence[str]) -> bytes:
    """The model as JSON with the columns' names, and the intercept, given as log-odds; XGBoost keeps a probability."""
    document = json.loads(bytes(booster.save_raw("json")))
    probability = 1 / (1 + math.exp(-intercept))
    document["learner"]["learner_model_param"]["base_score"] = f"[{probability!r}]"
    document["learner"]["feature_names"] = list(feature_names)
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
