"""What a model is to the kit, whatever library made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.documents.schema_json import Feature, Schema
from lockgate.documents.train_json import Round

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[int, float], None]
"""Is told the number of rounds that are done, and the validation loss after them."""


class Model(Protocol):
    """A trained binary classifier.

    What is served, judged and watched is its ONNX form; its own score is what that form is held against.
    """

    def score(self, features: pd.DataFrame) -> NDArray[np.float64]:
        """Probability of the event, shape (rows,), for rows as `features.model_frame` gives them."""

    def onnx(self, feature_names: Sequence[str]) -> bytes:
        """The model as ONNX; equal models give equal bytes.

        It takes float32 (rows, features), categories as their codes, NaN where missing; or one input of shape (rows, 1) a
        feature, by its name: numbers, or texts, empty where one is missing. It gives the event's probability as one number a
        row, or as the second of two; labels and dictionaries beside it are left out. Raises InputError where the model
        cannot be converted.
        """

    def files(self) -> Mapping[str, bytes]:
        """The model in its library's own form, for the bundle: by file name, never a pickle."""


class TrainedModel(Model, Protocol):
    """A model of one of the kit's flavours: also made by it, and asked for what it learnt from."""

    @classmethod
    def fit(cls, training: Sample, validation: Sample, train: Any, schema: Schema, progress: Progress) -> Fitted:
        """Train by the section `train` of this flavour; equal arguments give equal models, on any number of threads."""

    def gains(self, feature_names: Sequence[str]) -> Mapping[str, float]:
        """By how much each feature that is split on lowered the training loss, all its splits together."""


Explain = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Shapley values on the log-odds scale, shape (rows, features + 1), for rows as `features.code_matrix` gives them.

The last column is the base; a row's values add up to its log-odds.
"""


class NativeForm(Protocol):
    """A model in its library's own form, read from a bundle's file and checked, without that library."""

    @classmethod
    def read(cls, content: bytes, features: Sequence[Feature]) -> Self:
        """The form in `content`; raises DamagedError where it is not what the kit trains on these features."""

    def onnx(self) -> bytes:
        """The one model.onnx that this is the other form of."""

    def explainer(self) -> Explain:
        """What explains rows, without the library."""


class Labelled(Protocol):
    """Rows with a label, 0 or 1, and a weight each: here as a whole, or some of them here and some in other processes."""

    labels: NDArray[Any]

    def weight_of(self, label: int) -> float:
        """Total weight of the rows with `label`, wherever they are."""

    def mean(self, values: Callable[[slice], NDArray[Any]]) -> float:
        """The weighted mean over the rows, wherever they are; `values` gives one a row for some of the rows here."""

    def prevalence(self, odds_factor: float = 1.0) -> float:
        """The weighted share of the event, with the event's rows weighing `odds_factor` times as much."""
        positive = odds_factor * self.weight_of(1)
        return positive / (positive + self.weight_of(0))


def require_both_classes(rows: int, classes: int, source: str) -> None:
    """Raises InputError where the `rows` of a split are not of two classes; `source` says what they were split off."""
    if classes != 2:
        raise InputError(
            f"{source}: a split for training or validation has {rows:,} rows of one class; "
            "change train.validation_size or bring more rows"
        )


@dataclass(frozen=True)
class Sample(Labelled):
    """Rows to fit on or to validate with: features (rows, features), labels 0/1 and weights, each (rows,)."""

    features: pd.DataFrame
    labels: NDArray[Any]
    weights: NDArray[Any]

    def weight_of(self, label: int) -> float:
        """Total weight of the rows with `label`."""
        return float(self.weights[self.labels == label].sum())

    def mean(self, values: Callable[[slice], NDArray[Any]]) -> float:
        """The weighted mean over the rows."""
        return float(np.average(values(slice(None)), weights=self.weights))


Trainer = Callable[[Sample, Sample, Schema], Model]
"""Fits a model of one's own on training rows, with validation rows and the schema at hand."""


@dataclass(frozen=True)
class Fitted:
    """A trained model, and how its training went, a record a round; a model of one's own has none."""

    model: Model
    history: tuple[Round, ...]
    best_iteration: int
    scale_pos_weight: float
