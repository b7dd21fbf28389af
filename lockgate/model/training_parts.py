"""Training on rows that no memory holds: fitted from disk or by Dask's workers, then held against the model part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.params import Train, XGBoostTrain
from lockgate.data.split import is_validation
from lockgate.data.stage_rows import FramePartition, StageRows
from lockgate.documents.manifest_json import Partitioning
from lockgate.documents.profile_json import LeafCounts
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.drift.bins import Counts
from lockgate.engine.engine import Engine
from lockgate.model.features import model_frame
from lockgate.model.flavours.table import FLAVOURS
from lockgate.model.leaves import tree_leaves
from lockgate.model.protocol import Fitted, Model, Progress
from lockgate.model.scoring import verified_scores


def trains_in_parts(train: Train, engine: Engine) -> bool:
    """Whether the rows need not be in memory: XGBoost on Dask's workers, or where `train.external_memory` says so."""
    return isinstance(train, XGBoostTrain) and (train.external_memory or engine.client is not None)


def fit_in_parts(
    rows: StageRows, train: Train, schema: Schema, progress: Progress, engine: Engine
) -> tuple[Fitted, Partitioning | None]:
    """The model of the rows, and how they were spread where that shaped it. Raises InputError as a flavour's `fit` does."""
    flavour = FLAVOURS[train.model]
    if engine.client is None:
        return flavour.load_code(str(flavour.in_parts))(rows, train, schema, progress), None
    fitted, workers = flavour.load_code(str(flavour.on_workers))(engine.client, rows, train, schema, progress)
    return fitted, Partitioning("dask", workers)


@dataclass(frozen=True)
class ValidationRows:
    """Of a part of the training rows those that the model was not fitted to, and how many they are."""

    partition: FramePartition
    train: Train
    rows: int

    def frames(self, columns: Sequence[str] | None = None) -> Iterator[pd.DataFrame]:
        """The rows in their order, some thousands at a time: all columns, or those that are named."""
        for frame in self.partition.frames(None if columns is None else [*dict.fromkeys([*columns, ROW_KEY])]):
            chosen = frame[is_validation(frame[ROW_KEY], self.train)]
            yield chosen if columns is None else chosen[list(columns)]


@dataclass(frozen=True)
class ScoredRows:
    """What a model makes of rows: how many of them it was fitted to; the others, their scores, labels and weights, each (rows,).

    `leaves` counts those others in the leaves of its trees; None where it has none.
    """

    fitted_to: int
    validation: Sequence[ValidationRows]
    scores: NDArray[np.float64]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    leaves: LeafCounts | None


def score_in_parts(
    engine: Engine, partitions: Sequence[FramePartition], model: Model, served: bytes, train: Train, schema: Schema
) -> ScoredRows:
    """All rows scored by the model's ONNX form, and held against the model itself as `verified_scores` does."""
    found = list(engine.map(partial(_scored, model=model, served=served, train=train, schema=schema), partitions))
    scores = np.concatenate([one.scores for one in found])
    trees = tree_leaves(served)
    return ScoredRows(
        sum(one.fitted_to for one in found),
        [ValidationRows(part, train, len(one.scores)) for part, one in zip(partitions, found, strict=True)],
        scores,
        np.concatenate([one.labels for one in found]),
        np.concatenate([one.weights for one in found]),
        trees.counted(np.sum([one.leaves for one in found], axis=0), len(scores)) if trees else None,
    )


@dataclass(frozen=True)
class _ScoredPart:
    fitted_to: int
    scores: NDArray[np.float64]
    labels: NDArray[np.int8]
    weights: NDArray[np.float64]
    leaves: Counts


def _scored(part: FramePartition, model: Model, served: bytes, train: Train, schema: Schema) -> _ScoredPart:
    trees = tree_leaves(served)
    fitted_to, leaves = 0, np.zeros(sum(trees.sizes) if trees else 0, np.int64)
    scores, labels, weights = [np.empty(0)], [np.empty(0, np.int8)], [np.empty(0)]
    for frame in part.frames():
        held_out = is_validation(frame[ROW_KEY], train)
        features = model_frame(frame, schema)
        verified_scores(served, model, features[~held_out], "the training rows")
        scores.append(verified_scores(served, model, features[held_out], "the validation rows"))
        if trees:
            leaves += trees.counts(features[held_out])
        rows = frame[held_out]
        labels.append(rows[schema.target].to_numpy(np.int8))
        weights.append(rows[schema.weight_column].to_numpy(np.float64) if schema.weight_column else np.ones(len(rows)))
        fitted_to += int(np.count_nonzero(~held_out))
    return _ScoredPart(fitted_to, np.concatenate(scores), np.concatenate(labels), np.concatenate(weights), leaves)
