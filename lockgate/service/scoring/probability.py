"""Where a probability is computed: ONNX Runtime, and for batches the trained model itself, once loaded and if faster."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.model.onnx_runtime import TOLERANCE, OnnxModel
from lockgate.model.protocol import TrainedModel


class Scorer:
    """Scores rows of features (float32, categories as codes, NaN for missing) on one thread."""

    def __init__(self, onnx: bytes, features: int) -> None:
        """Raises InputError where `onnx` is not a model of that many features with one probability a row."""
        self._onnx = OnnxModel(onnx, features)
        self.score_row = self._onnx.one
        self.score_rows = self._onnx.many

    def verify(self, values: NDArray[np.float32], probabilities: NDArray[np.float64]) -> None:
        """Raises InputError unless the ONNX model gives these probabilities for these rows."""
        if not _agree(self._onnx.many(values), probabilities):
            raise InputError("model.onnx does not give the probabilities in golden.json; run `lockgate train` again")

    def use_for_batches(
        self, model: TrainedModel, values: NDArray[np.float32], probabilities: NDArray[np.float64]
    ) -> None:
        """From now on `model` scores batches; ValueError unless it gives these probabilities for these rows."""
        if not _agree(model.score_codes(values), probabilities):
            raise ValueError(f"{', '.join(model.files())} does not give the probabilities in golden.json")
        self.score_rows = model.score_codes


def _agree(found: NDArray[np.float64], expected: NDArray[np.float64]) -> bool:
    return bool(np.allclose(found, expected, rtol=0.0, atol=TOLERANCE))
