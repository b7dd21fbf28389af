"""XGBoost on rows that no memory holds: they stand on disk in blocks of a fixed number, and XGBoost takes them block by block.

So trains one machine with `train.external_memory`, and so does each of several machines with its own range of the rows, which
then add up their histograms, losses and weights. What comes out depends on the rows, their order and their ranges alone: not on
the file's groups of rows, the number of threads, or which machine has which range.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray
from xgboost import collective

from lockgate.config.errors import InputError
from lockgate.config.params import XGBoostTrain
from lockgate.data.split import is_validation
from lockgate.data.stage_rows import FramePartition
from lockgate.documents.schema_json import ROW_KEY, Schema
from lockgate.model.features import code_matrix, model_frame
from lockgate.model.flavours.xgboost import boosted, column_types
from lockgate.model.protocol import Fitted, Labelled, Progress, require_both_classes

BLOCK_CELLS = 2**24  # 64 MiB of float32
ROWS_AT_ONCE = 2**20  # of labels and probabilities
TRAINING, VALIDATION = "training", "validation"
LABELS, WEIGHTS = "labels.npy", "weights.npy"


def fit_from_disk(rows: FramePartition, train: XGBoostTrain, schema: Schema, progress: Progress) -> Fitted:
    """The model of the rows, by way of the folder for temporary files, which keeps nothing of them. Raises as `fit_blocks` does."""
    with tempfile.TemporaryDirectory(prefix="lockgate-training-") as folder:
        write_blocks(rows, train, schema, Path(folder))
        return fit_blocks(Path(folder), train, schema, progress)


def write_blocks(rows: FramePartition, train: XGBoostTrain, schema: Schema, folder: Path) -> None:
    """Write the rows into `folder`: training and validation rows apart, as `code_matrix` gives them, with labels and weights.

    Raises InputError where the disk does not take them.
    """
    training, validation = (_Writer(folder / name, len(schema.features)) for name in (TRAINING, VALIDATION))
    try:
        for frame in rows.frames():
            held_out = is_validation(frame[ROW_KEY], train)
            for writer, chosen in ((training, ~held_out), (validation, held_out)):
                part = frame[chosen]
                weights = part[schema.weight_column].to_numpy() if schema.weight_column else np.ones(len(part))
                writer.add(code_matrix(model_frame(part, schema)), part[schema.target].to_numpy(), weights)
        training.close()
        validation.close()
    except OSError as error:
        raise InputError(
            f"the training rows cannot be written to {folder} ({error.strerror or error}); make room there, or set TMPDIR to a "
            "folder on another disk"
        ) from None


def fit_blocks(
    folder: Path, train: XGBoostTrain, schema: Schema, progress: Progress, threads: int | None = None
) -> Fitted:
    """The model of the rows that `write_blocks` wrote into `folder`, together with those of the other processes, if any.

    XGBoost keeps them in memory, a byte or two a value, or with `external_memory` in `folder` too; `threads` are its threads where
    the settings name none. Raises InputError where all rows of a split are of one class, or XGBoost fails.
    """
    if threads and not train.nthread:
        train = train.model_copy(update={"nthread": threads})
    samples = (_Spread(folder / TRAINING), _Spread(folder / VALIDATION))
    for sample in samples:
        require_both_classes(int(sum(sample.rows_of)), sum(map(bool, sample.rows_of)), "the training rows")
    matrices: list[xgboost.DMatrix] = []
    try:
        for sample in samples:
            matrices.append(_matrix(sample, train, schema, matrices[0] if matrices else None))
        return boosted(matrices, samples, train, schema, progress)
    except xgboost.core.XGBoostError as error:
        raise InputError(f"XGBoost could not train: {_reason(error)}") from None
    finally:
        matrices.clear()  # XGBoost removes its own files when it lets go of a matrix


class _Writer:
    """Rows that come a few at a time, written in blocks that are all of one size but the last."""

    def __init__(self, path: Path, columns: int) -> None:
        self._path = path
        self._size = max(BLOCK_CELLS // columns, 1)
        self._waiting: list[NDArray[np.float32]] = []
        self._labels = [np.empty(0, np.int8)]
        self._weights = [np.empty(0, np.float64)]
        self._blocks = 0
        path.mkdir(parents=True)

    def add(self, features: NDArray[np.float32], labels: NDArray[Any], weights: NDArray[Any]) -> None:
        """Take some rows, at least none."""
        self._waiting.append(features)
        self._labels.append(labels.astype("int8"))
        self._weights.append(weights.astype("float64"))
        while sum(map(len, self._waiting)) >= self._size:
            together = np.concatenate(self._waiting)
            self._write(together[: self._size])
            self._waiting = [together[self._size :].copy()]

    def close(self) -> None:
        """Write what is left."""
        if any(map(len, self._waiting)):
            self._write(np.concatenate(self._waiting))
        np.save(self._path / LABELS, np.concatenate(self._labels))
        np.save(self._path / WEIGHTS, np.concatenate(self._weights))

    def _write(self, block: NDArray[np.float32]) -> None:
        np.save(self._path / f"{self._blocks:06}.npy", block)
        self._blocks += 1


@dataclass
class _Spread(Labelled):
    """The rows of a folder here, and with them those of the other processes that train the same model.

    `rows_of` and the weights behind `weight_of` are of all of them, by label.
    """

    folder: Path
    labels: NDArray[np.int8] = field(init=False)
    weights: NDArray[np.float64] = field(init=False)
    rows_of: tuple[float, float] = field(init=False)

    def __post_init__(self) -> None:
        self.labels, self.weights = np.load(self.folder / LABELS), np.load(self.folder / WEIGHTS)
        rows = [float(np.count_nonzero(self.labels == label)) for label in (0, 1)]
        weights = [math.fsum(self.weights[self.labels == label]) for label in (0, 1)]
        zero, one, *self._weight_of = _added([*rows, *weights])
        self.rows_of = (zero, one)

    def weight_of(self, label: int) -> float:
        """Total weight of the rows with `label`."""
        return self._weight_of[label]

    def mean(self, values: Callable[[slice], NDArray[Any]]) -> float:
        """The weighted mean over all rows, the same bits in every process."""
        parts = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(self.labels), ROWS_AT_ONCE)]
        (total,) = _added([math.fsum(float((values(rows) * self.weights[rows]).sum()) for rows in parts)])
        return total / math.fsum(self._weight_of)

    def blocks(self) -> Iterator[tuple[NDArray[np.float32], slice]]:
        """The features block by block, with the places of their rows."""
        start = 0
        for path in sorted(self.folder.glob("[0-9]*.npy")):
            block = np.load(path)
            yield block, slice(start, start + len(block))
            start += len(block)


class _Blocks(xgboost.DataIter):
    """What XGBoost asks for the blocks, more than once; `cache` is where it may keep what it makes of them."""

    def __init__(self, sample: _Spread, columns: dict[str, list[str]], cache: Path | None) -> None:
        self._sample, self._columns = sample, columns
        self._rest = sample.blocks()
        super().__init__(cache_prefix=None if cache is None else str(cache))

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand the next block over; False where there is none."""
        for block, rows in self._rest:
            input_data(data=block, label=self._sample.labels[rows], weight=self._sample.weights[rows], **self._columns)
            return True
        return False

    def reset(self) -> None:
        """Begin again."""
        self._rest = self._sample.blocks()


def _matrix(sample: _Spread, train: XGBoostTrain, schema: Schema, reference: xgboost.DMatrix | None) -> xgboost.DMatrix:
    columns = column_types([feature.kind == "categorical" for feature in schema.features])
    cache = sample.folder / "xgboost" if train.external_memory else None
    make = xgboost.QuantileDMatrix if cache is None else xgboost.ExtMemQuantileDMatrix
    made: xgboost.DMatrix = make(
        _Blocks(sample, columns, cache),
        max_bin=train.max_bin,
        ref=reference,
        enable_categorical=True,
        nthread=train.nthread,
    )
    return made


def _added(numbers: Sequence[float]) -> list[float]:
    """The sums of the processes' numbers, the same bits in each of them, whichever way their messages go."""
    if not collective.is_distributed():
        return [float(number) for number in numbers]
    table = np.zeros((collective.get_world_size(), len(numbers)))
    table[collective.get_rank()] = numbers  # the others' rows are zero, so that adding rounds nothing
    every = collective.allreduce(table, collective.Op.SUM).reshape(table.shape)
    return [math.fsum(column) for column in every.T]


def _reason(error: Exception) -> str:
    """Of XGBoost's text, which has the stack of its own code below it, the line that says what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
