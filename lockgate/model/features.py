"""What the model sees: the schema's features, in its order, categories in its order, as a frame or as one matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.documents.schema_json import Schema

# What a missing category is to a model that takes texts: a tensor of texts has no missing value.
MISSING_TEXT = ""


def model_frame(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Features as a model takes them: numbers as float32, categories as the schema's own, shape (rows, features).

    A category that the training rows did not have becomes missing, as the service can be told to do; how many
    there were is `unseen_share` in drift.json.
    """
    columns = dict[str, pd.Series]()
    for feature in schema.features:
        column = frame[feature.name]
        if feature.kind == "numeric":
            columns[feature.name] = column.astype("float32")
        elif isinstance(column.dtype, pd.CategoricalDtype):
            columns[feature.name] = column.cat.set_categories(list(feature.categories), ordered=False)
        else:
            columns[feature.name] = pd.Series(
                pd.Categorical(column.where(column.isin(feature.categories)), categories=list(feature.categories)),
                index=column.index,
            )
    return pd.DataFrame(columns, index=frame.index)


def text_frame(features: pd.DataFrame) -> pd.DataFrame:
    """A `model_frame` as a model that encodes categories by itself takes it: their texts, `MISSING_TEXT` where missing."""
    categories = features.select_dtypes("category").columns
    return features.astype(dict.fromkeys(categories, object)).fillna(dict.fromkeys(categories, MISSING_TEXT))


def code_matrix(features: pd.DataFrame) -> NDArray[np.float32]:
    """A `model_frame` as model.onnx takes it: float32 (rows, features), categories as their codes, NaN where missing."""
    matrix = np.empty(features.shape, dtype=np.float32)
    for position, (_, column) in enumerate(features.items()):
        if isinstance(column.dtype, pd.CategoricalDtype):
            codes = column.cat.codes.to_numpy()
            matrix[:, position] = np.where(codes < 0, np.nan, codes)
        else:
            matrix[:, position] = column.to_numpy()
    return matrix
