"""Logistic regression by scikit-learn: a pipeline that encodes categories by itself, so it is given their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from skl2onnx import to_onnx
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import lockgate


class ScikitLearnModel:
    """A fitted pipeline, and a row of the frame that it takes."""

    def __init__(self, pipeline: Pipeline, example: pd.DataFrame) -> None:
        self.pipeline, self.example = pipeline, example

    def score(self, features: pd.DataFrame) -> np.ndarray:
        return self.pipeline.predict_proba(lockgate.text_frame(features))[:, 1]

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        return to_onnx(self.pipeline, self.example, options={"zipmap": False}).SerializeToString()

    def files(self) -> Mapping[str, bytes]:
        return {}


def fit_scikit_learn(training: lockgate.Sample, validation: lockgate.Sample) -> ScikitLearnModel:
    """Fit on the training rows; nothing here stops early, so the validation rows are not looked at."""
    rows = lockgate.text_frame(training.features)
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (texts, make_column_selector(dtype_exclude="number")),
    )
    pipeline = make_pipeline(columns, LogisticRegression())
    pipeline.fit(rows, training.labels, logisticregression__sample_weight=training.weights)
    return ScikitLearnModel(pipeline, rows[:1])
