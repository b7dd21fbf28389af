"""What boosting is, whoever grows the trees: the loss round by round, when to stop, and where the intercept goes.

A `scale_pos_weight` of w multiplies the odds that the trees learn by about w (prior correction: King & Zeng 2001,
Political Analysis 9, 137-163). Losses are those of the probabilities with the odds divided by w again, and the
intercept of the finished model is moved so that the mean probability of the training rows is their prevalence: the
Brier score does not suffer from the weighting. Losses are computed in numpy on rows in a fixed order: the libraries'
own sums depend, in their last bits, on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lockgate.config.errors import InputError
from lockgate.config.suggest import nearest
from lockgate.documents.schema_json import Schema
from lockgate.documents.train_json import Round
from lockgate.model.protocol import Labelled, Progress

PROBABILITY_FLOOR = 1e-7


class LossHistory:
    """The log-loss of both samples after each round of boosting."""

    def __init__(
        self, training: Labelled, validation: Labelled, odds_factor: float, patience: int | None, progress: Progress
    ) -> None:
        """`patience`: how many rounds without a better validation loss end the training; None never ends it."""
        self._samples = (training, validation)
        self._odds_factor = odds_factor
        self._patience = patience
        self._progress = progress
        self._losses: list[tuple[float, float]] = []
        self._lowest = 0

    def add(self, training: NDArray[Any], validation: NDArray[Any]) -> bool:
        """Record a round by the raw probabilities of both samples; whether the training should end."""
        for_training, for_validation = self._samples
        losses = self.loss(for_training, training), self.loss(for_validation, validation)
        self._losses.append(losses)
        self._progress(len(self._losses), losses[1])
        if losses[1] < self._losses[self._lowest][1]:
            self._lowest = len(self._losses) - 1
        return self._patience is not None and len(self._losses) - 1 - self._lowest >= self._patience

    def loss(self, sample: Labelled, raw: NDArray[Any]) -> float:
        """The weighted log-loss of raw probabilities, shape (rows,), intercept corrected."""

        def losses(rows: slice) -> NDArray[np.float64]:
            clipped = np.clip(raw[rows].astype("float64"), PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
            probability = clipped / (clipped + self._odds_factor * (1 - clipped))
            found: NDArray[np.float64] = -np.where(
                sample.labels[rows] == 1, np.log(probability), np.log1p(-probability)
            )
            return found

        return sample.mean(losses)

    @property
    def best_iteration(self) -> int:
        """The round that is kept, counted from 0: the best one, or the last where nothing may end the training early."""
        return len(self._losses) - 1 if self._patience is None else self._lowest

    @property
    def rounds(self) -> tuple[Round, ...]:
        """Every round, with losses rounded to what a reader can use."""
        return tuple(
            Round(number, round(training, 6), round(validation, 6))
            for number, (training, validation) in enumerate(self._losses, start=1)
        )


def odds_factor(scale_pos_weight: float | Literal["balanced"], training: Labelled) -> float:
    """By how much the event's rows weigh more; `balanced` gives both classes the same total."""
    if scale_pos_weight == "balanced":
        return training.weight_of(0) / training.weight_of(1)
    return float(scale_pos_weight)


def log_odds(probability: float) -> float:
    """The logarithm of the odds."""
    return math.log(probability) - math.log1p(-probability)


def shift_to_prevalence(margins: NDArray[np.floating[Any]], training: Labelled) -> float:
    """What to add to the log-odds of the training rows so that their mean probability is their prevalence.

    One root, found by bisection.
    """
    prevalence = training.prevalence()

    def probabilities(rows: slice, shift: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = 1 / (1 + np.exp(-(margins[rows].astype("float64") + shift)))
        return found

    low, high = -50.0, 50.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        mean = training.mean(partial(probabilities, shift=middle))
        low, high = (middle, high) if mean < prevalence else (low, middle)
    return (low + high) / 2


def monotone_directions(monotone: Mapping[str, int], schema: Schema) -> list[int]:
    """A feature's direction for each, 0 where it has none; raises InputError for a column that cannot have one."""
    kinds = {feature.name: feature.kind for feature in schema.features}
    for name in monotone:
        if name not in kinds:
            raise InputError(f"train.monotone names `{name}`, which is no feature; {nearest(name, kinds)}")
        if kinds[name] == "categorical":
            raise InputError(f"train.monotone names `{name}`, which is categorical and has no order; leave it out")
    return [monotone.get(name, 0) for name in schema.feature_names]
