"""LightGBM: trained to the same bytes on any number of threads.

The library sees `code_matrix`, so its features are numbered and not named: its text cannot hold every column's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from lockgate.documents.schema_json import Schema
from lockgate.model.boosting import LossHistory, monotone_directions, odds_factor, shift_to_prevalence
from lockgate.model.features import code_matrix
from lockgate.model.flavours.lightgbm_text import LightGBMForm
from lockgate.model.flavours.native_form import read_form
from lockgate.model.protocol import Fitted, Progress, Sample

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import LightGBMTrain

Parameters = dict[str, str | float | bool | list[int]]

NATIVE = "model.txt"
# Keys of the section that are ours, or that `fit` hands over in another form.
NOT_BOOSTER_PARAMETERS = {
    "model",
    "validation_size",
    "num_boost_round",
    "early_stopping_rounds",
    "monotone",
    "monotone_constraints_method",
    "scale_pos_weight",
    "num_threads",
}


class LightGBMModel:
    """A booster, and the text that it is read from."""

    def __init__(self, content: bytes, form: LightGBMForm, threads: int | None) -> None:
        """`content` is LightGBM's text and `form` what it was read as."""
        self._content, self._form = content, form
        self._booster = lightgbm.Booster(model_str=content.decode())
        self._threads = threads or 0  # 0: as many as there are

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: LightGBMTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Boost until the validation log-loss has not improved for `early_stopping_rounds`, and keep the best round."""
        factor = odds_factor(train.scale_pos_weight, training)
        directions = monotone_directions(train.monotone, schema)
        parameters: Parameters = {
            **train.model_dump(exclude=NOT_BOOSTER_PARAMETERS),
            "objective": "binary",
            "metric": "None",
            "scale_pos_weight": factor,
            "bagging_freq": int(train.bagging_fraction < 1),
            # Each histogram is summed by one thread, so that no sum depends on how many there are.
            "deterministic": True,
            "force_col_wise": True,
            "num_threads": train.num_threads or 0,
            "verbosity": -1,
        }
        if any(directions):  # without a constraint, the method `advanced` ends the process
            parameters["monotone_constraints"] = directions
            parameters["monotone_constraints_method"] = train.monotone_constraints_method
        matrices = [code_matrix(sample.features) for sample in (training, validation)]
        datasets = _datasets(matrices, (training, validation), schema, parameters)
        history = LossHistory(training, validation, factor, train.early_stopping_rounds, progress)
        watcher = _Watcher(history)
        booster = lightgbm.train(
            parameters,
            datasets[0],
            num_boost_round=train.num_boost_round,
            valid_sets=datasets,
            valid_names=["train", "validation"],
            feval=watcher.metric,
            callbacks=[watcher],
        )
        kept = history.best_iteration + 1
        if factor != 1.0:
            margins = np.asarray(booster.predict(matrices[0], raw_score=True, num_iteration=kept))
            _shift(booster, shift_to_prevalence(margins, training))
        text = booster.model_to_string(num_iteration=kept)
        # What follows is parameters: the number of threads is one, and the manifest has the others.
        content = text[: text.index("\nparameters:")].encode()
        model = cls(content, read_form(LightGBMForm, content, schema.features, NATIVE), train.num_threads)
        return Fitted(model, history.rounds, history.best_iteration, factor)

    def files(self) -> dict[str, bytes]:
        """The text, by the name that it has in a bundle."""
        return {NATIVE: self._content}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        scores = self._booster.predict(code_matrix(features), num_threads=self._threads)
        return np.asarray(scores, dtype=np.float64)

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """Total gain by feature, of those that are split on."""
        gains = self._booster.feature_importance(importance_type="gain")
        return {name: float(gain) for name, gain in zip(feature_names, gains, strict=True) if gain > 0}

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The booster as ONNX."""
        return self._form.onnx()


class _Watcher:
    """Records the losses of each round, and ends the training when its history says so."""

    order = 0
    before_iteration = False

    def __init__(self, history: LossHistory) -> None:
        self._history = history
        self._latest: list[NDArray[Any]] = []

    def metric(self, raw: NDArray[Any], _: lightgbm.Dataset) -> tuple[str, float, bool]:
        """LightGBM asks it for the training rows, then for the validation rows, after each round."""
        self._latest.append(raw.copy())
        return "log_loss", 0.0, False

    def __call__(self, environment: lightgbm.callback.CallbackEnv) -> None:
        training, validation = self._latest
        self._latest = []
        if self._history.add(training, validation):
            raise lightgbm.callback.EarlyStopException(self._history.best_iteration, [])


def _datasets(
    matrices: Sequence[NDArray[np.float32]], samples: Sequence[Sample], schema: Schema, parameters: Parameters
) -> list[lightgbm.Dataset]:
    """The training rows, and the validation rows in the same bins."""
    found: list[lightgbm.Dataset] = []
    for matrix, sample in zip(matrices, samples, strict=True):
        found.append(
            lightgbm.Dataset(
                matrix,
                sample.labels,
                weight=sample.weights,
                reference=found[0] if found else None,
                categorical_feature=[
                    place for place, feature in enumerate(schema.features) if feature.kind == "categorical"
                ],
                params=dict(parameters),
            )
        )
    return found


def _shift(booster: lightgbm.Booster, shift: float) -> None:
    """Move the log-odds of every row: LightGBM keeps its intercept in the leaves of the first tree."""
    leaves = booster.dump_model(num_iteration=1)["tree_info"][0]["num_leaves"]
    for leaf in range(leaves):
        booster.set_leaf_output(0, leaf, booster.get_leaf_output(0, leaf) + shift)
