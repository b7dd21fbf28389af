"""That model.onnx, which is served, and model.json, which was judged, give the same probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.model.encode import code_matrix
from lockgate.model.onnx_form import INPUT, OUTPUT

if TYPE_CHECKING:
    import pandas as pd

TOLERANCE = 1e-6
ROWS_AT_ONCE = 65_536


def onnx_scores(model: bytes, features: pd.DataFrame) -> NDArray[np.float64]:
    """Probability of the positive class by ONNX Runtime for a `model_frame`, shape (rows,)."""
    session = _session(model)
    parts = [np.empty(0)]
    for start in range(0, len(features), ROWS_AT_ONCE):
        matrix = code_matrix(features.iloc[start : start + ROWS_AT_ONCE])
        (found,) = session.run([OUTPUT], {INPUT: matrix})
        parts.append(found.reshape(-1).astype(np.float64))
    return np.concatenate(parts)


def require_parity(model: bytes, features: pd.DataFrame, scores: NDArray[Any], rows: str) -> None:
    """Raises InputError where ONNX Runtime and XGBoost (`scores`) differ by more than 1e-6 on one of `features`.

    `rows` says what these rows are. A NaN on either side is a difference.
    """
    if not len(features):
        return
    served = onnx_scores(model, features)
    gaps = np.nan_to_num(np.abs(served - scores), nan=np.inf)
    worst = int(gaps.argmax())
    if gaps[worst] > TOLERANCE:
        raise InputError(
            f"model.onnx does not score as model.json does: {served[worst]:.9f} instead of {scores[worst]:.9f} in row "
            f"{worst + 1} of {rows} ({int((gaps > TOLERANCE).sum()):,} of {len(gaps):,} differ by more than "
            f"{TOLERANCE:g}); train again, with fewer rounds (train.num_boost_round) if it has thousands"
        )


def _session(model: bytes) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One thread adds up the trees in their order, as the service does.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
