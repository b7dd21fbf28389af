"""A lender's scorecard: logistic regression on binned features, by scikit-learn, kept as a table of points.

A number is cut at the quantiles of the training rows, and passing a cut adds its points; a category, and a missing value,
has points of its own. So every reason is exact, and nothing that a decision rests on is hidden from the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import Round
from lockgate.drift.bins import bin_edges
from lockgate.metrics.metrics import log_loss
from lockgate.model.features import code_matrix
from lockgate.model.flavours.scorecard_points import FeaturePoints, Scorecard, ScorecardForm, indicators
from lockgate.model.protocol import Fitted, Progress, Sample

if TYPE_CHECKING:
    import pandas as pd

    from lockgate.config.params import ScorecardTrain

NATIVE = "scorecard.json"
NO_SPREAD = 1e-12  # of points that are all alike, but for the last digit


class ScorecardModel:
    """A table of points, and the bytes that it is read from."""

    def __init__(self, form: ScorecardForm) -> None:
        """`form` is what scorecard.json holds."""
        self._form = form

    @classmethod
    def fit(
        cls, training: Sample, validation: Sample, train: ScorecardTrain, schema: Schema, progress: Progress
    ) -> Fitted:
        """Fit the points on the training rows; the validation rows only measure."""
        values = code_matrix(training.features)
        blocks = [
            indicators(values[:, place], *_cuts(values[:, place], feature.kind, len(feature.categories), train.bins))
            for place, feature in enumerate(schema.features)
        ]
        # One thread, so that no sum depends on how many there are.
        with threadpool_limits(limits=1):
            fitted = LogisticRegression(C=train.C, max_iter=train.max_iter, solver="newton-cholesky").fit(
                np.hstack(blocks), training.labels, sample_weight=training.weights
            )
        points = np.split(fitted.coef_[0], np.cumsum([block.shape[1] for block in blocks])[:-1])
        features = []
        for place, (feature, block, found) in enumerate(zip(schema.features, blocks, points, strict=True)):
            edges, codes = _cuts(values[:, place], feature.kind, len(feature.categories), train.bins)
            given = np.einsum("rc,c->r", block, found)
            mean = float(np.average(given, weights=training.weights))
            spread = float(np.sqrt(np.average((given - mean) ** 2, weights=training.weights)))
            steps, categories = found[: len(edges)], found[len(edges) : len(edges) + len(codes)]
            features.append(
                FeaturePoints(
                    tuple(edges.tolist()),
                    tuple(steps.tolist()),
                    tuple(categories.tolist()),
                    float(found[-1]),
                    mean,
                    spread,
                )
            )
        card = Scorecard(intercept=float(fitted.intercept_[0]), features=tuple(features))
        model = cls(ScorecardForm(card))
        losses = [log_loss(one.labels, model.score(one.features), one.weights) for one in (training, validation)]
        progress(1, losses[1])
        return Fitted(model, (Round(1, round(losses[0], 6), round(losses[1], 6)),), 0, 1.0)

    def files(self) -> dict[str, bytes]:
        """The table, by the name that it has in a bundle."""
        return {NATIVE: self._form.card.to_bytes()}

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for a `model_frame`."""
        return self._form.score(code_matrix(features))

    def gains(self, feature_names: Sequence[str]) -> dict[str, float]:
        """How far the points of each feature spread in the training rows."""
        spreads = zip(feature_names, self._form.card.features, strict=True)
        return {name: one.spread for name, one in spreads if one.spread > NO_SPREAD}

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The table as ONNX."""
        return self._form.onnx()


def _cuts(
    column: NDArray[np.float32], kind: str, categories: int, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The edges of a number and no codes, or no edges and the codes of a category."""
    if kind == "categorical":
        return np.empty(0), np.arange(categories)
    return bin_edges(column.astype(np.float64), bins), np.arange(0)
