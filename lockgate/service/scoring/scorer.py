"""The model: ONNX Runtime for single rows, XGBoost for batches once it is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError

if TYPE_CHECKING:
    import xgboost

TOLERANCE = 1e-6  # of a probability, between the two


class Scorer:
    """Scores rows of features (float32, categories as codes, NaN for missing) on one thread."""

    def __init__(self, onnx: bytes, features: int) -> None:
        """Raises InputError where `onnx` is not a model of that many features with one probability a row."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
            shapes = [(one.name, one.shape[1:]) for one in session.get_inputs()]
        except Exception as error:  # whatever the runtime raises for a model it cannot run
            raise InputError(
                f"ONNX Runtime cannot load model.onnx ({type(error).__name__}); run `lockgate train` again"
            ) from None
        if shapes != [("features", [features])] or [one.name for one in session.get_outputs()] != ["probability"]:
            raise InputError(
                f"model.onnx does not take {features} `features` and give a `probability`; run `lockgate train` again"
            )
        self._run = session.run
        self._booster: xgboost.Booster | None = None

    def one(self, values: list[float]) -> float:
        """The probability of the positive class for one row."""
        return float(self._run(["probability"], {"features": np.array([values], dtype=np.float32)})[0].item())

    def many(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of each row, shape (rows,)."""
        if self._booster is None:
            return self._onnx(values)
        return _inplace(self._booster, values)

    def verify(self, values: NDArray[np.float32], probabilities: NDArray[np.float64]) -> None:
        """Raises InputError unless the ONNX model gives these probabilities for these rows."""
        if not _agree(self._onnx(values), probabilities):
            raise InputError("model.onnx does not give the probabilities in golden.json; run `lockgate train` again")

    def use_for_batches(
        self, booster: xgboost.Booster, values: NDArray[np.float32], probabilities: NDArray[np.float64]
    ) -> None:
        """From now on `booster` scores batches; ValueError unless it gives these probabilities for these rows."""
        if not _agree(_inplace(booster, values), probabilities):
            raise ValueError("model.json does not give the probabilities in golden.json")
        self._booster = booster

    def _onnx(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(self._run(["probability"], {"features": values})[0], dtype=np.float64).reshape(len(values))


def _inplace(booster: xgboost.Booster, values: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(booster.inplace_predict(values, validate_features=False), dtype=np.float64)


def _agree(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool(np.allclose(found, expected, rtol=0.0, atol=TOLERANCE))
