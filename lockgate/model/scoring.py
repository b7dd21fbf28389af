"""Scoring by what is served, model.onnx, whatever trained it; and that the model itself gives the same probabilities."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.model.bundle import Bundle
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.onnx_check import CheckedOnnx
from lockgate.model.onnx_runtime import TOLERANCE, OnnxModel
from lockgate.model.protocol import Model

ROWS_AT_ONCE = 65_536
ROWS_ALONE = 500
# ONNX Runtime adds up a linear model's products for one row in another order than for many.
TOLERANCE_ALONE = 1e-5
# Between a model of one's own, which most libraries compute in float64, and its ONNX form, in float32.
OWN_TOLERANCE = 1e-5


def score_bundle(bundle: Bundle, rows: pd.DataFrame, of: int | None = None) -> NDArray[np.float64]:
    """Probability of the event, shape (rows,), for a table that has the columns of the bundle's schema.

    of: how many rows there are in all, where these are some of them; the more there are, the fewer of these are scored alone too.
    Raises InputError where the bundle's model.onnx is not a model of these features.
    """
    return score_frame(bundle, model_frame(rows, bundle.schema), of)


def score_frame(bundle: Bundle, features: pd.DataFrame, of: int | None = None) -> NDArray[np.float64]:
    """As `score_bundle`, for a `model_frame` of the bundle's schema."""
    return score_onnx(bundle.onnx, features, of)


def score_onnx(onnx: CheckedOnnx, features: pd.DataFrame, of: int | None = None) -> NDArray[np.float64]:
    """As `score_frame`, for whoever has of a bundle only its model."""
    return _scores(_opened_model(onnx, features.shape[1]), features, of)


@lru_cache(maxsize=2)  # a model and its champion
def _opened_model(onnx: CheckedOnnx, features: int) -> OnnxModel:
    """A session, once in a process for all parts of a table."""
    return OnnxModel(onnx, features)


def onnx_scores(content: bytes, features: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of the event by ONNX Runtime for a `model_frame`, shape (rows,).

    Raises InputError where a row, scored alone as `/predict` does, gets another probability than among the others.
    """
    return _scores(OnnxModel.read(content, features.shape[1]), features)


def _scores(model: OnnxModel, features: pd.DataFrame, of: int | None = None) -> NDArray[np.float64]:
    starts = range(0, len(features), ROWS_AT_ONCE)
    parts = [model.many(code_matrix(features.iloc[start : start + ROWS_AT_ONCE])) for start in starts]
    scores = np.concatenate([np.empty(0), *parts])
    _require_same_alone(model, features, scores, of or len(features))
    return scores


def _require_same_alone(model: OnnxModel, features: pd.DataFrame, scores: NDArray[np.float64], of: int) -> None:
    """No operator counts rows, but a graph could still tell one from many by how their last digits are rounded.

    Of `of` rows about `ROWS_ALONE` are looked at, and so many of these as are their share.
    """
    chosen = min(len(features), -(-len(features) * ROWS_ALONE // max(of, 1)))
    places = np.unique(np.linspace(0, max(len(features) - 1, 0), chosen).astype(int))
    alone = model.each(
        code_matrix(features.iloc[places])
    )  # several threads may share the model, and `one` has one place
    # Equal infinities and NaN on both sides are no difference: they are refused where probabilities are judged.
    if not np.allclose(alone, scores[places], rtol=0.0, atol=TOLERANCE_ALONE, equal_nan=True):
        raise InputError(
            "model.onnx gives a row another probability alone than among others, so what is judged would not be what is "
            "served; train again"
        )


def verified_scores(
    served: bytes, model: Model, features: pd.DataFrame, rows: str, tolerance: float = TOLERANCE
) -> NDArray[np.float64]:
    """`onnx_scores` of a `model_frame` by the model's ONNX form, held against the model itself; `rows` says what these are.

    Raises InputError where one is no probability, or not the model's own.
    """
    found = onnx_scores(served, features)
    require_probabilities(found, rows)
    require_parity(found, model, features, rows, tolerance)
    return found


def require_probabilities(scores: NDArray[np.float64], rows: str) -> None:
    """Raises InputError where a score is no probability; `rows` says what these rows are."""
    wrong = np.flatnonzero(~((scores >= 0.0) & (scores <= 1.0)))
    if len(wrong):
        raise InputError(
            f"model.onnx gives {scores[wrong[0]]:.9g} in row {wrong[0] + 1} of {rows}, which is no probability ({len(wrong):,} "
            f"of {len(scores):,} are none); give the event's probability, also where a value is missing or far out"
        )


def require_parity(
    served: NDArray[np.float64], model: Model, features: pd.DataFrame, rows: str, tolerance: float = TOLERANCE
) -> None:
    """Raises InputError where a `served` score differs by more than `tolerance` from the model's own for one of `features`.

    `rows` says what these rows are. A NaN on either side is a difference.
    """
    if not len(features):
        return
    scores = model.score(features)
    gaps = np.nan_to_num(np.abs(served - scores), nan=np.inf)
    worst = int(gaps.argmax())
    if gaps[worst] > tolerance:
        native = ", ".join(model.files()) or "the model itself"
        raise InputError(
            f"model.onnx does not score as {native} does: {served[worst]:.9f} instead of {scores[worst]:.9f} in row "
            f"{worst + 1} of {rows} ({int((gaps > tolerance).sum()):,} of {len(gaps):,} differ by more than "
            f"{tolerance:g}); train again, with fewer rounds (train.num_boost_round) if it has thousands"
        )
