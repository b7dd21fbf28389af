"""Models as other people export them: scikit-learn by skl2onnx, LightGBM by onnxmltools, and loans to train them on."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType as LightGBMFloats
from skl2onnx import to_onnx
from skl2onnx.common import tree_ensemble
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def loans(rows: int = 3000) -> pd.DataFrame:
    """Loans with numbers, whole numbers and categories, of which some lack values."""
    random = np.random.default_rng(11)
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "income": random.lognormal(10, 0.5, rows).round(2),
            "months": random.integers(3, 72, rows),
            "housing": random.choice(["own", "rent", "free of charge"], rows),
            "purpose": random.choice(["car", "größe", "furniture"], rows),
        }
    )
    odds = 1.0 - 3.5 * np.log(frame.income / 22_000) + 0.03 * frame.months + (frame.housing == "rent")
    frame["defaulted"] = (random.random(rows) < 1 / (1 + np.exp(3.5 - odds))).astype(int)
    frame.loc[::17, "income"] = np.nan
    frame.loc[::23, "housing"] = None
    return frame


def fitted_pipeline(classifier: Any, rows: pd.DataFrame, labels: NDArray[Any]) -> Pipeline:
    """Numbers filled, categories one-hot, then the classifier; `rows` are a `text_frame`.

    Numbers are scaled for a linear model only: of a scaled number the last digit, in float32, can decide on which side of a
    tree's threshold it is.
    """
    scaled = [StandardScaler()] if isinstance(classifier, LogisticRegression) else []
    numbers = make_pipeline(SimpleImputer(), *scaled)
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_exclude="number")),
    )
    return make_pipeline(columns, classifier).fit(rows, labels)


def exported_pipeline(pipeline: Pipeline, rows: pd.DataFrame, zipmap: bool) -> bytes:
    """A pipeline with an input for each column of `rows`, by their types."""
    return bytes(to_onnx(pipeline, rows[:1], options={"zipmap": zipmap}).SerializeToString())


def exported_matrix_model(classifier: Any, columns: int, zipmap: bool) -> bytes:
    """A classifier with one input of floats."""
    inputs = [("float_input", FloatTensorType([None, columns]))]
    return bytes(to_onnx(classifier, initial_types=inputs, options={"zipmap": zipmap}).SerializeToString())


def exported_booster(booster: lightgbm.Booster, columns: int, zipmap: bool) -> bytes:
    """LightGBM with one input of floats."""
    inputs = [("input", LightGBMFloats([None, columns]))]
    return bytes(convert_lightgbm(booster, initial_types=inputs, zipmap=zipmap).SerializeToString())


def convert_booleans(patch: pytest.MonkeyPatch) -> None:
    """skl2onnx 1.20 gives the sides of missing values of a HistGradientBoostingClassifier as booleans, which protobuf 7 refuses.

    Users are told of an older protobuf in docs/import-model.md.
    """
    add_node = tree_ensemble.add_node

    def with_integers(*given: Any, nodes_missing_value_tracks_true: int = 0, **more: Any) -> None:
        add_node(*given, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **more)

    patch.setattr(tree_ensemble, "add_node", with_integers)
