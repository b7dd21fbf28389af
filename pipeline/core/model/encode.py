"""The frame that the model sees: the schema's features, in its order, categories in its order."""

from __future__ import annotations

import pandas as pd

from pipeline.core.data.schema import Schema


def model_frame(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Features as XGBoost takes them: numbers as float32, categories as the schema's own, shape (rows, features).

    A category that the training rows did not have becomes missing, as the service can be told to do; how many
    there were is `unseen_share` in drift.json.
    """
    columns = {}
    for feature in schema.features:
        column = frame[feature.name]
        if feature.kind == "numeric":
            columns[feature.name] = column.astype("float32")
        else:
            columns[feature.name] = pd.Series(
                pd.Categorical(column.where(column.isin(feature.categories)), categories=list(feature.categories)),
                index=column.index,
            )
    return pd.DataFrame(columns, index=frame.index)
