"""model.onnx in ONNX Runtime: one thread, so that the trees are added up in their order, and every answer is the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.extras import extras_named
from lockgate.model.onnx_check import CheckedOnnx, check_onnx

INPUT = "features"
OUTPUT = "probability"
TOLERANCE = 1e-6  # of a probability, between two forms of one model
HOW_TO_FIX = "run `lockgate train` again"


class OnnxModel:
    """Scores rows of features (float32, categories as codes, NaN for missing)."""

    def __init__(self, model: CheckedOnnx, features: int) -> None:
        """Raises InputError where `model` does not take that many features and give one probability a row.

        Nothing but its content decides: no other file, no working directory, no setting that stands in the model.
        """
        inputs = [(one.name, one.element_type, one.shape and one.shape[1:]) for one in model.inputs]
        if inputs != [(INPUT, "float", (features,))] or [one.name for one in model.outputs] != [OUTPUT]:
            raise InputError(f"model.onnx does not take {features} `{INPUT}` and give a `{OUTPUT}`; {HOW_TO_FIX}")
        session = onnx_session(model.content)
        self._session_run: Any = session.run
        # A single row and its answer stand in memory that the session knows: to hand them over each time costs a sixth more.
        self._row = np.zeros((1, features), dtype=np.float32)
        self._answer = self._run(self._row).copy()
        self._places: Any = session.io_binding()
        self._places.bind_input(INPUT, "cpu", 0, np.float32, self._row.shape, self._row.ctypes.data)
        self._places.bind_output(OUTPUT, "cpu", 0, self._answer.dtype, self._answer.shape, self._answer.ctypes.data)
        self._run_in_places: Any = session.run_with_iobinding

    @classmethod
    def read(cls, content: bytes, features: int) -> Self:
        """The model in `content`, which is checked first."""
        return cls(check_onnx(content, "model.onnx"), features)

    def one(self, values: list[float]) -> float:
        """The probability of the event for one row; not by two threads at once, which would share its place."""
        self._row[0] = values
        try:
            self._run_in_places(self._places)
        except Exception as error:  # whatever the runtime raises
            raise _cannot_run(error) from None
        return float(self._answer.item())

    def many(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of each row, shape (rows,)."""
        return np.asarray(self._run(values), dtype=np.float64).reshape(len(values))

    def each(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of each row, shape (rows,), bit for bit as `one` gives it."""
        return np.array([self._run(values[place : place + 1]).item() for place in range(len(values))], dtype=np.float64)

    def verify(self, values: NDArray[np.float32], probabilities: Sequence[float]) -> None:
        """Raises InputError unless these rows, those of golden.json, have these probabilities."""
        if not np.allclose(self.many(values), probabilities, rtol=0.0, atol=TOLERANCE):
            raise InputError(f"model.onnx does not give the probabilities in golden.json; {HOW_TO_FIX}")

    def _run(self, values: NDArray[np.float32]) -> NDArray[Any]:
        try:
            found: NDArray[Any] = self._session_run([OUTPUT], {INPUT: values})[0]
        except Exception as error:  # whatever the runtime raises
            raise _cannot_run(error) from None
        return found


def _cannot_run(error: Exception) -> InputError:
    return InputError(f"ONNX Runtime cannot run model.onnx ({type(error).__name__}); {HOW_TO_FIX}")


def onnx_session(content: bytes) -> Any:
    """ONNX Runtime with a model in it. Raises InputError where it cannot run it."""
    # Its own switch, read when it is imported: it would write an identifier of the machine into the home folder and send Microsoft
    # what is loaded, from wherever a model is scored.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    with extras_named():
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever the runtime raises for a model it cannot run
        raise InputError(
            f"ONNX Runtime cannot load model.onnx ({type(error).__name__}); {HOW_TO_FIX}, or export yours with float in the "
            "place of double, for which it lacks many operators"
        ) from None
