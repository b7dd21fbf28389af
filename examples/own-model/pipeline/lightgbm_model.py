"""Trees by LightGBM, which takes categories as codes: one matrix of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lightgbm
import numpy as np
import pandas as pd
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

import lockgate

SETTINGS = {"objective": "binary", "num_leaves": 8, "learning_rate": 0.05, "seed": 1, "num_threads": 1, "verbose": -1}
MAX_ROUNDS, STOP_AFTER = 300, 20


class LightgbmModel:
    """A fitted booster."""

    def __init__(self, booster: lightgbm.Booster) -> None:
        self.booster = booster

    def score(self, features: pd.DataFrame) -> np.ndarray:
        return self.booster.predict(lockgate.code_matrix(features))

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        inputs = [("input", FloatTensorType([None, len(feature_names)]))]
        return convert_lightgbm(self.booster, initial_types=inputs, zipmap=False).SerializeToString()

    def files(self) -> Mapping[str, bytes]:
        return {}


def fit_lightgbm(training: lockgate.Sample, validation: lockgate.Sample) -> LightgbmModel:
    """Fit on the training rows until the validation rows stop getting better."""
    rows, held_out = (
        lightgbm.Dataset(lockgate.code_matrix(part.features), part.labels, weight=part.weights)
        for part in (training, validation)
    )
    stop = lightgbm.early_stopping(STOP_AFTER, verbose=False)
    return LightgbmModel(lightgbm.train(SETTINGS, rows, MAX_ROUNDS, valid_sets=[held_out], callbacks=[stop]))
